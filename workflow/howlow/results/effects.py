"""The average effect of a step along an axis, such as from 96 to 48 bands, over all pairs of cells that it separates.

One linear model of all runs of an experiment gives it: every cell has its mean, every seed adds the same to all cells,
and what is left varies alike everywhere. It is the two-way layout without interaction (Montgomery, "Design and Analysis
of Experiments", section 4.1). Where the runs contradict the model, the interval does without the refuted assumption.

The model knows the variation between trainings. That between test clips comes from `howlow.evaluation.resampling`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from howlow.evaluation.resampling import Resampled
from howlow.names import CELL, METRICS
from howlow.representation import Representation
from howlow.results.corrections import holm

AXES = {"n_mels": "mel bands", "hop_factor": "hop", "sample_rate_hz": "sample rate", "log_type": "log type"}
"""The axes along which representations are compared, and their names in words."""

PAPERS_STEPS = [("n_mels", 96, 48), ("hop_factor", 1, 2), ("hop_factor", 1, 10)]
"""The steps that the paper has conclusions about; the last one goes over all hops between."""

ALPHA = 0.05
POWER = 0.8

ROUNDING_POINTS = 1e-9
"""Smaller differences come from the arithmetic, and not from the runs."""

_N_NODES = 200  # of the integration over the distribution of standard errors

_RICH_FIRST = {"n_mels": False, "hop_factor": True, "sample_rate_hz": False, "log_type": True}  # ascending?


class Estimate(NamedTuple):
    """A difference of means, or a mean, with its uncertainty.

    Attributes
    ----------
    value, error : float, the estimate and its standard error
    df : float, degrees of freedom of the standard error
    """

    value: float
    error: float
    df: float

    def interval(self, level: float = 1 - ALPHA) -> tuple[float, float]:
        """The limits of a confidence interval, by Student's t."""
        reach = stats.t.ppf((1 + level) / 2, self.df) * self.error
        return self.value - reach, self.value + reach

    def p(self) -> float:
        """The two-sided P value of the hypothesis that the true value is 0."""
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.df)) if self.error else np.nan

    def p_equivalence(self, margin: float) -> float:
        """The P value of two one-sided t-tests that the true value is between -margin and margin (Schuirmann, 1987)."""
        return float(stats.t.sf((margin - abs(self.value)) / self.error, self.df)) if self.error else np.nan

    def smallest_margin(self, n_tests: int = 1) -> float:
        """The margin within which equivalence would have been shown with a probability of `POWER` if nothing differed.

        Parameters
        ----------
        n_tests : int, the number of tests that Holm's method corrects together
        """
        if np.isnan(self.df):
            return np.nan
        return self.error * _smallest_margin(max(1, n_tests), self.df)


UNKNOWN = Estimate(np.nan, np.nan, np.nan)


@cache
def _smallest_margin(n_tests: int, df: float) -> float:
    """The smallest margin in units of the true standard error, which the estimated one varies around."""
    quantile = stats.t.ppf(1 - ALPHA / n_tests, df)
    errors = np.sqrt(stats.chi2.ppf((np.arange(_N_NODES) + 0.5) / _N_NODES, df) / df)

    def power(margin: float) -> float:
        return float(np.maximum(0, 2 * stats.norm.cdf(margin - quantile * errors) - 1).mean())

    return float(brentq(lambda margin: power(margin) - POWER, 0, 10 * (quantile * errors[-1] + 1)))


class Fit(NamedTuple):
    """The linear model of the runs of one experiment.

    Attributes
    ----------
    points : np.ndarray [shape=(n_cells, n_seeds)], the runs without the effects of the seeds; NaN where there is none
    residuals : np.ndarray [shape=(n_cells, n_seeds)], what is left without the means of cells and seeds
    df : int, degrees of freedom of the residuals
    p_fair : float, the P value of Bartlett's test that all cells vary alike
    """

    points: np.ndarray
    residuals: np.ndarray
    df: int
    p_fair: float

    @property
    def n_runs(self) -> np.ndarray:
        """The number of runs of each cell."""
        return (~np.isnan(self.points)).sum(1)

    @property
    def squares(self) -> np.ndarray:
        """The sum of the squared residuals of each cell."""
        return np.nansum(self.residuals**2, axis=1)

    @property
    def freedom(self) -> np.ndarray:
        """The degrees of freedom of each cell's residuals, of which the means of the seeds take an equal share."""
        return (self.n_runs - 1) * self.df / (self.n_runs - 1).sum()

    def variance(self, cells: np.ndarray | slice = slice(None)) -> float:
        """The variance of the runs of some cells around the model."""
        return float(self.squares[cells].sum() / self.freedom[cells].sum()) if self.df else np.nan


