"""The trade-off between accuracy and computation, storage and time, and the recommended representations.

Representations are chosen by their ROC AUC on the validation clips, and reported by that on the test clips. So the
reported figures are not flattered by the choice.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from howlow.evaluation.resampling import Resampled
from howlow.names import CELL, METRICS
from howlow.results.estimates import UNKNOWN, Estimate, both, of_clips
from howlow.results.linear_model import fit
from howlow.results.selection import from_best
from howlow.results.steps import matrix

COSTS = {
    "gmac": "GMAC",
    "bytes_per_clip": "stored bytes",
    "extraction_ms": "extraction time",
    "inference_ms_batch_64": "inference time",
    "train_seconds_per_epoch": "training time",
}
"""The costs of a representation. The first two are computed, and the others are measured on one machine."""

COMPUTED = ("gmac", "bytes_per_clip")
BUDGETS_PERCENT = (50, 25, 10)

_BUSY_PERCENT = 10  # of the processors; when other programs used more, the times are said to be uncertain


def tradeoff(
    summary: pd.DataFrame,
    times: pd.DataFrame,
    runs: pd.DataFrame,
    margins: Mapping[str, float],
    resampled: Resampled | None = None,
) -> pd.DataFrame:
    """The accuracy and all costs of every representation of one model on one dataset.

    Parameters
    ----------
    summary : rows of `summary.csv`
    times : rows of `times.csv`
    runs : rows of `runs.csv`
    margins : for each metric, the difference in points that counts as none
    resampled : the metrics on resampled test clips

    Returns
    -------
    pd.DataFrame, one row for each representation. `{metric}_percent` and `{metric}_std` are of the test clips, and
    `val_{metric}_percent` of the validation clips. Then come `COSTS`. Further columns are about ROC AUC:

    - `is_chosen`: it is the best on the validation clips;
    - `from_best_low_points` and `from_best_high_points`: the simultaneous 95 % interval of its distance from the best
      of the others on the validation clips; `may_be_best` and `is_equivalent` follow from it, see
      `howlow.results.selection.from_best`;
    - `is_pareto_{cost}`: on the validation clips, no cheaper representation is as good;
    - `roc_auc_low_percent` and `roc_auc_high_percent`: the 95 % interval on other test clips and with other seeds;
    - `loss_points`, `loss_low_points` and `loss_high_points`: how much less it has than the chosen one on the test
      clips, with the 95 % interval.

    All of them are empty or false if no tag tells the validation clips apart.
    """
    table = summary[["dataset", "model", *CELL, "cell", "n_seeds"]].copy()
    for metric in METRICS:
        table[f"{metric}_percent"] = 100 * summary[f"{metric}_mean"]
        table[f"{metric}_std"] = 100 * summary[f"{metric}_std"]
        table[f"val_{metric}_percent"] = 100 * summary[f"val_{metric}_mean"]
    table = table.join(summary[["gmac", "parameters", "bytes_per_clip"]])
    table = table.merge(times, on="cell", how="left", validate="one_to_one")
    for cost in COSTS:
        table[f"is_pareto_{cost}"] = pareto(table[cost].to_numpy(), table["val_roc_auc_percent"].to_numpy())
    table = _with_choice(table, runs, margins["roc_auc"])
    chosen = int(table["is_chosen"].argmax()) if table["is_chosen"].any() else None
    return table.join(on_test(runs, resampled, chosen))


def pareto(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether no other point beats a point: none has as high a value for less, or a higher one for as little.

    Of equal points, either all are on the front or none. A point without a value is not.
    """
    best = pd.Series(values, dtype=float).groupby(costs).max()  # in the order of the costs
    best_cheaper = best.cummax().shift(fill_value=-np.inf)
    return (values >= best[costs].to_numpy()) & (values > best_cheaper[costs].to_numpy())


def _with_choice(table: pd.DataFrame, runs: pd.DataFrame, margin: float) -> pd.DataFrame:
    values = table["val_roc_auc_percent"]
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if len(table) > 1 and values.notna().all():
        low, high = from_best(fit(matrix(runs, "val_roc_auc")[1]))
    is_chosen = table.index == (values.argmax() if values.notna().all() else -1)
    return table.assign(
        is_chosen=is_chosen,
        from_best_low_points=low,
        from_best_high_points=high,
        may_be_best=high > 0,
        is_equivalent=(low > -margin) | is_chosen,
    )


def on_test(runs: pd.DataFrame, resampled: Resampled | None, chosen: int | None) -> pd.DataFrame:
    """The intervals of each cell's ROC AUC on the test clips, and its distance from the chosen cell with its interval.

    Parameters
    ----------
    runs : rows of `runs.csv` of one experiment
    resampled : the metrics on resampled test clips
    chosen : int, the place of the chosen cell; None if there is none

    Returns
    -------
    pd.DataFrame with a row for each cell, see `tradeoff`
    """
    cells, values = matrix(runs, "roc_auc")
    model = fit(values)
    means = np.nanmean(values, axis=1)
    within = np.nanmean(np.nanvar(values, axis=1, ddof=1)) if model.df else np.nan
    df = (~np.isnan(values)).sum() - len(values)
    rows = []
    for row, name in enumerate(cells["cell"]):
        level = Estimate(means[row], np.sqrt(within / model.n_runs[row]), df) if model.df else UNKNOWN
        of_cell = None if resampled is None else resampled.levels("roc_auc", name)
        bounds = [*_total(level, of_cell, resampled).interval()]
        loss = UNKNOWN
        if chosen is not None and row != chosen:
            error = np.sqrt(model.variance() * (1 / model.n_runs[[row, chosen]]).sum())
            names = [name], [cells["cell"][chosen]]
            apart = None if resampled is None else resampled.differences("roc_auc", *names)
            loss = _total(Estimate(means[chosen] - means[row], error, model.df), apart, resampled)
        rows.append([*bounds, loss.value, *loss.interval()])
    columns = ["roc_auc_low_percent", "roc_auc_high_percent", "loss_points", "loss_low_points", "loss_high_points"]
    return pd.DataFrame(rows, columns=columns)


def _total(of_seeds: Estimate, on_resamples: np.ndarray | None, resampled: Resampled | None) -> Estimate:
    """An estimate with its uncertainty by seeds and by test clips, if both are known."""
    if on_resamples is None or resampled is None or np.isnan(of_seeds.error):
        return of_seeds
    return both(of_seeds, *of_clips(on_resamples, resampled.n_groups), resampled.n_groups)
