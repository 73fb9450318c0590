"""The tests of single pairs give known answers, and agree with SciPy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

from howlow.evaluation.resampling import Resampled
from howlow.results import statistics

CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type"]
MARGINS = {"roc_auc": 0.5, "pr_auc": 0.1}


def make_runs(figures):
    """Rows of runs.csv, from the ROC AUC in percent by (n_mels, hop_factor), with one value per seed."""
    rows = [
        (12_000, n_mels, hop_factor, "db", f"12k_mel{n_mels}_x{hop_factor}_db", seed, value / 100, value / 200)
        for (n_mels, hop_factor), values in figures.items()
        for seed, value in enumerate(values, start=1)
    ]
    table = pd.DataFrame(rows, columns=[*CELL, "cell", "seed", "roc_auc", "pr_auc"])
    return table.assign(dataset="d", model="vgg", bits=16, seconds=29.1, width=1.0)


FIGURES = {(96, 1): [89.0, 89.2, 89.1], (48, 1): [89.1, 89.0, 89.2], (96, 2): [86.0, 86.1, 86.2], (8, 1): [80, 80, 80]}


@pytest.fixture
def table():
    return statistics.compare(make_runs(FIGURES), MARGINS).set_index(["metric", "first", "second"])


def test_pairs_differ_in_one_axis_and_neighbouring_values(table):
    pairs = [pair[1:] for pair in table.index if pair[0] == "roc_auc"]
    assert pairs == [
        ("12k_mel96_x1_db", "12k_mel48_x1_db"),
        ("12k_mel48_x1_db", "12k_mel8_x1_db"),
        ("12k_mel96_x1_db", "12k_mel96_x2_db"),
    ]


@pytest.mark.parametrize(("metric", "scale"), [("roc_auc", 1), ("pr_auc", 0.5)])
def test_figures_are_those_of_scipy_and_statsmodels(metric, scale, table):
    row = table.loc[(metric, "12k_mel96_x1_db", "12k_mel96_x2_db")]
    first, second = scale * np.array(FIGURES[96, 1]), scale * np.array(FIGURES[96, 2])
    test = stats.ttest_ind(second, first)
    assert row["difference_points"] == pytest.approx(-3 * scale)
    assert (row["first_percent"], row["second_percent"]) == pytest.approx((89.1 * scale, 86.1 * scale))
    assert row["p_seeds"] == pytest.approx(test.pvalue)
    assert row["df_seeds"] == 4
    assert (row["low_seeds_points"], row["high_seeds_points"]) == pytest.approx(tuple(test.confidence_interval()))
    margin = MARGINS[metric]
    assert row["margin_points"] == margin
    assert row["p_equivalence"] == pytest.approx(ttost_ind(first, second, -margin, margin)[0])
    # Hedges's g is Cohen's d with the pooled deviation of 0.1, times the correction for 4 degrees of freedom.
    assert row["hedges_g"] == pytest.approx(-30 * (1 - 3 / 15))
    assert row["hedges_g_low"] < row["hedges_g"] < row["hedges_g_high"] < 0
    assert row["is_different"]
    assert not row["is_equivalent"]


def test_equivalent_cells_are_told_from_different_ones(table):
    row = table.loc[("roc_auc", "12k_mel96_x1_db", "12k_mel48_x1_db")]
    assert row["is_equivalent"]
    assert not row["is_different"]
    assert not statistics.compare(make_runs(FIGURES), {"roc_auc": 0.01, "pr_auc": 0.01})["is_equivalent"].any()


def test_holm_corrects_within_one_question():
    """Two pairs compare 96 with 48 bands: the smaller P is doubled, and the larger one is not."""
    figures = FIGURES | {(48, 1): [89.2, 89.1, 89.3], (48, 2): [86.4, 86.5, 86.6]}
    table = statistics.compare(make_runs(figures), MARGINS)
    question = table.query("metric == 'roc_auc' and axis == 'n_mels' and to == 48")
    for p in ("p_seeds", "p", "p_equivalence"):
        assert question[f"{p}_holm"].tolist() == pytest.approx(multipletests(question[p], method="holm")[1].tolist())
    low, high = sorted(question["p_seeds"])
    assert 2 * low < high < 0.5
    assert sorted(question["p_seeds_holm"]) == pytest.approx([2 * low, high])


def test_with_one_seed_nothing_is_tested():
    table = statistics.compare(make_runs({(96, 1): [90], (48, 1): [89]}), MARGINS)
    assert table[["p", "p_holm", "p_seeds", "p_equivalence", "hedges_g", "low_points"]].isna().all(axis=None)
    assert not table[["is_different", "is_equivalent"]].any(axis=None)


def test_one_run_on_a_side_is_too_few():
    varying = np.array([80.0, 81.0, 82.5])
    for sides in ((varying, varying[:1]), (varying[:1], varying)):
        assert np.isnan(statistics.difference(*sides).error)
    assert statistics.difference(varying, np.full(3, 80.0)).error > 0, "only one side has to vary"


def test_without_deviation_nothing_is_tested():
    table = statistics.compare(make_runs({(96, 1): [90, 90], (48, 1): [89, 89]}), MARGINS)
    assert table[["p", "p_seeds", "p_equivalence"]].isna().all(axis=None)


def test_unequal_seeds_are_those_of_scipy():
    runs = make_runs({(96, 1): [89.0, 89.5, 89.1, 88.0], (48, 1): [88.0, 88.3]})
    row = statistics.compare(runs, MARGINS).iloc[0]
    assert row["p_seeds"] == pytest.approx(stats.ttest_ind([88.0, 88.3], [89.0, 89.5, 89.1, 88.0]).pvalue)
    assert row["n_seeds"] == 2


def test_folds_are_paired():
    """As in SciPy's paired t-test, what a fold adds to both sides does not count."""
    runs = make_runs({(96, 1): [92.0, 85.5, 89.1], (48, 1): [91.5, 85.3, 88.8]})
    row = statistics.compare(runs, MARGINS, folds={"d": 3}).iloc[0]
    expected = stats.ttest_rel([91.5, 85.3, 88.8], [92.0, 85.5, 89.1])
    assert row["p_seeds"] == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (row["low_points"], row["high_points"]) == pytest.approx((low, high))


