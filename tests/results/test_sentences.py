"""The paragraph of the statistics says what the tables say, and nothing that is not true."""

import re

import numpy as np
import pandas as pd
import pytest
from test_effects import FIGURES, name_of, runs_of

from howlow.evaluation.resampling import Resampled
from howlow.results import answers, effects, statistics

MARGINS = {"roc_auc": 0.5, "pr_auc": 2.0}


def told(figures, resampled=None):
    runs = runs_of(figures)
    tables = effects.average_effects(runs, MARGINS, resampled), statistics.compare(runs, MARGINS, resampled)
    ((heading, sentences),) = answers.answers(*tables)
    return heading, sentences, tables


def test_averages_with_intervals_come_first():
    heading, sentences, (averages, pairs) = told(FIGURES)
    assert heading == "VGG-CNN on d, 3 seeds"
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "From 96 to 48 bands (2 pairs)",
        "From hop x1 to x2 (2 pairs)",
    ]
    row = averages.query("axis == 'n_mels' and metric == 'roc_auc'").iloc[0]
    assert sentences[0].startswith(
        "From 96 to 48 bands (2 pairs): ROC AUC changes by -1.45 points on average (95 % interval"
        f" {row['low_seeds_points']:+.2f} to {row['high_seeds_points']:+.2f} for other seeds; P = {row['p_holm']:.2g}"
        " after Holm's correction)."
    )
    assert (
        "It was not shown to be within the margin of 0.5 points; the smallest margin that these runs could have"
        f" shown is {row['smallest_margin_points']:.2f} points. Taken singly, as in the paper, 2 of the 2 differ"
    ) in sentences[0]
    smallest = pairs.query("axis == 'n_mels' and metric == 'roc_auc'")["p_seeds"].min()
    assert f"(t-test, smallest P = {smallest:.2g}, after Holm's correction {2 * smallest:.2g})" in sentences[0]
    assert "PR AUC changes by -0.72 points on average" in sentences[0]
    assert "It is within the margin of 2 points (two one-sided tests, P = " in sentences[0]


def test_folds_are_told():
    runs = runs_of(FIGURES)
    folds = {"d": 3}
    tables = (of(runs, MARGINS, None, folds) for of in (effects.average_effects, statistics.compare))
    ((heading, sentences),) = answers.answers(*tables, folds)
    assert heading == "VGG-CNN on d, 3 seeds, each of 3 folds tested with 1 of them"
    assert "for other seeds, folds and test clips; P = " in sentences[0]
    assert "(paired t-test, smallest P = " in sentences[0]


def test_folds_and_test_clips_are_told():
    folds = {"d": 3}
    resampled = resampled_of(FIGURES)
    tables = (of(runs_of(FIGURES), MARGINS, resampled, folds) for of in (effects.average_effects, statistics.compare))
    ((_, sentences),) = answers.answers(*tables, folds)
    interval = r"[-+][.\d]+ to [-+][.\d]+"
    assert re.search(
        rf"\(95 % interval {interval} for other seeds, folds and test clips, {interval} for other test clips; P = ",
        sentences[0],
    )


def test_only_the_papers_steps_are_told_in_full():
    """Those of 24 bands and from x2 to x10 are no question of the paper's."""
    figures = FIGURES | {
        (12_000, 24, 1, "db"): [80.0, 80.5, 81.0],
        (12_000, 96, 10, "db"): [79.0, 79.5, 80.0],
    }
    _, sentences, _ = told(figures)
    in_full = [sentence.split(" (")[0] for sentence in sentences if "changes by" in sentence]
    assert in_full == ["From 96 to 48 bands", "From hop x1 to x2", "From hop x1 to x10"]
    assert len(sentences) > 3


def resampled_of(figures):
    """The metrics of each cell on 200 resamples of the test clips."""
    names = [name_of(cell) for cell in figures]
    n_seeds = len(next(iter(figures.values())))
    areas = 0.9 + np.random.default_rng(0).normal(size=(len(names), n_seeds, 2, 200)) * 0.01
    return {("d", "vgg"): Resampled(names, 40, areas.astype(np.float32))}


def test_pairs_that_change_differently_are_told():
    figures = FIGURES | {(12_000, 48, 2, "db"): [80.0, 80.1, 80.4]}
    _, sentences, (averages, _) = told(figures)
    p = averages.query("axis == 'n_mels' and metric == 'roc_auc'")["p_same"].iloc[0]
    assert f"It is not the same for all pairs (P = {p:.2g}): from -5.97 to -0.93 points." in sentences[0]
    assert "not the same" not in told(FIGURES | {(12_000, 48, 2, "db"): [85.0, 85.1, 85.4]})[1][0]


def test_test_clips_are_named_as_a_source():
    names = ["12k_mel96_x1_db", "12k_mel48_x1_db", "12k_mel96_x2_db", "12k_mel48_x2_db"]
    areas = [[0.9, 0.88, 0.9, 0.88]] * 3
    spread = np.random.default_rng(0).normal(size=(4, 3, 2, 200)) * 0.01
    resampled = Resampled(names, 40, (np.array(areas).T[:, :, None, None] + spread).astype(np.float32))
    _, sentences, (averages, _) = told(FIGURES, {("d", "vgg"): resampled})
    row = averages.query("axis == 'n_mels' and metric == 'roc_auc'").iloc[0]
    intervals = [f"{row[f'low{s}_points']:+.2f} to {row[f'high{s}_points']:+.2f}" for s in ("", "_seeds", "_clips")]
    assert (
        f"(95 % interval {intervals[0]} for other seeds and other test clips, {intervals[1]} for other seeds,"
        f" {intervals[2]} for other test clips; P = {row['p_holm']:.2g} after Holm's correction)"
    ) in sentences[0]


