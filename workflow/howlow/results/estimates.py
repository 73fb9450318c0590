"""Differences with their uncertainty: between trainings, between test clips, and between folds; and tests of them."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from howlow.evaluation.resampling import Resampled
from howlow.results.corrections import holm

ALPHA = 0.05

POWER = 0.8

_N_NODES = 200  # of the integration over the distribution of standard errors


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