def test_test_clips_are_a_second_source():
    areas = np.random.default_rng(0).normal(0.8, 0.01, (2, 1, 2, 400)).repeat(3, axis=1).astype(np.float32)
    resampled = {("d", "vgg"): Resampled(["12k_mel96_x1_db", "12k_mel48_x1_db"], 50, areas)}
    figures = {key: FIGURES[key] for key in [(96, 1), (48, 1)]}
    table = statistics.compare(make_runs(figures), MARGINS, resampled)
    for metric, row in zip(["roc_auc", "pr_auc"], table.to_dict("records"), strict=True):
        deltas = 100 * (areas[1, 0] - areas[0, 0])[["roc_auc", "pr_auc"].index(metric)]
        assert row["error_clips_points"] == pytest.approx(deltas.std(ddof=1) * np.sqrt(50 / 49), rel=1e-4)
        assert row["high_points"] - row["low_points"] > row["high_seeds_points"] - row["low_seeds_points"]
        assert row["p_seeds"] == pytest.approx(1)
        middle = (row["low_clips_points"] + row["high_clips_points"]) / 2
        assert middle == pytest.approx(row["difference_points"], abs=1e-6)


def test_experiments_stay_apart_and_in_their_order():
    runs = make_runs({(96, 1): [90, 91], (48, 1): [89, 91]})
    table = statistics.compare(pd.concat([runs, runs.assign(dataset="a")]), MARGINS)
    assert table["dataset"].tolist() == ["d", "d", "a", "a"]
    assert table["metric"].tolist() == ["roc_auc", "pr_auc"] * 2
    assert table["p_seeds_holm"].tolist() == table["p_seeds"].tolist()  # each is a question of its own


def test_one_cell_leaves_nothing_to_compare():
    assert statistics.compare(make_runs({(96, 1): [90, 91]}), MARGINS).empty
