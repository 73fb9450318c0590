"""The bootstrap of the test clips draws whole groups, and its metrics are scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from howlow.evaluation import resampling
from howlow.evaluation.resampling import Resampled


def test_whole_groups_are_drawn():
    groups = np.array(["a", "b", "a", "c", "b", "a", "d"])
    weights = resampling.draw(groups, 2000)
    assert weights.shape == (7, 2000)
    for name in "abcd":
        of_group = weights[groups == name]
        assert (of_group == of_group[0]).all()
    one_of_each = weights[[0, 1, 3, 6]]
    assert (one_of_each.sum(0) == 4).all()  # as many groups as there are
    np.testing.assert_allclose(one_of_each.mean(1), 1, atol=0.08)
    np.testing.assert_allclose(one_of_each.var(1), 3 / 4, atol=0.1)  # of a binomial distribution: 4 * 1/4 * 3/4
    np.testing.assert_array_equal(weights, resampling.draw(groups, 2000))


@pytest.mark.parametrize("decimals", [0, 1, 6], ids=["many ties", "some ties", "no ties"])
def test_areas_are_those_of_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    truth = rng.random(90) < 0.2
    score = np.round(truth + rng.normal(size=90), decimals)
    weights = resampling.draw(np.arange(90) // 3, 40)
    ours = resampling.areas(truth, score, weights)
    for row, weight in zip(ours.T, weights.T, strict=True):
        assert row[0] == pytest.approx(roc_auc_score(truth, score, sample_weight=weight), abs=1e-6)
        assert row[1] == pytest.approx(average_precision_score(truth, score, sample_weight=weight), abs=1e-6)


def test_areas_by_hand():
    """Scores 4 3 2 1, the first and the third positive; in the second resample the third clip counts twice."""
    truth, score = np.array([True, False, True, False]), np.array([4.0, 3.0, 2.0, 1.0])
    weights = np.array([[1, 1], [1, 1], [1, 2], [1, 1]], np.float32)
    roc_auc, pr_auc = resampling.areas(truth, score, weights)
    assert roc_auc.tolist() == pytest.approx([3 / 4, (2 + 2 * 1) / 6])
    assert pr_auc.tolist() == pytest.approx([(1 + 2 / 3) / 2, (1 + 2 * 3 / 4) / 3])


def test_every_tag_counts_alike():
    rng = np.random.default_rng(1)
    labels = rng.random((80, 3)) < [0.05, 0.3, 0.6]
    scores = labels * [0.2, 1, 3] + rng.normal(size=labels.shape)
    ours = resampling.macro(labels, scores, np.ones((80, 1), np.float32))[:, 0]
    theirs = [function(labels, scores, average="macro") for function in (roc_auc_score, average_precision_score)]
    assert ours.tolist() == pytest.approx(theirs)


def test_a_tag_without_positive_or_negative_clips_is_left_out():
    labels = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]], bool)  # the last two tags tell nothing
    scores = np.tile(np.array([[3.0], [1.0], [2.0], [0.0]]), 4)
    weights = np.array([[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1]], np.float32)
    roc_auc, pr_auc = resampling.macro(labels, scores, weights)
    assert roc_auc[:2].tolist() == [1, 1]  # the second tag has no positive clip in the second resample
    assert np.isnan([roc_auc[2], pr_auc[2]]).all()  # and no tag has one in the third


def test_differences_are_in_points_and_of_the_second_cell():
    areas = np.zeros((3, 2, 2, 4), np.float32)
    areas[0, :, 0], areas[1, :, 0], areas[2, 0, 0] = 0.8, 0.7, 0.9
    resampled = Resampled(["a", "b", "c"], 5, areas)
    assert resampled.differences("roc_auc", ["a"], ["b"]) == pytest.approx(np.full((2, 4), -10), abs=1e-4)
    of_two_pairs = resampled.differences("roc_auc", ["a", "b"], ["b", "c"])
    assert of_two_pairs[0] == pytest.approx(np.full(4, (-10 + 20) / 2), abs=1e-4)
    assert of_two_pairs[1] == pytest.approx(np.full(4, (-10 - 70) / 2), abs=1e-4)
    assert (resampled.differences("pr_auc", ["a"], ["b"]) == 0).all()
    assert resampled.levels("roc_auc", "c") == pytest.approx(np.array([[90] * 4, [0] * 4]), abs=1e-4)


def test_file_has_all_that_was_written(tmp_path):
    areas = np.random.default_rng(0).random((2, 3, 2, 5)).astype(np.float32)
    Resampled(["x", "y"], 7, areas).write(tmp_path / "a.npz")
    first = (tmp_path / "a.npz").read_bytes()
    again = resampling.read(tmp_path / "a.npz")
    assert (again.cells, again.n_groups) == (["x", "y"], 7)
    np.testing.assert_array_equal(again.areas, areas)
    again.write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == first
