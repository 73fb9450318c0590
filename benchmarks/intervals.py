"""Measure how often the statistics are right, on simulated studies whose true answers are known.

    python benchmarks/intervals.py [--studies 400] [--seed 0]

It prints the table of docs/statistics.md. Two kinds of studies are simulated:

- Runs: the metric of every cell and seed is drawn from the normal distribution.
- Scores: songs of three clips get labels and scores. What all networks find hard about a song or a clip, and the luck
  of each seed, are drawn, so that seeds and test clips are two crossed sources. The true ROC AUC follows from the
  normal distribution, and the true PR AUC is the mean over all studies.
- Folds: the same, but every seed is tested on songs of its own, and songs may favour networks with 96 or with 48 bands.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from howlow.evaluation import resampling
from howlow.evaluation.resampling import Resampled
from howlow.features.representation import CLIP_SECONDS, Cell
from howlow.names import CELL
from howlow.results import (
    effects,
    linear_model,
    selection,
    statistics,
    tradeoff,
)
from howlow.results.estimates import ALPHA

ROOT = Path(__file__).resolve().parents[1]

DEVIATION_POINTS = 0.15
"""Of ROC AUC between seeds; the published mean over MagnaTagATune's 88 cells is 0.146."""

MARGINS = {"roc_auc": 0.5, "pr_auc": 1.0}

PAPERS_GRID = [
    Cell(rate, n_mels, hop, log_type)
    for rate in (12_000, 16_000)
    for log_type in ("log", "db")
    for n_mels, hops in [*((m, (1, 2, 3, 4, 5, 10)) for m in (128, 96, 48)), *((m, (1,)) for m in (32, 24, 16, 8))]
    for hop in hops
]

SMALL_GRID = [Cell(12_000, n_mels, hop, x) for n_mels in (96, 48) for hop in (1, 2) for x in ("db", "log")]

N_SEEDS, N_SONGS, CLIPS_A_SONG = 3, 60, 3
PREVALENCE = np.linspace(0.15, 0.5, 8)
SONG, CLIP, OWN = 0.25, 0.35, 0.4
"""The shares of a score's variance that a song, a clip, and a clip with one training have."""
SEED_LUCK = 0.06
"""The deviation between seeds of the distance between positive and negative clips, in deviations of the scores."""
DISTANCE = {96: 1.6, 48: 1.55}
N_FOLDS, SIDE = 5, 0.1
"""With folds: their number, and the variance of what a song adds to the scores of all networks with 48 bands."""


