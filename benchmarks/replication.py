"""Compare tests of measured means against published ones on simulated studies.

    python benchmarks/replication.py [--grids 2000]

Each study has the 48 published figures of VGG-CNN on MagnaTagATune that have a deviation: 24 cells, two metrics. Their
means are the truth, the published side has three runs, and what is published is rounded to two decimals. Published
deviations are of n, or of n - 1 where it says so; the tests always take them as those of n. The first table gives the
share of exact repetitions in which any of the 48 figures is marked, which should be at most 5 %. The second gives the
power: how often a mean that is off by 1 point, while all others are right, is marked. All tests but the first have
Holm's correction over the 48 figures. The third table is about the mean difference over all cells.
"""

import argparse
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import special, stats

from howlow.results import corrections, published

SHIFT_POINTS = 1.0
N = published.N_RUNS
FIGURES = pd.read_csv(published.PATH).dropna(subset="std_percent").sort_values("metric", kind="stable")
TRUTH, PUBLISHED_STD = FIGURES["mean_percent"].to_numpy(), FIGURES["std_percent"].to_numpy()
N_FIGURES = len(FIGURES)
METRICS = (slice(0, N_FIGURES // 2), slice(N_FIGURES // 2, N_FIGURES))

Deviations = Callable[[np.random.Generator], np.ndarray]
Test = Callable[[np.ndarray, np.ndarray, int, np.ndarray], np.ndarray]
"""Marks, from differences, deviations and number of our runs, and published deviations."""

DEVIATIONS: dict[str, Deviations] = {
    "deviations of 0.2": lambda rng: np.full(N_FIGURES, 0.2),
    "deviations between 0.05 and 0.5": lambda rng: rng.uniform(0.05, 0.5, N_FIGURES),
    "deviations as published": lambda rng: PUBLISHED_STD,
}


def as_of_n(published_std: np.ndarray) -> np.ndarray:
    """The deviations of n - 1, if those of n were published."""
    return published_std * np.sqrt(N / (N - 1))


def two_deviations(difference: np.ndarray, std: np.ndarray, n: int, published_std: np.ndarray) -> np.ndarray:
    return np.abs(difference) > 2 * published_std


def welch(difference: np.ndarray, std: np.ndarray, n: int, published_std: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):  # one run has no deviation
        p = stats.ttest_ind_from_stats(difference, std, n, 0, as_of_n(published_std), N, equal_var=False).pvalue
    return corrections.holm(p) < published.ALPHA


def student(difference: np.ndarray, std: np.ndarray, n: int, published_std: np.ndarray) -> np.ndarray:
    """The test that the workflow uses."""
    p = published.p_of_difference(difference, std, np.full(N_FIGURES, n), published_std)
    return corrections.holm(p) < published.ALPHA


def of_cells(std: np.ndarray, n: int, published_std: np.ndarray) -> tuple[np.ndarray, int]:
    """The variance of each figure from both sides, and its degrees of freedom."""
    df = n + N - 2
    own = (n - 1) * std**2 if n > 1 else 0
    return (own + (N - 1) * as_of_n(published_std) ** 2) / df, df


def pooled(difference: np.ndarray, std: np.ndarray, n: int, published_std: np.ndarray) -> np.ndarray:
    """One variance for all cells of a metric."""
    variances, df = of_cells(std, n, published_std)
    p = np.empty(N_FIGURES)
    for metric in METRICS:
        error = np.sqrt(variances[metric].mean() * (1 / n + 1 / N))
        p[metric] = 2 * stats.t.sf(np.abs(difference[metric]) / error, df * N_FIGURES / 2)
    return corrections.holm(p) < published.ALPHA


def moderated(difference: np.ndarray, std: np.ndarray, n: int, published_std: np.ndarray) -> np.ndarray:
    """The variance of each cell, drawn towards that of all cells as far as they are alike (Smyth, 2004)."""
    variances, df = of_cells(std, n, published_std)
    p = np.empty(N_FIGURES)
    for metric in METRICS:
        drawn, total_df = draw_together(variances[metric], df)
        p[metric] = 2 * stats.t.sf(np.abs(difference[metric]) / np.sqrt(drawn * (1 / n + 1 / N)), total_df)
    return corrections.holm(p) < published.ALPHA


def draw_together(variances: np.ndarray, df: int) -> tuple[np.ndarray, float]:
    logs = np.log(np.maximum(variances, 1e-5 * np.median(variances))) - special.digamma(df / 2) + np.log(df / 2)
    excess = logs.var(ddof=1) - special.polygamma(1, df / 2)
    if excess <= 0:
        return np.full_like(variances, variances.mean()), df * len(variances)
    half = 0.5 + 1 / excess  # the inverse of the trigamma function, by Newton's method
    for _ in range(20):
        trigamma = special.polygamma(1, half)
        half += trigamma * (1 - trigamma / excess) / special.polygamma(2, half)
    prior = np.exp(logs.mean() + special.digamma(half) - np.log(half))
    return (2 * half * prior + df * variances) / (2 * half + df), min(2 * half + df, df * len(variances))


TESTS: dict[str, Test] = {
    "two published deviations": two_deviations,
    "Welch": welch,
    "Student (used)": student,
    "one variance for all cells": pooled,
    "moderated variances": moderated,
}


def rates(deviations: Deviations, n: int, n_grids: int, shift: float, ddof: int = 0) -> dict[str, float]:
    """For each test, the share of studies with a mark, or with a shift the share in which the shifted mean is marked.

    Parameters
    ----------
    deviations : draws the true deviations of all figures
    n : number of our runs
    n_grids : number of simulated studies
    shift : the first of our means of ROC AUC is off by this number of points
    ddof : 0 if the published deviations are of n, 1 if they are of n - 1
    """
    rng = np.random.default_rng(0)
    marked = dict.fromkeys(TESTS, 0)
    at = int(np.flatnonzero(FIGURES["metric"] == "roc_auc")[0])
    for _ in range(n_grids):
        true_std = deviations(rng)
        own, theirs = (rng.normal(TRUTH, true_std, (runs, N_FIGURES)) for runs in (n, N))
        own[:, at] += shift
        difference = own.mean(0) - theirs.mean(0).round(2)
        std = own.std(0, ddof=1) if n > 1 else np.full(N_FIGURES, np.nan)
        published_std = theirs.std(0, ddof=ddof).round(2)
        for name, test in TESTS.items():
            marks = test(difference, std, n, published_std)
            marked[name] += bool(marks[at] if shift else marks.any())
    return {name: count / n_grids for name, count in marked.items()}


def main(n_grids: int) -> None:
    for shift, title in (
        (0.0, "exact repetitions with a mark"),
        (SHIFT_POINTS, "means off by 1 point that are marked"),
    ):
        print(f"\n| {title}, in percent | our runs | {' | '.join(TESTS)} |\n|---|---:{'|---:' * len(TESTS)}|")
        for name, deviations in DEVIATIONS.items():
            for n in (1, 2, 3, 10):
                row(name, n, rates(deviations, n, n_grids, shift).values())
            row(f"{name}, published of n - 1", N, rates(deviations, N, n_grids, shift, ddof=1).values())
    print(
        "\n| mean over 24 cells, in percent | our runs | interval covers | P < 0.05 if exact | if off by 0.2 points |"
    )
    print("|---|---:|---:|---:|---:|")
    for name, deviations in DEVIATIONS.items():
        for n, ddof in ((1, 0), (3, 0), (3, 1), (10, 0)):
            covers, marked = of_overall(deviations, n, n_grids, 0, ddof)
            power = of_overall(deviations, n, n_grids, 0.2, ddof)[1]
            row(f"{name}{', published of n - 1' * ddof}", n, (covers, marked, power))


def of_overall(deviations: Deviations, n: int, n_grids: int, shift: float, ddof: int = 0) -> tuple[float, float]:
    """How often the interval of the mean difference of ROC AUC covers the true one, and how often P is below 0.05.

    Parameters
    ----------
    deviations, n, n_grids, ddof : see `rates`
    shift : all of our means are off by this number of points
    """
    rng = np.random.default_rng(0)
    covered = significant = 0
    for _ in range(n_grids):
        true_std = deviations(rng)[METRICS[1]]
        own, theirs = (rng.normal(mean, true_std, (runs, len(true_std))) for mean, runs in ((shift, n), (0, N)))
        table = pd.DataFrame({
            "roc_auc_p": 0.5,  # not empty: the cells are tested
            "roc_auc_difference_points": own.mean(0) - theirs.mean(0).round(2),
            "n_seeds": n,
            "roc_auc_std": own.std(0, ddof=1) if n > 1 else np.nan,
            "roc_auc_published_std": theirs.std(0, ddof=ddof).round(2),
        })  # fmt: skip
        found = published.overall(table, "roc_auc")
        assert found is not None
        covered += found.low <= shift <= found.high
        significant += found.p < published.ALPHA
    return covered / n_grids, significant / n_grids


def row(name: str, n: int, values: Iterable[float]) -> None:
    print(f"| {name} | {n} | {' | '.join(f'{100 * value:.1f}' for value in values)} |", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--grids", type=int, default=2_000, help="number of simulated studies")
    main(options.parse_args().grids)
