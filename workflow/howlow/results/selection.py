"""Which representation is the best, if many were tried?

The highest of many means is partly luck: of 88 equal representations, the one with the highest mean looks better than
it is. Hsu's multiple comparisons with the best gives intervals that hold for all representations at once, whichever of
them looks best (Hsu, "Multiple Comparisons", 1996, chapter 4).
"""

from functools import cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from howlow.results.estimates import ALPHA
from howlow.results.linear_model import Fit

_N_NODES = 100


def from_best(model: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous 95 % intervals for the distance of every cell from the best of the others.

    If the cells do not vary alike, each comparison takes the larger of the common variance and that of its two cells.

    Parameters
    ----------
    model : the model of the runs in points, with at least two cells

    Returns
    -------
    low, high : np.ndarray [shape=(n_cells,)], in points; both are NaN without any deviation between seeds. A cell whose
        `high` is 0 is not the best; one whose `low` is above -margin loses less than the margin against the best
    """
    means = np.nanmean(model.points, axis=1)
    rivals = np.full(len(means), np.argmax(means))
    rivals[rivals[0]] = np.argsort(means, kind="stable")[-2]
    variance = model.variance()
    if not variance > 0:
        return np.full(len(means), np.nan), np.full(len(means), np.nan)
    variances = np.full(len(means), variance)
    if model.p_fair < ALPHA:
        of_cell = model.squares / np.maximum(model.freedom, np.finfo(float).tiny)
        variances = np.maximum(variance, (of_cell + of_cell[rivals]) / 2)
    reach = critical_value(len(means) - 1, model.df) * np.sqrt(
        variances * (1 / model.n_runs + 1 / model.n_runs[rivals])
    )
    distance = means - means[rivals]
    return np.minimum(0, distance - reach), np.maximum(0, distance + reach)


@cache
def critical_value(n_others: int, df: float, level: float = 1 - ALPHA) -> float:
    """The quantile of Dunnett's one-sided test of `n_others` means against one, all of the same number of runs."""
    return float(brentq(lambda value: _probability(value, n_others, df) - level, 0, 100))


def _probability(value: float, n_others: int, df: float) -> float:
    """The probability that no studentized difference from the one exceeds a value, by integration over both normals."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    shares, of_shares = np.polynomial.legendre.leggauss(_N_NODES)
    deviations = np.sqrt(stats.chi2.ppf((shares + 1) / 2, df) / df)
    below = stats.norm.logcdf(np.sqrt(2) * value * deviations[:, None] + nodes) * n_others
    return float(of_shares / 2 @ np.exp(below) @ weights / np.sqrt(2 * np.pi))
