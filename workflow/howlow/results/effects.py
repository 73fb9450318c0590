"""The average effect of a step along an axis, such as from 96 to 48 bands, over all pairs of cells that it separates.

The linear model of `howlow.results.linear_model` gives it. Where the runs contradict the model, the interval does
without the refuted assumption. The model knows the variation between trainings. That between test clips comes from
`howlow.evaluation.resampling`.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from howlow.evaluation.resampling import Resampled
from howlow.names import METRICS
from howlow.results import linear_model
from howlow.results.estimates import ALPHA, UNKNOWN, add_tests, of_folds, uncertainty
from howlow.results.steps import Step, experiment_of, folds_of, frame, matrix, steps


def margins(spec: Mapping[str, float]) -> dict[str, float]:
    """The margin of each metric in points, from the settings of the statistics."""
    return {"roc_auc": spec["margin_points"], "pr_auc": spec["pr_auc_margin_points"]}


def average_effects(
    runs: pd.DataFrame,
    margins: Mapping[str, float],
    resampled: Mapping[tuple[str, str], Resampled] | None = None,
    folds: Mapping[str, int] | None = None,
    steps_of: Callable[[pd.DataFrame], Iterable[Step]] = steps,
) -> pd.DataFrame:
    """The average effect of each step along each axis, for each experiment and metric.

    Parameters
    ----------
    runs : rows of `runs.csv`
    margins : for each metric, the difference in points that counts as none
    resampled : for each dataset and model, the metrics on resampled test clips
    folds : the number of folds of each dataset that has some
    steps_of : gives the steps between the cells of an experiment

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
            steps_of,
        )
        for _, of_experiment in runs.groupby(["dataset", "model"], sort=False)
        for metric in METRICS
    ]
    tested = [add_tests(part.assign(margin_points=part["metric"].map(margins))) for part in parts if not part.empty]
    return pd.concat(tested, ignore_index=True) if tested else pd.DataFrame()


def _of_metric(
    runs: pd.DataFrame,
    metric: str,
    resampled: Resampled | None,
    folds: np.ndarray | None,
    steps_of: Callable[[pd.DataFrame], Iterable[Step]],
) -> pd.DataFrame:
    cells, values = matrix(runs, metric)
    if np.isnan(values).all():
        return pd.DataFrame()
    model = linear_model.fit(values)
    dataset, network = experiment_of(runs)
    identity = {"dataset": dataset, "model": network, "metric": metric}
    rows = []
    for axis, before, after, first, second in steps_of(cells):
        p_seeds_alike = linear_model.p_of_seeds(model, first, second)
        method = "by seed" if p_seeds_alike < ALPHA else "by cell" if model.p_fair < ALPHA else "pooled"
        of_seeds = linear_model.step(model, first, second, method) if model.df else UNKNOWN
        if folds is not None:
            method, of_seeds = "by fold", of_folds(linear_model.by_seed(model.points, first, second), folds)
        differences = linear_model.differences(model.points, first, second)
        row: dict[str, object] = identity | {"axis": axis, "from": before, "to": after}
        row |= {"n_pairs": len(first), "n_seeds": int(model.n_runs.min()), "difference_points": differences.mean()}
        row |= {"smallest_points": differences.min(), "largest_points": differences.max()}
        row |= {
            "p_same": linear_model.p_of_pairs(model, first, second),
            "p_seeds_alike": p_seeds_alike,
            "variance": method,
        }
        names = [cells["cell"][rows_of_side].tolist() for rows_of_side in (first, second)]
        rows.append(
            row
            | uncertainty(
                of_seeds, differences.mean(), resampled, metric, names[0], names[1], has_folds=folds is not None
            )
        )
    return frame(rows) if rows else pd.DataFrame()
