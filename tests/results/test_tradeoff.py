"""Representations are chosen on the validation clips, and reported on the test clips."""

import numpy as np
import pandas as pd
import pytest

from howlow.evaluation.resampling import Resampled
from howlow.results import estimates, linear_model, recommendation, selection, spread, tradeoff
from howlow.results.plots import tradeoff as plot

CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type", "bits", "seconds", "width", "cell"]
MARGINS = {"roc_auc": 0.5, "pr_auc": 1.0}
MEASURED = ("extraction_ms", "inference_ms_batch_64", "train_seconds_per_epoch")


def make_trade(validation, test=None, *, times=(4.0, 3.0, 2.0, 1.0), spread=0.01, busy=0.0, resampled=None):
    """The result of `tradeoff` for the ROC AUC in percent by (n_mels, hop_factor), in the order of their costs.

    `test` is half of the validation figures if nothing else is given.
    """
    test = test or {cell: np.array(values) / 2 for cell, values in validation.items()}
    rows = [
        (*identity(*cell), seed, on_test / 100, on_test / 200, value / 100, value / 200)
        for cell, values in validation.items()
        for seed, (value, on_test) in enumerate(zip(values, test[cell], strict=True), start=1)
    ]
    areas = ["roc_auc", "pr_auc", "val_roc_auc", "val_pr_auc"]
    runs = pd.DataFrame(rows, columns=["dataset", "model", *CELL, "seed", *areas])
    groups = runs.groupby(["dataset", "model", *CELL], sort=False)
    moments = {f"{area}_{name}": (area, name) for area in areas for name in ("mean", "std")}
    summary = groups.agg(n_seeds=("seed", "size"), **moments).reset_index()
    n = len(summary)
    summary["gmac"], summary["bytes_per_clip"] = [10.0, 5.0, 4.9, 1.0][:n], [1000, 500, 500, 80][:n]
    summary["parameters"] = 7
    measured = summary[["cell"]].assign(others_percent=busy)
    for time in MEASURED:
        measured[time] = times[:n]
        measured[f"{time}_low"], measured[f"{time}_high"] = measured[time] - spread, measured[time] + spread
    return tradeoff.tradeoff(summary, measured, runs, MARGINS, resampled)


def identity(n_mels, hop_factor):
    """The columns of a row that say which cell it is of."""
    return "d", "vgg", 12_000, n_mels, hop_factor, "db", 16, 29.1, 1.0, f"12k_mel{n_mels}_x{hop_factor}_db"


VALIDATION = {
    (96, 1): [89.1, 89.2, 89.3],
    (48, 1): [89.1, 89.0, 89.2],
    (96, 2): [86.0, 86.1, 86.2],
    (8, 1): [80, 80.1, 80],
}
TEST = {(96, 1): [88.0, 88.1, 88.2], (48, 1): [88.6, 88.5, 88.7], (96, 2): [85.0, 85.1, 85.3], (8, 1): [80, 79, 79.5]}


def said(table):
    heading, sentences = recommendation.recommendations(table, 0.5)
    assert heading == "VGG-CNN on d"
    return sentences


def test_the_choice_is_by_validation_and_the_report_by_test_clips():
    table = make_trade(VALIDATION, TEST)
    assert table["is_chosen"].tolist() == [True, False, False, False]  # on the test clips the second one is better
    assert table["roc_auc_percent"].tolist() == pytest.approx([88.1, 88.6, 85.1333, 79.5], abs=1e-3)
    assert table["val_roc_auc_percent"].tolist() == pytest.approx([89.2, 89.1, 86.1, 80.0333], abs=1e-3)
    assert table["loss_points"].iloc[1:].tolist() == pytest.approx([-0.5, 2.9667, 8.6], abs=1e-3)
    sentences = said(table)
    assert sentences[0].startswith(
        "On the validation clips, 96 bands, x1, 12 kHz, dB has the best ROC AUC, 89.20 %. On the test clips it has"
        " 88.10 % (95 % interval 8"
    )
    assert "On the test clips it has 88.60 % (95 % interval" in sentences[2]
    assert "0.50 points more than the best (interval of the difference" in sentences[2]


def test_front_is_of_the_validation_clips():
    table = make_trade(VALIDATION, TEST)
    assert table["is_pareto_gmac"].tolist() == [True, True, True, True]
    other = make_trade(VALIDATION | {(48, 1): [89.9, 89.9, 89.8], (8, 1): [87, 87.1, 87]}, TEST)
    assert other["is_pareto_gmac"].tolist() == [False, True, False, True]
    assert other["is_chosen"].tolist() == [False, True, False, False]


def test_pareto_front_by_hand():
    costs, values = np.array([1, 2, 3, 2, 4, 1]), np.array([5, 7, 6, 8, 8, 4])
    assert tradeoff.pareto(costs, values).tolist() == [True, False, False, True, False, False]
    assert tradeoff.pareto(np.array([2, 1, 1, 3]), np.array([5.0, 5, 5, np.nan])).tolist() == [False, True, True, False]


