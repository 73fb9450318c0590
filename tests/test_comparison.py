"""Statistics and trade-off give known answers, and agree with SciPy, statsmodels and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.weightstats import ttost_ind

from howlow import comparison, tradeoff

CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type"]


def make_runs(figures):
    """Rows of runs.csv, from the ROC AUC in percent by (n_mels, hop_factor), with one value per seed."""
    rows = [
        ("d", "vgg", 12_000, n_mels, hop_factor, "db", seed, value / 100, value / 200)
        for (n_mels, hop_factor), values in figures.items()
        for seed, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", *CELL, "seed", "roc_auc", "pr_auc"])


FIGURES = {(96, 1): [89.0, 89.2, 89.1], (48, 1): [89.1, 89.0, 89.2], (96, 2): [86.0, 86.1, 86.2], (8, 1): [80, 80, 80]}


@pytest.fixture
def table():
    return comparison.compare(make_runs(FIGURES), 0.5).set_index(["metric", "first", "second"])


def test_pairs_differ_in_one_axis_and_neighbouring_values(table):
    pairs = [pair[1:] for pair in table.index if pair[0] == "roc_auc"]
    assert pairs == [
        ("12k_mel96_x1_db", "12k_mel48_x1_db"),
        ("12k_mel48_x1_db", "12k_mel8_x1_db"),
        ("12k_mel96_x1_db", "12k_mel96_x2_db"),
    ]


def test_figures_are_those_of_scipy_and_statsmodels(table):
    row = table.loc[("roc_auc", "12k_mel96_x1_db", "12k_mel96_x2_db")]
    first, second = np.array(FIGURES[96, 1]), np.array(FIGURES[96, 2])
    test = stats.ttest_ind(second, first)
    assert row["difference_points"] == pytest.approx(-3)
    assert (row["t"], row["p"]) == pytest.approx((test.statistic, test.pvalue))
    assert (row["low_points"], row["high_points"]) == pytest.approx(tuple(test.confidence_interval()))
    assert row["p_equivalence"] == pytest.approx(ttost_ind(first, second, -0.5, 0.5)[0])
    # Hedges's g is Cohen's d with the pooled deviation of 0.1, times the correction for 4 degrees of freedom.
    assert row["hedges_g"] == pytest.approx(-30 * (1 - 3 / 15))
    assert row["hedges_g_low"] < row["hedges_g"] < row["hedges_g_high"] < 0
    assert row["is_different"]
    assert not row["is_equivalent"]


def test_equivalent_cells_are_told_from_different_ones(table):
    row = table.loc[("roc_auc", "12k_mel96_x1_db", "12k_mel48_x1_db")]
    assert row["is_equivalent"]
    assert not row["is_different"]
    assert not comparison.compare(make_runs(FIGURES), 0.01)["is_equivalent"].any()


def test_holm_corrects_within_one_question():
    """Two pairs compare 96 with 48 bands: the smaller P is doubled, and the larger one is not."""
    figures = FIGURES | {(48, 1): [89.2, 89.1, 89.3], (48, 2): [86.4, 86.5, 86.6]}
    table = comparison.compare(make_runs(figures), 0.5).query("metric == 'roc_auc' and axis == 'n_mels' and to == 48")
    low, high = sorted(table["p"])
    assert 2 * low < high < 0.5
    assert sorted(table["p_holm"]) == pytest.approx([2 * low, high])


def test_with_one_seed_nothing_is_tested():
    table = comparison.compare(make_runs({(96, 1): [90], (48, 1): [89]}), 0.5)
    assert table[["p", "p_holm", "p_equivalence", "hedges_g"]].isna().all(axis=None)
    assert not table[["is_different", "is_equivalent"]].any(axis=None)
    ((heading, sentences),) = comparison.answers(table, 0.5)
    assert heading == "VGG-CNN on d, one seed, which leaves nothing to test between seeds"
    assert sentences == [
        "96 against 48 bands, one pair: ROC AUC changes by -1.00 points; PR AUC changes by -0.50 points."
    ]


def test_without_deviation_nothing_is_tested():
    table = comparison.compare(make_runs({(96, 1): [90, 90], (48, 1): [89, 89]}), 0.5)
    assert table["p_equivalence"].isna().all()
    ((heading, sentences),) = comparison.answers(table, 0.5)
    assert heading == "VGG-CNN on d, 2 seeds"
    assert sentences == [
        "96 against 48 bands, one pair: ROC AUC changes by -1.00 points; PR AUC changes by -0.50 points."
        " Nothing was tested: no ROC AUC differs between the seeds."
    ]


def test_pairs_that_could_not_be_tested_are_counted():
    figures = FIGURES | {(96, 3): [80, 80, 80], (48, 3): [80, 80, 80]}
    ((_, sentences),) = comparison.answers(comparison.compare(make_runs(figures), 0.5), 0.5)
    assert sentences[0].startswith("96 against 48 bands, 2 pairs: ROC AUC changes by +0.00 points on average (")
    assert ", and none of the 1 that could be tested differs significantly (" in sentences[0]
    assert " 1 of the 2 pairs was shown to be equivalent in ROC AUC within 0.5 points (two one-sided" in sentences[0]
    assert sentences[0].endswith(" 1 could not be tested: the ROC AUC is the same with every seed.")


def test_answers_are_of_the_papers_questions():
    ((heading, sentences),) = comparison.answers(comparison.compare(make_runs(FIGURES), 0.5), 0.5)
    assert heading == "VGG-CNN on d, 3 seeds"
    assert sentences[0].startswith(
        "96 against 48 bands, one pair: ROC AUC changes by +0.00 points, and the difference is"
    )
    assert sentences[0].endswith(
        " The pair was shown to be equivalent in ROC AUC within 0.5 points (two one-sided t-tests, Holm-corrected P <"
        " 0.05)."
    )
    assert sentences[1].startswith(
        "Hop x1 against x2, one pair: ROC AUC changes by -3.00 points, and the difference is"
    )
    assert " difference is significant (independent-samples t-test, P = " in sentences[1]
    assert " The pair was not shown to be equivalent in ROC AUC" in sentences[1]
    others = comparison.compare(make_runs({(32, 1): [80, 81], (16, 1): [79, 80]}), 0.5)
    ((_, sentences),) = comparison.answers(others, 0.5)
    assert sentences[0].startswith("32 against 16 bands")


def test_one_cell_leaves_nothing_to_compare():
    table = comparison.compare(make_runs({(96, 1): [90, 91]}), 0.5)
    assert table.empty
    assert comparison.answers(table, 0.5)[0][0] == "Nothing to compare"


@pytest.mark.parametrize("n_distinct", [3, 1000])
def test_bootstrap_is_scikit_learns_roc_auc_of_resampled_clips(n_distinct):
    """It is the same for tied scores."""
    rng = np.random.default_rng(1)
    labels = rng.random((60, 4)) < 0.3
    scores = np.round(labels + rng.normal(size=labels.shape), 0 if n_distinct == 3 else 6)
    areas = comparison.bootstrap(labels, scores, 40)
    assert areas.shape == (40,)
    counts = rng.integers(0, 4, (5, 60)).astype(np.float32)
    for column in range(4):
        ours = comparison._roc_auc(labels[:, column], scores[:, column], counts)
        theirs = [roc_auc_score(labels[:, column], scores[:, column], sample_weight=row) for row in counts]
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert abs(areas.mean() - roc_auc_score(labels, scores, average="macro")) < 0.02
    np.testing.assert_array_equal(areas, comparison.bootstrap(labels, scores, 40))


def test_bootstrap_is_paired_by_clip():
    """Two runs with the same scores do not differ, whatever the clips."""
    rng = np.random.default_rng(2)
    labels, scores = rng.random((50, 3)) < 0.4, rng.random((50, 3))
    table = comparison.compare(make_runs(FIGURES), 0.5)
    cells = {("d", "vgg", name) for name in [*table["first"], *table["second"]]}
    same = comparison.add_bootstrap(table, {cell: comparison.bootstrap(labels, scores, 20) for cell in cells})
    roc_auc = same[same["metric"] == "roc_auc"]
    assert (roc_auc[["bootstrap_low_points", "bootstrap_high_points"]] == 0).all(axis=None)
    assert same.loc[same["metric"] == "pr_auc", "bootstrap_low_points"].isna().all()


def test_a_tag_without_positives_in_a_resample_is_left_out():
    labels = np.zeros((20, 2), bool)
    labels[:10, 0] = True
    labels[0, 1] = True
    scores = labels + 0.0
    assert (comparison.bootstrap(labels, scores, 50) == 1).all()


def test_pareto_front():
    costs, values = np.array([1, 2, 3, 2, 4, 1]), np.array([5, 7, 6, 8, 8, 4])
    assert tradeoff.pareto(costs, values).tolist() == [True, False, False, True, False, False]


def make_trade(figures, margin_points=0.5):
    """The result of `tradeoff` for figures by (n_mels, hop_factor), in the order of their costs."""
    runs = make_runs(figures)
    groups = runs.groupby(["dataset", "model", *CELL], sort=False)
    names = {"roc_auc_mean": ("roc_auc", "mean"), "roc_auc_std": ("roc_auc", "std"), "n_seeds": ("seed", "size")}
    summary = groups.agg(**names, pr_auc_mean=("pr_auc", "mean"), pr_auc_std=("pr_auc", "std")).reset_index()
    n = len(summary)
    summary["gmac"], summary["bytes_per_clip"] = [10.0, 5.0, 4.9, 1.0][:n], [1000, 500, 500, 80][:n]
    summary["parameters"] = 7
    times = summary[CELL].assign(
        extraction_ms=[4.0, 3.0, 2.0, 1.0][:n],
        inference_ms_batch_1=1.0,
        inference_ms_batch_64=[9.0, 5.0, 5.0, 1.0][:n],
        train_seconds_per_epoch=[2.0, 1.0, 1.0, 0.1][:n],
    )
    return tradeoff.tradeoff(summary, times, runs, margin_points)


@pytest.fixture
def trade():
    return make_trade(FIGURES)


def test_tradeoff_knows_the_front_and_what_is_equivalent(trade):
    assert trade["is_equivalent"].tolist() == [True, True, False, False]
    assert trade["is_pareto_gmac"].tolist() == [False, True, True, True]
    assert trade["roc_auc_percent"].tolist() == pytest.approx([89.1, 89.1, 86.1, 80])


def test_recommendation_is_the_cheapest_equivalent_representation(trade):
    heading, sentences = tradeoff.recommendations(trade, 0.5)
    assert heading == "VGG-CNN on d"
    assert sentences[0] == "The best ROC AUC, 89.10 %, is that of 96 bands, x1, 12 kHz, dB."
    assert sentences[1] == (
        "By any cost, the cheapest representation whose ROC AUC is equivalent to the best within 0.5 points (two"
        " one-sided t-tests) is 48 bands, x1, 12 kHz, dB: 50 % of the GMAC, 50 % of the stored bytes, 75 % of the"
        " extraction time, 56 % of the inference time, 50 % of the training time."
    )
    assert "With 50 % of the best one's GMAC, take 48 bands, x1, 12 kHz, dB, 0.00 points below the best." in sentences
    assert "With 10 % of the best one's GMAC, take 8 bands, x1, 12 kHz, dB, 9.10 points below the best." in sentences


BEST = "The best ROC AUC, 89.00 %, is that of 96 bands, x1, 12 kHz, dB."
CHEAPEST = "48 bands, x1, 12 kHz, dB: 50 % of the GMAC, "


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({(96, 1): [89]}, []),
        (
            {(96, 1): [89], (48, 1): [88.9], (8, 1): [70]},
            [
                "There is one seed, so nothing was tested: whether another one is equivalent to the best is not known.",
                "The following is uncertain, because it rests on the ROC AUC with this seed alone.",
                "By any cost, the cheapest one whose ROC AUC is within 0.5 points of the best's is " + CHEAPEST,
            ],
        ),
        (
            {(96, 1): [89], (48, 1): [80]},
            ["There is one seed, so nothing was tested: whether another one is equivalent to the best is not known."],
        ),
        (
            {(96, 1): [89, 89], (48, 1): [88.9, 88.9]},
            [
                "The ROC AUC is the same with every seed, so nothing was tested: whether another one",
                "The following is uncertain, because it rests on the mean ROC AUC over 2 seeds alone.",
                "By any cost, the cheapest one whose mean is within 0.5 points of the best's is " + CHEAPEST,
            ],
        ),
        (
            {(96, 1): [88.9, 89.1], (48, 1): [80, 81]},
            [
                "No other representation's ROC AUC was shown to be equivalent to the best within 0.5 points (two",
            ],
        ),
        (
            {(96, 1): [89, 89], (48, 1): [88.999, 89.0], (8, 1): [70, 70]},
            [
                "1 of the 2 others could not be tested: their ROC AUC and the best one's are the same with every seed.",
                "By any cost, the cheapest representation whose ROC AUC is equivalent to the best within 0.5 points",
            ],
        ),
    ],
    ids=["one cell", "one seed", "one seed, far", "no deviation", "two seeds, far", "some without deviation"],
)
def test_recommendation_says_what_was_tested_and_what_was_not(figures, told):
    _, sentences = tradeoff.recommendations(make_trade(figures), 0.5)
    assert sentences[0] == BEST
    found = [sentence for sentence in sentences[1:] if not sentence.startswith("With ")]
    assert len(found) == len(told)
    assert all(sentence.startswith(start) for sentence, start in zip(found, told, strict=True))
    assert "1 seeds" not in " ".join(sentences)


def test_without_any_roc_auc_there_is_nothing_to_trade_off():
    with pytest.raises(tradeoff.TradeoffError, match="vgg on d has no ROC AUC: every tag belongs to all test clips"):
        make_trade({(96, 1): [np.nan], (48, 1): [np.nan]})