def test_other_steps_are_told_in_a_line():
    figures = {
        (rate, *cell[1:3], log): values
        for cell, values in FIGURES.items()
        for rate in (16_000, 12_000)
        for log in ("db", "log")
    }
    _, sentences, (averages, _) = told(figures)
    row = averages.query("axis == 'sample_rate_hz' and metric == 'roc_auc'").iloc[0]
    assert sentences[2].startswith(f"From 16 to 12 kHz (8 pairs): ROC AUC +0.00 points ({row['low_points']:+.2f} to")
    assert "P = 1, equivalent within 0.5); PR AUC +0.00 points (" in sentences[2]
    assert sentences[3].startswith("From dB to log (8 pairs): ROC AUC +0.00 points (")


def test_without_the_papers_steps_all_bands_and_hops_are_told_in_full():
    _, sentences, _ = told({(12_000, 32, 1, "db"): [80.0, 81.0], (12_000, 16, 1, "db"): [79.0, 80.5]})
    assert sentences[0].startswith("From 32 to 16 bands (1 pair): ROC AUC changes by -0.75 points (95 % interval")
    assert "Taken singly" not in sentences[0]


def test_one_seed():
    heading, sentences, _ = told({cell: values[:1] for cell, values in FIGURES.items()})
    assert heading == "VGG-CNN on d, one seed, which leaves nothing to test between seeds"
    assert sentences[0] == (
        "From 96 to 48 bands (2 pairs): ROC AUC changes by -1.50 points on average. PR AUC changes by -0.75 points on"
        " average."
    )


def test_one_seed_with_test_clips():
    names = ["12k_mel96_x1_db", "12k_mel48_x1_db", "12k_mel96_x2_db", "12k_mel48_x2_db"]
    areas = 0.9 + np.random.default_rng(0).normal(size=(4, 1, 2, 200)) * 0.01
    resampled = Resampled(names, 40, areas.astype(np.float32))
    _, sentences, (averages, _) = told(
        {cell: values[:1] for cell, values in FIGURES.items()}, {("d", "vgg"): resampled}
    )
    row = averages.query("axis == 'n_mels' and metric == 'roc_auc'").iloc[0]
    interval = f"{row['low_clips_points']:+.2f} to {row['high_clips_points']:+.2f}"
    assert sentences[0].startswith(
        "From 96 to 48 bands (2 pairs): ROC AUC changes by -1.50 points on average"
        f" (95 % interval {interval} for other test clips). PR AUC changes by"
    )
    assert "nan" not in " ".join(sentences)


def test_no_deviation():
    _, sentences, _ = told({cell: [round(values[0])] * 2 for cell, values in FIGURES.items()})
    assert sentences[0] == (
        "From 96 to 48 bands (2 pairs): ROC AUC changes by -1.50 points on average. Nothing was tested: no result"
        " differs between the seeds. PR AUC changes by -0.75 points on average. Nothing was tested: no result differs"
        " between the seeds."
    )


def test_pairs_that_could_not_be_tested_are_counted():
    figures = FIGURES | {(12_000, m, 3, "db"): [80.0, 80.0, 80.0] for m in (96, 48)}
    _, sentences, _ = told(figures)
    assert "Taken singly, as in the paper, of 2 that could be tested, 2 differ significantly (t-test" in sentences[0]
    alike = {(12_000, m, h, "db"): [80 + h, 80.1 + h, 80.2 + h] for m in (96, 48) for h in (1, 2)}
    _, sentences, _ = told(alike)
    assert "Taken singly, as in the paper, none of the 2 differs significantly (t-test" in sentences[0]
    _, sentences, _ = told(alike | {(12_000, m, 3, "db"): [80.0, 80.0, 80.0] for m in (96, 48)})
    assert (
        "Taken singly, as in the paper, of 2 that could be tested, none differs significantly (t-test" in sentences[0]
    )


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("pooled", ""),
        ("by cell", "The cells do not vary alike, so the variance of each one was used."),
        ("by seed", "The seeds do not agree about this step, so the interval rests on the difference with each seed."),
    ],
)
def test_another_variance_is_told(method, text):
    runs = runs_of(FIGURES)
    averages = effects.average_effects(runs, MARGINS).assign(variance=method)
    ((_, sentences),) = answers.answers(averages, statistics.compare(runs, MARGINS))
    assert f" after Holm's correction).{' ' * bool(text)}{text} It " in sentences[0]
    for word in ("do not vary alike", "do not agree"):
        assert (word in sentences[0]) is (word in text)


def test_nothing_to_compare():
    assert answers.answers(pd.DataFrame(), pd.DataFrame())[0][0] == "Nothing to compare"


def test_one_seed_in_a_line():
    """Nothing is known of the uncertainty, so nothing stands in brackets."""
    figures = {(rate, *cell[1:]): values[:1] for cell, values in FIGURES.items() for rate in (16_000, 12_000)}
    _, sentences, _ = told(figures)
    assert sentences[2] == "From 16 to 12 kHz (4 pairs): ROC AUC +0.00 points; PR AUC +0.00 points."
