"""Single pairs of representations: do they differ, by how much, and are they equivalent?

The paper compares pairs by an independent-samples t-test (section VIII), and this module repeats it. It adds tests of
equivalence, effect sizes, a correction for multiple comparisons, and the variation between test clips. What a step
costs on average over all pairs is in `howlow.results.effects`, which can show much smaller differences.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd

from howlow.evaluation.resampling import Resampled
from howlow.names import METRICS
from howlow.results.estimates import ALPHA, UNKNOWN, Estimate, add_tests, of_folds, uncertainty
from howlow.results.linear_model import ROUNDING_POINTS
from howlow.results.steps import folds_of, frame, matrix, steps

_FAMILY = ["dataset", "model", "metric", "axis", "from", "to"]


def compare(
    runs: pd.DataFrame,
    margins: Mapping[str, float],
    resampled: Mapping[tuple[str, str], Resampled] | None = None,
    folds: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Compare all pairs of representations that are a step of `howlow.results.steps.steps` apart.

    Parameters
    ----------
    runs : rows of `runs.csv`
    margins : for each metric, the difference in points (hundredths) that counts as none
    resampled : for each dataset and model, the metrics on resampled test clips
    folds : the number of folds of each dataset that has some; pairs are then compared fold by fold

    Returns
    -------
    pd.DataFrame with one row for each pair and metric, in points where the column's name says so, and columns as in
    `howlow.results.effects.average_effects`. `p_seeds` and the limits that end in `_seeds_points` are of the paper's
    t-test, which knows the variation between trainings on these test clips. Holm's correction is among the pairs of one
    question (`from` against `to` on one axis, for one dataset, model and metric). With fewer than two seeds, or without
    any deviation, the columns of the tests are empty.
    """
    rows = []
    for identity, rich, poor, of_fold in _pairs(runs, folds or {}):
        first, second = (side[~np.isnan(side)] for side in (rich, poor))
        of_seeds = difference(first, second) if of_fold is None else of_folds(poor - rich, of_fold)
        of_clips = (resampled or {}).get((identity["dataset"], identity["model"]))
        metric, names = identity["metric"], ([identity["first"]], [identity["second"]])
        row = identity | {"n_seeds": min(len(first), len(second))}
        row |= {"first_percent": first.mean(), "second_percent": second.mean()}
        row |= {"difference_points": second.mean() - first.mean()} | _effect_size(first, second)
        row |= uncertainty(
            of_seeds, second.mean() - first.mean(), of_clips, metric, *names, has_folds=of_fold is not None
        )
        rows.append(row | {"margin_points": margins[metric]})
    if not rows:
        return pd.DataFrame()
    families = frame(rows).groupby(_FAMILY, sort=False)
    return pd.concat([add_tests(family) for _, family in families]).sort_index()


def difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """The difference of two means, second minus first, with the pooled variance of Student's t-test, as in the paper.

    It is `UNKNOWN` with fewer than two runs on a side, or without any deviation.

    Parameters
    ----------
    first, second : np.ndarray [shape=(n_seeds,)]
    """
    if min(len(first), len(second)) < 2 or max(np.ptp(first), np.ptp(second)) < ROUNDING_POINTS:
        return UNKNOWN
    df = len(first) + len(second) - 2
    variance = sum(((side - side.mean()) ** 2).sum() for side in (first, second)) / df
    error = np.sqrt(variance * (1 / len(first) + 1 / len(second)))
    return Estimate(float(second.mean() - first.mean()), float(error), df)


def _pairs(
    runs: pd.DataFrame, folds: Mapping[str, int]
) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray | None]]:
    """What identifies each pair, the runs of both cells in points, those of the richer cell first, and their folds."""
    for (dataset, model), of_experiment in runs.groupby(["dataset", "model"], sort=False):
        of_fold = folds_of(of_experiment, folds.get(str(dataset), 0))
        for metric in METRICS:
            cells, values = matrix(of_experiment, metric)
            for axis, before, after, *rows in steps(cells):
                for first, second in zip(*rows, strict=True):
                    identity: dict[str, Any] = {"dataset": dataset, "model": model, "metric": metric, "axis": axis}
                    identity |= {"from": before, "to": after, "first": cells["cell"][first]}
                    identity |= {"second": cells["cell"][second]}
                    yield identity, values[first], values[second], of_fold


def _effect_size(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Hedges's g of the second against the first, and the limits of its 95 % interval."""
    names = ("hedges_g", "hedges_g_low", "hedges_g_high")
    if difference(first, second) is UNKNOWN:
        return dict.fromkeys(names, np.nan)
    of = [figure for values in (second, first) for figure in (values.mean(), values.std(ddof=1), len(values))]
    g, variance = effectsize_smd(*of)
    low, high = stats.norm.interval(1 - ALPHA, g, np.sqrt(variance))
    return dict(zip(names, (float(g), float(low), float(high)), strict=True))
