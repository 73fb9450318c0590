"""Splits and folds that are made: their sizes, groups and tags."""

import hashlib

import numpy as np
import pytest

from howlow.data import splits
from howlow.data.datasets import table as table_module


@pytest.mark.parametrize("n_groups", [3, 4, 5, 20])
def test_made_splits_are_never_empty(n_groups):
    groups = [f"g{i % n_groups}" for i in range(60)]
    made = splits.by_group(groups, table_module.SHARES)
    assert set(made) == {"train", "validation", "test"}
    assert made.count("train") >= 20


def artists(n_groups, n_clips, seed=0):
    """Clips of artists that have one to nine clips each, and three tags of which the last is rare."""
    rng = np.random.default_rng(seed)
    groups = [f"g{i}" for i in np.sort(rng.integers(0, n_groups, n_clips))]
    of_group = {group: rng.random(3) for group in groups}  # an artist's clips have similar tags
    return groups, np.array([rng.random(3) < of_group[group] * [1.0, 0.6, 0.2] for group in groups])


@pytest.mark.parametrize("n_folds", [3, 5, 10])
def test_folds_are_alike_in_size_and_tags_and_share_no_group(n_folds):
    groups, labels = artists(200, 800)
    folds = np.array(splits.into_folds(groups, labels, n_folds))
    assert set(folds) == {str(fold) for fold in range(1, n_folds + 1)}
    assert all(len(set(folds[np.array(groups) == group])) == 1 for group in set(groups))
    sizes = np.array([(folds == fold).sum() for fold in set(folds)])
    assert np.abs(sizes - 800 / n_folds).max() <= 0.05 * 800 / n_folds
    positives = np.array([labels[folds == fold].sum(axis=0) for fold in set(folds)])
    assert (np.abs(positives - labels.sum(axis=0) / n_folds) <= 0.1 * labels.sum(axis=0) / n_folds + 2).all()


def test_folds_do_not_depend_on_the_order_of_the_clips_nor_on_the_machine():
    groups, labels = artists(40, 120)
    folds = splits.into_folds(groups, labels, 5)
    order = np.random.default_rng(1).permutation(120)
    assert splits.into_folds([groups[i] for i in order], labels[order], 5) == [folds[i] for i in order]
    assert hashlib.sha256("".join(folds).encode()).hexdigest()[:8] == "fc82ef26"
