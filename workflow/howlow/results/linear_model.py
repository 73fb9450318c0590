"""One linear model of all runs of an experiment.

Every cell has its mean, every seed adds the same to all cells, and what is left varies alike everywhere. It is the
two-way layout without interaction (Montgomery, "Design and Analysis of Experiments", section 4.1).
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from howlow.results.estimates import Estimate

ROUNDING_POINTS = 1e-9
"""Smaller differences come from the arithmetic, and not from the runs."""


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
    value = float(differences(values, first, second).mean())
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


def differences(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The difference of the means of each pair of cells, second minus first: [shape=(n_pairs,)]."""
    means = np.nanmean(values, axis=1)
    return means[second] - means[first]


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
    of_pairs = differences(model.points, first, second)
    spread = (weights * (of_pairs - np.average(of_pairs, weights=weights)) ** 2).sum() / (n_pairs - 1)
    return float(stats.f.sf(spread / variance, n_pairs - 1, model.freedom[cells].sum()))


def _p_of_equal_variances(values: np.ndarray) -> float:
    """The P value of Bartlett's test over the cells that have at least two runs; NaN if it can't be made."""
    rows = [row[~np.isnan(row)] for row in values]
    rows = [row for row in rows if len(row) > 1]
    if len(rows) < 2:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):  # of cells that never vary
        return float(stats.bartlett(*rows).pvalue)