def test_equivalence_allows_for_the_choice():
    """It is decided by Hsu's intervals, which are wider than that of a single comparison."""
    table = make_trade(VALIDATION, TEST)
    values = np.array(list(VALIDATION.values()))
    low, high = selection.from_best(linear_model.fit(values))
    assert table["from_best_low_points"].tolist() == pytest.approx(low.tolist())
    assert table["from_best_high_points"].tolist() == pytest.approx(high.tolist())
    assert table["is_equivalent"].tolist() == [True, True, False, False]
    assert table["may_be_best"].tolist() == [True, True, False, False]
    assert "Hsu's multiple comparisons with the best, 95 %): the best is one of 2." in said(table)[1]


def test_recommendation_is_the_cheapest_equivalent_representation():
    sentences = said(make_trade(VALIDATION, TEST))
    assert sentences[2].startswith(
        "By any cost, the cheapest representation that was shown to lose less than 0.5 points is 48 bands, x1, 12 kHz,"
        " dB: 50 % of the GMAC, 50 % of the stored bytes, 75 % of the extraction time, 75 % of the inference time, 75 %"
        " of the training time. On the test clips it has 88.60 % ("
    )


def test_a_cost_is_within_a_budget_as_it_is_printed():
    """48 bands cost 50.001 % of 96."""
    table = make_trade(VALIDATION, TEST)
    table.loc[1, "gmac"] = 5.0001
    sentences = [sentence for sentence in said(table) if sentence.startswith("With ")]
    assert sentences[0].startswith("With 50 % of the best one's GMAC, take 48 bands, x1, 12 kHz, dB. On the test clips")
    assert sentences[1].startswith(
        "With 25 % or 10 % of the best one's GMAC, take 8 bands, x1, 12 kHz, dB. On the test"
    )
    assert "8.60 points less than the best (interval of the difference -" in sentences[1]
    table.loc[1, "gmac"] = 5.06
    assert said(table)[3].startswith("With 50 % of the best one's GMAC, take 96 bands, x2")


def test_a_time_decides_only_where_it_differs_by_more_than_its_spread():
    table = make_trade(VALIDATION, TEST, times=(4.0, 3.9, 3.8, 3.7), spread=0.5)
    sentences = said(table)
    assert sentences[2].startswith("By GMAC and stored bytes, the cheapest representation that was shown")
    assert sentences[3] == (
        "By extraction time, inference time and training time, none is recommended: no measured difference from the"
        " best one exceeds the spread."
    )
    # The last two cells are as fast as each other, and the one before has the higher ROC AUC.
    close = {cell: [89.2, 89.3, 89.1] for cell in VALIDATION} | {(96, 1): [89.2, 89.3, 89.2]}
    close[96, 2] = [89.2, 89.3, 89.15]
    told = said(make_trade(close, TEST, times=(8.0, 4.0, 1.1, 1.0), spread=0.2))
    by_times = next(s for s in told if s.startswith("By extraction time, inference time and training time, the cheap"))
    assert "is 96 bands, x2, 12 kHz, dB: " in by_times


@pytest.mark.parametrize(
    ("low", "high", "differ"), [(3.1, 4.0, True), (2.9, 4.0, False), (0.1, 0.9, True), (0.1, 1.1, False)]
)
def test_times_differ_if_their_intervals_have_nothing_in_common(low, high, differ):
    first, second = pd.Series({"t_low": 1.0, "t_high": 3.0}), pd.Series({"t_low": low, "t_high": high})
    assert spread.differs(first, second, "t") is differ
    assert spread.differs(second, first, "t") is differ


@pytest.mark.parametrize(("busy", "is_told"), [(10.0, False), (42.4, True)])
def test_busy_processors_are_told(busy, is_told):
    told = (
        "While the times were measured, other programs used up to 42 % of the processors, so the times may be too long."
    )
    assert (told in said(make_trade(VALIDATION, TEST, busy=busy))) is is_told


