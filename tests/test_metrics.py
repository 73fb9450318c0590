"""ROC AUC and PR AUC give known answers, and handle tags for which they are not defined."""

import math

import numpy as np
import pytest

from howlow import metrics


def test_known_answers():
    labels = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    scores = np.array([[0.9, 0.5], [0.8, 0.5], [0.2, 0.5], [0.1, 0.5]])
    first, second = metrics.per_tag(("found", "chance"), labels, scores)
    assert first == ("found", 1, 1, 2)
    assert second == ("chance", 0.5, 0.5, 2)
    assert metrics.macro([first, second]) == (0.75, 0.75)


@pytest.mark.parametrize("value", [True, False])
def test_undefined_tags_are_reported_and_left_out_of_the_mean(value):
    labels = np.array([[1, value], [0, value]], dtype=bool)
    rows = metrics.per_tag(("a", "b"), labels, np.array([[0.9, 0.1], [0.1, 0.2]]))
    assert math.isnan(rows[1].roc_auc)
    assert math.isnan(rows[1].pr_auc)
    assert rows[1].n_positive == 2 * value
    assert metrics.macro(rows) == (1, 1)
    assert all(map(math.isnan, metrics.macro(rows[1:])))
