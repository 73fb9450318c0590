"""Comparisons with the best hold for all cells at once, whichever of them looks best."""

import numpy as np
import pytest
from scipy import stats

from howlow.results import linear_model, selection


@pytest.mark.parametrize(
    ("n_others", "df", "expected"),
    # Dunnett's one-sided table at 5 %: C. W. Dunnett, "A multiple comparison procedure ...", JASA 50, 1955, Table 1a
    [(1, 5, 2.02), (2, 5, 2.44), (9, 5, 3.30), (1, 20, 1.72), (3, 20, 2.19), (9, 20, 2.60), (4, 10**6, 2.16)],
)
def test_critical_values_are_dunnetts(n_others, df, expected):
    assert selection.critical_value(n_others, df) == pytest.approx(expected, abs=0.006)


def test_one_other_is_a_t_test():
    assert selection.critical_value(1, 7, 0.9) == pytest.approx(stats.t.ppf(0.9, 7), rel=1e-4)


def test_intervals_by_hand():
    """Three cells with the means 80, 79 and 70, of four runs each, so that a difference varies by sqrt(1/2)."""
    deviations = np.array([1.0, -1.0, 1.0, -1.0])
    values = np.array([80 + deviations, 79 - deviations, 70 + deviations[[0, 2, 1, 3]]])
    model = linear_model.fit(values)
    reach = selection.critical_value(2, 6) * np.sqrt(model.variance() / 2)
    low, high = selection.from_best(model)
    assert low.tolist() == pytest.approx([min(0, 1 - reach), -1 - reach, -10 - reach])
    assert high.tolist() == pytest.approx([1 + reach, max(0, -1 + reach), 0])
    assert 1 < reach < 4  # so that the second may be the best, and the third is not


def test_a_common_variance_that_is_too_small_for_a_cell_is_not_used():
    rng = np.random.default_rng(0)
    values = 80 + rng.normal(size=(12, 4)) * 0.01
    values[0] += [1, 4, -2, 1]  # the best, with a deviation of sqrt(6)
    model = linear_model.fit(values)
    assert model.p_fair < 0.05
    low, _ = selection.from_best(model)
    reach = selection.critical_value(11, model.df) * np.sqrt(6 / 2 * (1 / 4 + 1 / 4))
    distance = values.mean(1) - values[0].mean()
    assert (low[1:] - distance[1:]).tolist() == pytest.approx(
        [-reach] * 11, rel=0.15
    )  # the seeds' effects have a share
    assert reach > 1.5 * selection.critical_value(11, model.df) * np.sqrt(model.variance() / 2)


def test_without_deviation_nothing_is_known():
    low, high = selection.from_best(linear_model.fit(np.array([[80.0, 80.0], [79.0, 79.0]])))
    assert np.isnan([*low, *high]).all()


def test_statements_about_all_cells_hold_together():
    """The means of 20 cells have their true distances from the best within all intervals in at least 95 % of cases."""
    rng = np.random.default_rng(1)
    truth = 80 + np.r_[np.zeros(5), -np.linspace(0, 3, 15)]
    distance = [mean - np.delete(truth, row).max() for row, mean in enumerate(truth)]
    n_right, n = 0, 400
    for _ in range(n):
        low, high = selection.from_best(linear_model.fit(truth[:, None] + rng.normal(size=(20, 3))))
        n_right += bool(((low <= distance) & (distance <= high)).all())
    assert n_right / n > 0.93


def test_luck_does_not_make_an_inferior_cell_as_good_as_the_best():
    """Of 40 equal cells and one that is better by just the margin, none of the 40 is shown to lose less than it."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(300):
        values = 80 + 0.3 * rng.normal(size=(41, 3))
        values[0] += 1
        low, _ = selection.from_best(linear_model.fit(values))
        wrong += bool((low[1:] > -1).any())
    assert wrong / 300 < 0.08