def fit(values: np.ndarray) -> Fit:
    """Fit the model.

    Parameters
    ----------
    values : np.ndarray [shape=(n_cells, n_seeds)], NaN where a cell has no run with a seed
    """
    present = ~np.isnan(values)
    centred = values - np.nanmean(values, axis=1, keepdims=True)
    # The means of the cells are projected out, so that a regression on a few seeds is left (Frisch, Waugh and Lovell).
    seeds = np.where(present[:, :, None], np.eye(values.shape[1])[None], np.nan)
    seeds = (seeds - np.nanmean(seeds, axis=1, keepdims=True))[present]
    effects, _, rank, _ = np.linalg.lstsq(seeds, centred[present], rcond=None)
    residuals = np.full(values.shape, np.nan)
    residuals[present] = centred[present] - seeds @ effects
    residuals[np.abs(residuals) < ROUNDING_POINTS] = 0
    df = int(present.sum() - len(values) - rank)
    adjusted = values - effects
    return Fit(adjusted, residuals, max(df, 0), _p_of_equal_variances(adjusted))


def step(model: Fit, first: np.ndarray, second: np.ndarray, method: str) -> Estimate:
    """The mean difference, second minus first, over pairs of cells.

    Parameters
    ----------
    first, second : np.ndarray [shape=(n_pairs,), dtype=int], the rows of the cells of each pair, all different
    method : `pooled` takes one variance for all cells; `by cell` takes that of each cell, with the degrees of freedom
        of Welch and Satterthwaite; `by seed` takes the variation of the mean difference between the seeds, which is
        right even if a seed favours one side of all pairs
    """
    values, n_pairs = model.points, len(first)
    if method == "by seed":
        of_seed = by_seed(values, first, second)
        of_seed = of_seed[~np.isnan(of_seed)]
        n_seeds = len(of_seed)
        return Estimate(float(of_seed.mean()), float(of_seed.std(ddof=1) / np.sqrt(n_seeds)), n_seeds - 1)
    value = float(_differences(values, first, second).mean())
    cells = np.concatenate([first, second])
    n_runs, freedom = model.n_runs[cells], model.freedom[cells]
    if method == "pooled":
        return Estimate(value, float(np.sqrt(model.variance() * (1 / n_runs).sum()) / n_pairs), model.df)
    parts = model.squares[cells] / freedom / n_runs / n_pairs**2
    variance = parts.sum()
    df = variance**2 / (parts**2 / freedom).sum() if variance else model.df
    return Estimate(value, float(np.sqrt(variance)), float(df))


