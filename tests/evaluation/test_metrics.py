"""ROC AUC and PR AUC by hand and by their definitions, and tags for which they are not defined."""

import math

import numpy as np
import pytest

from howlow.evaluation import metrics


def roc_auc(labels, scores):
    """The share of the pairs of a positive and a negative clip that are in the right order; ties count one half."""
    pairs = [(p, n) for p in scores[labels] for n in scores[~labels]]
    return sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)


def average_precision(labels, scores):
    """The sum over thresholds of the precision times the gain in recall."""
    total = found = 0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        gain, found = labels[chosen].sum() - found, labels[chosen].sum()
        total += found / chosen.sum() * gain / labels.sum()
    return total


def test_areas_worked_out_by_hand():
    """The first two clips have the same score.

    Of the four pairs, 0.9 and 0.9 is a tie, 0.9 and 0.1, and 0.4 and 0.1 are right, 0.4 and 0.9 is wrong: 2.5 of 4. At
    the threshold 0.9, one of two chosen clips is positive; at 0.4, two of three: 1/2 x 1/2 + 2/3 x 1/2. The trapezoid
    under the curve of precision and recall would be another area.
    """
    labels, scores = np.array([[1], [0], [1], [0]], bool), np.array([[0.9], [0.9], [0.4], [0.1]])
    (tag,) = metrics.per_tag(("tied",), labels, scores)
    assert tag == ("tied", pytest.approx(2.5 / 4), pytest.approx(1 / 4 + 1 / 3), 2)


@pytest.mark.parametrize("levels", [5, 1000])
def test_areas_by_their_definitions(levels):
    """Tags of unequal frequency, with many ties and with few."""
    rng = np.random.default_rng(levels)
    labels = np.zeros((60, 4), bool)
    n_positive = [1, 5, 37, 59]
    for tag, n in enumerate(n_positive):
        labels[rng.choice(60, n, replace=False), tag] = True
    scores = np.floor(levels * np.clip(rng.uniform(size=(60, 4)) + 0.3 * labels, 0, 1)) / levels
    rows = metrics.per_tag(("a", "b", "c", "d"), labels, scores)
    assert [row.tag for row in rows] == ["a", "b", "c", "d"]
    assert [row.n_positive for row in rows] == n_positive
    columns = list(zip(labels.T, scores.T, strict=True))
    np.testing.assert_allclose([row.roc_auc for row in rows], [roc_auc(*column) for column in columns])
    np.testing.assert_allclose([row.pr_auc for row in rows], [average_precision(*column) for column in columns])


def test_every_tag_counts_the_same_in_the_mean():
    """The rare tag is found (1 and 1), the frequent one only by chance (0.5 and 3/4, its share of the clips)."""
    labels = np.array([[1, 1], [0, 1], [0, 1], [0, 0]], bool)
    scores = np.array([[0.9, 0.5], [0.3, 0.5], [0.2, 0.5], [0.1, 0.5]])
    rows = metrics.per_tag(("rare", "frequent"), labels, scores)
    assert rows == [("rare", 1, 1, 1), ("frequent", 0.5, 0.75, 3)]
    assert metrics.macro(rows) == (0.75, 0.875)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [True, False])
def test_undefined_tags_are_reported_and_left_out_of_the_mean(value):
    labels = np.array([[value, 1], [value, 0]], dtype=bool)
    rows = metrics.per_tag(("a", "b"), labels, np.array([[0.9, 0.1], [0.1, 0.2]]))
    assert math.isnan(rows[0].roc_auc)
    assert math.isnan(rows[0].pr_auc)
    assert rows[0].n_positive == 2 * value
    assert rows[1] == ("b", 0, 0.5, 1)
    assert metrics.macro(rows) == (0, 0.5)
    assert all(map(math.isnan, metrics.macro(rows[:1])))