def test_intervals_on_the_test_clips_by_hand():
    """One seed's deviation of 0.1 in every cell; the clips add a deviation of 2 points to every cell alike."""
    deviations = np.array([0.1, -0.1, 0.0])
    test = {cell: 80 - 2 * place + np.roll(deviations, place) for place, cell in enumerate(VALIDATION)}
    names = [identity(*cell)[-1] for cell in VALIDATION]
    noise = np.random.default_rng(0).normal(size=2000) * 0.02
    noise = (noise - noise.mean()) / noise.std(ddof=1) * 0.02
    areas = np.broadcast_to(0.8 + noise, (4, 3, 2, 2000)).astype(np.float32)
    without = make_trade(VALIDATION, test)
    width = estimates.Estimate(0, 0.1 / np.sqrt(3), 8).interval()[1]
    assert without["roc_auc_high_percent"].iloc[0] == pytest.approx(80 + width)
    assert without["roc_auc_low_percent"].iloc[0] == pytest.approx(80 - width)
    table = make_trade(VALIDATION, test, resampled=Resampled(names, 100_000, areas))
    assert table["roc_auc_high_percent"].iloc[0] == pytest.approx(80 + 1.96 * np.hypot(2, 0.1 / np.sqrt(3)), abs=0.01)
    # All cells change alike on other clips, so a difference does not depend on them.
    losses = ["loss_points", "loss_low_points", "loss_high_points"]
    assert table[losses].iloc[1].tolist() == pytest.approx(without[losses].iloc[1].tolist(), abs=1e-3)
    areas = areas.copy()
    areas[1, :, 0] += noise * 2
    table = make_trade(VALIDATION, test, resampled=Resampled(names, 100_000, areas))
    low, high = table[["loss_low_points", "loss_high_points"]].iloc[1]
    assert (high - low) / 2 == pytest.approx(1.96 * 4, rel=0.02)
    model = linear_model.fit(np.array(list(test.values())))
    loss = estimates.Estimate(2, np.sqrt(model.variance() * 2 / 3), model.df)
    assert without[losses].iloc[1].tolist() == pytest.approx([2, *loss.interval()])


FIRST = (
    "On the validation clips, 96 bands, x1, 12 kHz, dB has the best ROC AUC, 89.00 %. On the test clips it has 44.50 %"
)
CHEAPEST = "48 bands, x1, 12 kHz, dB: 50 % of the GMAC, "
LUCK = "The highest of {} means is partly luck, so what follows allows for the choice (Hsu's multiple comparisons with"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({(96, 1): [89]}, []),
        (
            {(96, 1): [89], (48, 1): [88.9], (8, 1): [70]},
            [
                "There is one seed, so nothing was tested: whether another one is as good as the best is not known.",
                "The following is uncertain, because it rests on the ROC AUC with this seed on the validation clips",
                "By any cost, the cheapest one whose ROC AUC is within 0.5 points is " + CHEAPEST,
            ],
        ),
        (
            {(96, 1): [89], (48, 1): [80]},
            ["There is one seed, so nothing was tested: whether another one is as good as the best is not known."],
        ),
        (
            {(96, 1): [89, 89], (48, 1): [88.9, 88.9]},
            [
                "The ROC AUC is the same with every seed, so nothing was tested: whether another one is as good as the",
                "The following is uncertain, because it rests on the mean ROC AUC over 2 seeds on the validation clips",
                "By any cost, the cheapest one whose mean is within 0.5 points is " + CHEAPEST,
            ],
        ),
        (
            {(96, 1): [88.9, 89.1], (48, 1): [80, 80.3]},
            [
                LUCK.format(2) + " the best, 95 %): it is the best.",
                "No other one was shown to lose less than 0.5 points. Even an equal one could only have been shown to"
                " lose less than 0.32 points, because seeds differ and 2 were compared.",
            ],
        ),
    ],
    ids=["one cell", "one seed", "one seed, far", "no deviation", "two seeds, far"],
)
def test_recommendation_says_what_was_tested_and_what_was_not(figures, told):
    sentences = said(make_trade(figures))
    assert sentences[0].startswith(FIRST)
    found = [sentence for sentence in sentences[1:] if not sentence.startswith("With ")]
    assert len(found) == len(told)
    for sentence, start in zip(found, told, strict=True):
        assert sentence.startswith(start)
    assert "1 seeds" not in " ".join(sentences)


def test_without_any_roc_auc_on_the_validation_clips_nothing_is_chosen():
    table = make_trade(
        {(96, 1): [np.nan, np.nan], (48, 1): [np.nan, np.nan]}, TEST | {(96, 1): [88, 89], (48, 1): [87, 88]}
    )
    assert said(table) == ["No representation can be chosen, because no tag tells the validation clips apart."]
    assert not table[["is_chosen", "is_equivalent", "may_be_best", "is_pareto_gmac"]].any(axis=None)
    assert table["roc_auc_low_percent"].notna().all()


def test_figure_puts_rings_around_cells_off_the_papers_grid():
    """Most have 16 bits and the width 1/2. A cell that is wider is off the grid, too."""
    table = make_trade(VALIDATION, TEST).assign(bits=[16, 4, 16, 16], width=[0.5, 0.5, 1.0, 0.5])
    figure = plot.tradeoff(table)
    rings = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert [list(ring.get_xdata()) for ring in rings] == [[5.0], [4.9]]  # GMAC of the second and of the third
    assert rings[0].get_markersize() < rings[1].get_markersize(), "a cell may have both"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[-2:] == ["fewer bits", "another width"]
    usual = plot.tradeoff(make_trade(VALIDATION, TEST))
    assert not [line for line in usual.axes[0].lines if line.get_markerfacecolor() == "none"]