def by_seed(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The mean difference over pairs of cells with each seed: [shape=(n_seeds,)]; NaN where a run is missing."""
    return (values[second] - values[first]).mean(0)


def folds_of(runs: pd.DataFrame, n_folds: int) -> np.ndarray | None:
    """The fold that each seed tests on, in the order of the columns of `matrix`; None without folds.

    Parameters
    ----------
    runs : rows of `runs.csv` of one experiment, with the seeds of a cell in the order of the configuration
    n_folds : int, 0 without folds
    """
    seeds = list(dict.fromkeys(runs["seed"]))  # they take the folds in turn, as in `howlow.config.specs.fold`
    return np.array([seeds.index(seed) % n_folds for seed in np.unique(runs["seed"])]) if n_folds else None


def of_folds(of_seeds: np.ndarray, folds: np.ndarray) -> Estimate:
    """The mean of a difference over folds, with the variation between them.

    Trainings that are tested on the same fold share its clips and most of what they learn from, so they count as one.
    What remains, a t-interval over the folds, is of other trainings and of other test clips together.

    Parameters
    ----------
    of_seeds : np.ndarray [shape=(n_seeds,)], the difference with each seed; NaN where a run is missing
    folds : np.ndarray [shape=(n_seeds,)]
    """
    means = pd.Series(of_seeds).groupby(folds).mean().dropna().to_numpy()
    if len(means) < 2:
        return UNKNOWN
    return Estimate(float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means))), len(means) - 1)


def p_of_seeds(model: Fit, first: np.ndarray, second: np.ndarray) -> float:
    """The P value of the hypothesis that seeds favour no side: the mean difference varies with them as runs vary.

    The seeds' own effects are taken from the model, which makes no difference between two cells.
    """
    of_seed = by_seed(model.points, first, second)
    of_seed = of_seed[~np.isnan(of_seed)]
    cells = np.concatenate([first, second])
    variance = model.variance(cells)
    if len(of_seed) < 2 or not variance > 0:
        return np.nan
    ratio = len(first) * of_seed.var(ddof=1) / (2 * variance)
    return float(stats.f.sf(ratio, len(of_seed) - 1, model.freedom[cells].sum()))


def p_of_pairs(model: Fit, first: np.ndarray, second: np.ndarray) -> float:
    """The P value of the hypothesis that the difference is the same for all pairs (an F test of the model)."""
    n_pairs, n_runs = len(first), model.n_runs
    cells = np.concatenate([first, second])
    variance = model.variance(cells)
    if n_pairs < 2 or not variance > 0:
        return np.nan
    weights = 1 / (1 / n_runs[first] + 1 / n_runs[second])
    differences = _differences(model.points, first, second)
    spread = (weights * (differences - np.average(differences, weights=weights)) ** 2).sum() / (n_pairs - 1)
    return float(stats.f.sf(spread / variance, n_pairs - 1, model.freedom[cells].sum()))


def of_clips(deltas: np.ndarray, n_groups: int) -> tuple[float, float]:
    """The variance of a difference that comes from the test clips, and the part of it that seeds do not share.

    Parameters
    ----------
    deltas : np.ndarray [shape=(n_seeds, n_resamples)], the difference with each seed on resampled test clips
    n_groups : int, number of groups that were resampled

    Returns
    -------
    variance : float, of the mean over the seeds
    interaction : float, the share of `variance` that the variation between seeds contains, too
    """
    n_seeds, correction = len(deltas), n_groups / max(1, n_groups - 1)
    mean = deltas.mean(0)
    apart = (deltas - mean).var(axis=1, ddof=1).sum() / (n_seeds * (n_seeds - 1)) if n_seeds > 1 else np.nan
    return float(mean.var(ddof=1) * correction), float(apart * correction)


def both(of_seeds: Estimate, clips: float, interaction: float, n_groups: int) -> Estimate:
    """Join the variation between seeds and that between test clips, as for two-way clustering.

    The sum of both variances has what they share twice, so it is subtracted once (Cameron, Gelbach and Miller, "Robust
    Inference with Multiway Clustering", 2011, equation 2.8). The degrees of freedom are Satterthwaite's.
    """
    seeds = of_seeds.error**2
    variance = max(seeds, clips, seeds + clips - interaction)
    weight = seeds**2 / of_seeds.df + clips**2 / max(1, n_groups - 1)
    return Estimate(of_seeds.value, float(np.sqrt(variance)), float(variance**2 / weight) if weight else of_seeds.df)


class Step(NamedTuple):
    """A step from one value to another on an axis, and the pairs of cells that differ in it alone.

    Attributes
    ----------
    first, second : np.ndarray [shape=(n_pairs,), dtype=int], the rows of the richer and of the poorer cell of each pair
    """

    axis: str
    before: object
    after: object
    first: np.ndarray
    second: np.ndarray


def margins(spec: Mapping[str, float]) -> dict[str, float]:
    """The margin of each metric in points, from the settings of the statistics."""
    return {"roc_auc": spec["margin_points"], "pr_auc": spec["pr_auc_margin_points"]}


def steps(cells: pd.DataFrame) -> Iterator[Step]:
    """All steps of a grid: from each value of an axis to the next one, and those that the paper asks about.

    Parameters
    ----------
    cells : a row for each cell, with the columns `CELL`, indexed from 0
    """
    for axis in AXES:
        yield from _steps_along(cells, axis)


def _steps_along(cells: pd.DataFrame, axis: str) -> Iterator[Step]:
    others = [key for key in CELL if key != axis]
    found: dict[tuple[object, object], tuple[list[int], list[int]]] = {}
    for _, group in cells.groupby(others, sort=False):
        ordered = group.sort_values(axis, ascending=_RICH_FIRST[axis])
        for (i, (before, first)), (j, (after, second)) in combinations(
            enumerate(zip(ordered[axis], ordered.index, strict=True)), 2
        ):
            if j == i + 1 or (axis, before, after) in PAPERS_STEPS:
                rows = found.setdefault((before, after), ([], []))
                rows[0].append(int(first))
                rows[1].append(int(second))
    for (before, after), (firsts, seconds) in found.items():
        yield Step(axis, before, after, np.array(firsts), np.array(seconds))


def matrix(runs: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The cells of one experiment, and a metric of their runs in points.

    Returns
    -------
    cells : pd.DataFrame, a row for each cell with the columns `CELL` and its `name`
    values : np.ndarray [shape=(n_cells, n_seeds)], NaN where a cell has no run with a seed
    """
    cells = runs[CELL].drop_duplicates().reset_index(drop=True)
    seeds, seed_of_run = np.unique(runs["seed"], return_inverse=True)
    values = np.full((len(cells), len(seeds)), np.nan)
    values[runs.groupby(CELL, sort=False).ngroup(), seed_of_run] = 100 * runs[metric]
    return cells.assign(name=[Representation(*cell).name for cell in cells.itertuples(index=False)]), values


def average_effects(
    runs: pd.DataFrame,
    margins: Mapping[str, float],
    resampled: Mapping[tuple[str, str], Resampled] | None = None,
    folds: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """The average effect of each step along each axis, for each experiment and metric.

    Parameters
    ----------
    runs : rows of `runs.csv`
    margins : for each metric, the difference in points that counts as none
    resampled : for each dataset and model, the metrics on resampled test clips
    folds : the number of folds of each dataset that has some

    Returns
    -------
    pd.DataFrame with one row for each experiment, metric and step, in points where the column's name says so. Columns
    that end in `_seeds` or `_seeds_points` are of the variation between trainings on these test clips; those with
    `_clips` are of other test clips with these trainings; `error_points`, `low_points`, `high_points`, `p` and
    `p_equivalence` are of both. `_holm` marks P values after Holm's correction over all steps of the experiment and
    metric. With one seed, only the interval for the clips is there. With folds, what the seeds differ by contains what
    the test clips differ by, so the columns of both are those of the seeds.
    """
    parts = [
        _of_metric(
            of_experiment,
            metric,
            (resampled or {}).get(experiment_of(of_experiment)),
            folds_of(of_experiment, (folds or {}).get(experiment_of(of_experiment)[0], 0)),
        )
        for _, of_experiment in runs.groupby(["dataset", "model"], sort=False)
        for metric in METRICS
    ]
    tested = [add_tests(part.assign(margin_points=part["metric"].map(margins))) for part in parts if not part.empty]
    return pd.concat(tested, ignore_index=True) if tested else pd.DataFrame()


def experiment_of(rows: pd.DataFrame) -> tuple[str, str]:
    """The dataset and the model of rows of one experiment."""
    dataset, model = rows[["dataset", "model"]].iloc[0]
    return dataset, model


def _of_metric(runs: pd.DataFrame, metric: str, resampled: Resampled | None, folds: np.ndarray | None) -> pd.DataFrame:
    cells, values = matrix(runs, metric)
    if np.isnan(values).all():
        return pd.DataFrame()
    model, identity = (
        fit(values),
        dict(zip(("dataset", "model", "metric"), (*experiment_of(runs), metric), strict=True)),
    )
    rows = []
    for axis, before, after, first, second in steps(cells):
        p_seeds_alike = p_of_seeds(model, first, second)
        method = "by seed" if p_seeds_alike < ALPHA else "by cell" if model.p_fair < ALPHA else "pooled"
        of_seeds = step(model, first, second, method) if model.df else UNKNOWN
        if folds is not None:
            method, of_seeds = "by fold", of_folds(by_seed(model.points, first, second), folds)
        differences = _differences(model.points, first, second)
        row: dict[str, object] = identity | {"axis": axis, "from": before, "to": after}
        row |= {"n_pairs": len(first), "n_seeds": int(model.n_runs.min()), "difference_points": differences.mean()}
        row |= {"smallest_points": differences.min(), "largest_points": differences.max()}
        row |= {"p_same": p_of_pairs(model, first, second), "p_seeds_alike": p_seeds_alike, "variance": method}
        names = [cells["name"][rows_of_side].tolist() for rows_of_side in (first, second)]
        rows.append(
            row
            | uncertainty(
                of_seeds, differences.mean(), resampled, metric, names[0], names[1], has_folds=folds is not None
            )
        )
    return pd.DataFrame(rows)


def uncertainty(
    of_seeds: Estimate,
    value: float,
    resampled: Resampled | None,
    metric: str,
    first: Sequence[str],
    second: Sequence[str],
    *,
    has_folds: bool = False,
) -> dict[str, object]:
    """The columns about the uncertainty of a difference: by the seeds, by the test clips, and by both.

    Parameters
    ----------
    of_seeds : the uncertainty by the seeds, `UNKNOWN` with one seed
    value : float, the difference in points
    resampled : the metrics on resampled test clips; without them, seeds are the only source
    metric : str
    first, second : the names of the cells of each pair
    has_folds : bool, whether every seed has test clips of its own, so that `of_seeds` contains their variation
    """
    of_seeds = of_seeds if of_seeds.error > 0 else UNKNOWN
    total, clips = of_seeds, UNKNOWN
    if resampled is not None:
        n_groups = resampled.n_groups
        variance, interaction = of_clips(resampled.differences(metric, first, second), n_groups)
        clips = Estimate(value, float(np.sqrt(variance)), max(1, n_groups - 1))
        if not np.isnan(of_seeds.error) and not has_folds:
            total = both(of_seeds, variance, interaction, n_groups)
    columns: dict[str, object] = {}
    for suffix, estimate in (("_seeds", of_seeds), ("_clips", clips), ("", total)):
        low, high = estimate.interval()
        columns |= {
            f"error{suffix}_points": estimate.error,
            f"df{suffix}": estimate.df,
            f"low{suffix}_points": low,
            f"high{suffix}_points": high,
        }
    return columns


def add_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Add tests of difference and of equivalence, with Holm's correction over all rows, to columns of `uncertainty`.

    The tests are of the variation between seeds and test clips together; `p_seeds` is of the seeds alone.
    """
    table = table.assign(p_seeds=[estimate.p() for estimate in _estimates(table, "_seeds")])
    estimates = _estimates(table, "")
    margins = table["margin_points"]
    table["p"] = [estimate.p() for estimate in estimates]
    table["p_equivalence"] = [e.p_equivalence(margin) for e, margin in zip(estimates, margins, strict=True)]
    for p in ("p_seeds", "p", "p_equivalence"):
        table[f"{p}_holm"] = holm(table[p])
    table["is_different"] = table["p_holm"] < ALPHA
    table["is_equivalent"] = table["p_equivalence_holm"] < ALPHA
    n_tests = int(table["p_equivalence"].notna().sum())
    table["smallest_margin_points"] = [estimate.smallest_margin(n_tests) for estimate in estimates]
    return table


def _estimates(table: pd.DataFrame, suffix: str) -> list[Estimate]:
    columns = ["difference_points", f"error{suffix}_points", f"df{suffix}"]
    return [Estimate(*values) for values in table[columns].to_numpy(float)]


def _differences(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    means = np.nanmean(values, axis=1)
    return means[second] - means[first]


def _p_of_equal_variances(values: np.ndarray) -> float:
    """The P value of Bartlett's test over the cells that have at least two runs; NaN if it can't be made."""
    rows = [row[~np.isnan(row)] for row in values]
    rows = [row for row in rows if len(row) > 1]
    if len(rows) < 2:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):  # of cells that never vary
        return float(stats.bartlett(*rows).pvalue)