def runs(rng: np.random.Generator, cells: list[Cell], points: np.ndarray) -> pd.DataFrame:
    """Rows of runs.csv; `points` [shape=(n_cells, n_seeds)] is the ROC AUC in percent. PR AUC varies apart from it."""
    rows = [
        ("d", "vgg", *astuple(cell), name_of(cell), seed, value / 100, rng.normal())
        for cell, values in zip(cells, points, strict=True)
        for seed, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", *CELL, "cell", "seed", "roc_auc", "pr_auc"])


def name_of(cell: Cell) -> str:
    return cell.name(CLIP_SECONDS, 1.0)


def drawn_runs(
    rng: np.random.Generator, *, effect: float = 0.0, unequal: float = 1.0, sides: float = 0.0
) -> tuple[list[Cell], np.ndarray]:
    """Runs of the paper's grid, in points. 48 bands have `effect` more than 96.

    `unequal` multiplies the deviation of 48 bands; `sides` is the deviation of what a seed adds to all cells of 48
    bands, in deviations of a run.
    """
    values = 90 + rng.normal(size=(len(PAPERS_GRID), N_SEEDS)) * DEVIATION_POINTS
    has_48 = np.array([cell.n_mels == 48 for cell in PAPERS_GRID])
    values[has_48] = 90 + (values[has_48] - 90) * unequal + effect
    values[has_48] += sides * DEVIATION_POINTS * rng.normal(size=N_SEEDS)
    return PAPERS_GRID, values + 0.1 * rng.normal(size=N_SEEDS)


class Study:
    """A study of scores: the ROC AUC and PR AUC of each run, on all test clips and on resampled ones.

    Attributes
    ----------
    distances : np.ndarray [shape=(n_cells, n_seeds)], between positive and negative clips, with each seed's luck
    areas : np.ndarray [shape=(n_cells, n_seeds, 2)]
    resampled : Resampled
    """

    def __init__(self, rng: np.random.Generator, n_resamples: int, n_folds: int = 0, side: float = 0.0):
        """Draw a study, in which all seeds are tested on the same songs or, with folds, each one on others."""
        parts = [_drawn(rng, 1 if n_folds else N_SEEDS, n_resamples, side) for _ in range(n_folds or 1)]
        self.distances, areas = (np.concatenate(of_parts, axis=1) for of_parts in zip(*parts, strict=True))
        self.areas = areas[..., 0]
        names = [name_of(cell) for cell in SMALL_GRID]
        self.resampled = Resampled(names, N_SONGS * len(parts), areas[..., 1:].astype(np.float32))

    def runs(self) -> pd.DataFrame:
        """Rows of runs.csv."""
        table = runs(np.random.default_rng(0), SMALL_GRID, 100 * self.areas[..., 0])
        return table.assign(pr_auc=self.areas[..., 1].ravel())


def _drawn(rng: np.random.Generator, n_seeds: int, n_resamples: int, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Runs that are tested on the same new songs.

    `side` is the variance of what a song adds to the scores of all networks with 48 bands.

    Returns
    -------
    distances : np.ndarray [shape=(n_cells, n_seeds)]
    areas : np.ndarray [shape=(n_cells, n_seeds, 2, 1 + n_resamples)]
    """
    songs = np.repeat(np.arange(N_SONGS), CLIPS_A_SONG)
    labels = (rng.random((N_SONGS, len(PREVALENCE))) < PREVALENCE)[songs]
    shared = np.sqrt(SONG) * rng.normal(size=(N_SONGS, len(PREVALENCE)))[songs]
    shared += np.sqrt(CLIP) * rng.normal(size=labels.shape)
    of_48 = np.sqrt(side) * rng.normal(size=(N_SONGS, len(PREVALENCE)))[songs] if side else 0.0
    means = np.array([DISTANCE[cell.n_mels] for cell in SMALL_GRID])
    distances = means[:, None] + SEED_LUCK * rng.normal(size=(len(SMALL_GRID), n_seeds))
    everything = np.ones((len(labels), 1), np.float32)
    weights = np.hstack([everything, resampling.draw(songs, n_resamples, int(rng.integers(1 << 31)))])
    areas = []
    for cell, of_cell in zip(SMALL_GRID, distances, strict=True):
        common = shared + of_48 * (cell.n_mels == 48)
        scores = [labels * d + common + np.sqrt(OWN) * rng.normal(size=labels.shape) for d in of_cell]
        areas.append([resampling.macro(labels, score, weights) for score in scores])
    return distances, np.array(areas)


def true_points(distances: np.ndarray, luck: float = 0.0) -> np.ndarray:
    """The true ROC AUC in percent: the probability that a positive clip's score is above that of a negative one."""
    return 100 * stats.norm.cdf(distances / np.sqrt(2 + luck**2))


def share(flags: list[bool]) -> str:
    """A share in percent, with its own standard error."""
    mean = float(np.mean(flags))
    return f"{100 * mean:.1f} ± {100 * np.sqrt(mean * (1 - mean) / len(flags)):.1f}"


def covers(row: pd.Series, truth: float, suffix: str = "") -> bool:
    """Whether an interval of a row has the true value in it."""
    return bool(row[f"low{suffix}_points"] <= truth <= row[f"high{suffix}_points"])


def of_runs(rng: np.random.Generator, n_studies: int) -> Iterator[tuple[str, str, str]]:
    """Coverage, errors and power of the tests between seeds: (what, what it should be, what it is)."""
    kinds = {
        "seeds alone, all cells vary alike": {},
        "seeds alone, 48 bands vary 3 times as much": {"unequal": 3},
        "seeds alone, a seed favours one side by 0.3 deviations": {"sides": 0.3},
    }
    for name, settings in kinds.items():
        found = [_on_average(runs(rng, *drawn_runs(rng, **settings))) for _ in range(n_studies)]
        yield f"average effect: {name}", "95", share([covers(_of_bands(table).iloc[0], 0, "_seeds") for table in found])
    margin = MARGINS["roc_auc"]
    found = [_on_average(runs(rng, *drawn_runs(rng, effect=margin))) for _ in range(n_studies)]
    flags = [bool(_of_bands(table)["p_equivalence"].iloc[0] < ALPHA) for table in found]
    yield "average effect as large as the margin called equivalent", "at most 5", share(flags)
    for effect in (0, 0.1, 0.2, 0.3):
        studies = [runs(rng, *drawn_runs(rng, effect=effect)) for _ in range(n_studies // (1 if effect == 0 else 5))]
        averages = [_on_average(table) for table in studies]
        pairs = [_of_bands(statistics.compare(table[table["n_mels"].isin([96, 48])], MARGINS)) for table in studies]
        if effect == 0:
            flags = [bool((table["p_holm"] < ALPHA).any()) for table in averages]
            yield "any step of the grid called different where none is (Holm)", "at most 5", share(flags)
            flags = [bool((table["p_seeds_holm"] < ALPHA).any()) for table in pairs]
            yield "any of 24 pairs called different where none is (Holm)", "at most 5", share(flags)
            columns = {"is_equivalent": "equivalence within 0.5 points"}
        else:
            columns = {"is_different": f"an effect of {effect} points"}
        for column, name in columns.items():
            flags = [bool(_of_bands(table)[column].iloc[0]) for table in averages]
            yield f"{name} found on average over 24 pairs", "", share(flags)
            flags = [bool(flag) for table in pairs for flag in table[column]]
            yield f"{name} found in a single pair", "", share(flags)


def _on_average(table: pd.DataFrame) -> pd.DataFrame:
    """The average effects on ROC AUC."""
    return effects.average_effects(table, MARGINS).query("metric == 'roc_auc'")


def _of_bands(table: pd.DataFrame) -> pd.DataFrame:
    """The rows about ROC AUC and the step from 96 to 48 bands."""
    return table.query("metric == 'roc_auc' and axis == 'n_mels' and to == 48")


def of_scores(rng: np.random.Generator, n_studies: int, n_resamples: int) -> Iterator[tuple[str, str, str]]:
    """Coverage of the intervals for other test clips, and for other seeds and other test clips."""
    studies = [Study(rng, n_resamples) for _ in range(n_studies)]
    has_48 = np.array([cell.n_mels == 48 for cell in SMALL_GRID])
    pairs = np.flatnonzero(~has_48), np.flatnonzero(has_48)
    of_area = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC"}
    averages = [effects.average_effects(s.runs(), MARGINS, {("d", "vgg"): s.resampled}) for s in studies]
    singles = [statistics.compare(s.runs(), MARGINS, {("d", "vgg"): s.resampled}) for s in studies]
    means = np.array([DISTANCE[cell.n_mels] for cell in SMALL_GRID])
    truth = true_points(means, SEED_LUCK)
    for number, (metric, name) in enumerate(of_area.items()):
        of_study = np.array([100 * s.areas[..., number].mean(1) for s in studies])
        effect = (of_study[:, pairs[1]] - of_study[:, pairs[0]]).mean()
        if metric == "roc_auc":
            effect = (truth[pairs[1]] - truth[pairs[0]]).mean()
        wanted = f"metric == '{metric}' and axis == 'n_mels'"
        rows = [table.query(wanted).iloc[0] for table in averages]
        yield f"average effect on {name}: other seeds and test clips", "95", share([covers(r, effect) for r in rows])
        if metric == "roc_auc":
            with_these = [true_points(s.distances).mean(1) for s in studies]
            of_these = [(points[pairs[1]] - points[pairs[0]]).mean() for points in with_these]
            found = [covers(row, value, "_clips") for row, value in zip(rows, of_these, strict=True)]
            yield f"average effect on {name}: other test clips", "95", share(found)
        rows = [row for table in singles for _, row in table.query(wanted).iterrows()]
        yield f"single pair, {name}: other seeds and test clips", "95", share([covers(r, effect) for r in rows])
    levels = [tradeoff.on_test(study.runs(), study.resampled, 0) for study in studies]
    found = [
        bool(low <= value <= high)
        for table in levels
        for low, high, value in zip(table["roc_auc_low_percent"], table["roc_auc_high_percent"], truth, strict=True)
    ]
    yield "ROC AUC of a cell: other seeds and test clips", "95", share(found)


def of_folds(rng: np.random.Generator, n_studies: int, n_resamples: int) -> Iterator[tuple[str, str, str]]:
    """Coverage of the intervals of studies in folds, of which each tests one seed."""
    bands = np.array([[DISTANCE[96]], [DISTANCE[48]]])
    for side, what in ((0.0, "songs favour no side"), (SIDE, "songs favour 96 or 48 bands")):
        studies = [Study(rng, n_resamples, N_FOLDS, side) for _ in range(n_studies)]
        rich, poor = true_points(bands / np.sqrt([[1], [1 + side]]), SEED_LUCK)[:, 0]
        for function, name in ((effects.average_effects, "average effect"), (statistics.compare, "single pair")):
            tables = [function(s.runs(), MARGINS, {("d", "vgg"): s.resampled}, {"d": N_FOLDS}) for s in studies]
            rows = [row for table in tables for _, row in _of_bands(table).iterrows()]
            yield f"{name} in five folds: {what}", "95", share([covers(row, poor - rich) for row in rows])


def of_choice(rng: np.random.Generator, n_studies: int) -> Iterator[tuple[str, str, str]]:
    """The comparisons with the best of 88 cells."""
    truth = 90 - np.r_[np.zeros(20), np.linspace(0, 2, 68)]
    distance = np.array([mean - np.delete(truth, row).max() for row, mean in enumerate(truth)])
    right, flattered = [], []
    for _ in range(n_studies):
        values = truth[:, None] + DEVIATION_POINTS * rng.normal(size=(len(truth), N_SEEDS))
        low, high = selection.from_best(linear_model.fit(values))
        right.append(bool(((low <= distance) & (distance <= high)).all()))
        flattered.append(values.mean(1).max() - truth.max())
    yield "distances of 88 cells from the best, all at once", "at least 95", share(right)
    yield "points by which the best of 88 means flatters itself", "", f"{np.mean(flattered):.2f}"
    margin, wrong, shown = MARGINS["roc_auc"], [], []
    for _ in range(n_studies):
        values = 90 + DEVIATION_POINTS * rng.normal(size=(88, N_SEEDS))
        values[0] += margin
        low, _ = selection.from_best(linear_model.fit(values))
        wrong.append(bool((low[1:] > -margin).any()))
        values[0] -= margin
        low, _ = selection.from_best(linear_model.fit(values))
        shown.append(float((low > -margin).mean()))
    yield "any of 87 cells that lose the margin called as good as the best", "at most 5", share(wrong)
    yield "share of 88 equal cells shown to be as good as the best within 0.5 points", "", f"{100 * np.mean(shown):.0f}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--studies", type=int, default=400, help="number of simulated studies of each kind")
    options.add_argument("--resamples", type=int, default=500, help="number of resamples of the test clips")
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args()
    kinds: dict[str, Callable[[np.random.Generator], Iterator[tuple[str, str, str]]]] = {
        "runs": lambda rng: of_runs(rng, args.studies),
        "scores": lambda rng: of_scores(rng, args.studies, args.resamples),
        "choice": lambda rng: of_choice(rng, args.studies),
        "folds": lambda rng: of_folds(rng, args.studies, args.resamples),
    }
    print("| what is asked of simulated studies | should be (%) | is (%) |")
    print("|---|---|---|")
    for number, kind in enumerate(kinds.values()):
        for what, wanted, found in kind(np.random.default_rng([args.seed, number])):
            print(f"| {what} | {wanted} | {found} |", flush=True)


if __name__ == "__main__":
    main()
