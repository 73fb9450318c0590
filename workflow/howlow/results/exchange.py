"""Exchange rates: what each axis costs in accuracy for what it saves, from its richest value on.

The losses are average effects over all pairs of cells that differ on one axis alone, with the intervals of
`howlow.results.effects`. The factors are geometric means over the same pairs.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from howlow.evaluation.resampling import Resampled
from howlow.names import METRICS, WAYS
from howlow.networks.registry import NETWORKS
from howlow.results import effects
from howlow.results.steps import from_richest
from howlow.results.tradeoff import COSTS

SAVINGS = {"gmac": "the computation", "bytes_per_clip": "the storage"}
"""The costs that the figure has a panel for, and that the sentences are about."""

_SHARES = {1: "Halving", 2: "Quartering"}  # by halvings
_KEYS = ["dataset", "model", "axis", "from", "to", "n_pairs"]


def exchange(
    runs: pd.DataFrame,
    costs: pd.DataFrame,
    margins: Mapping[str, float],
    resampled: Mapping[tuple[str, str], Resampled] | None = None,
    folds: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """What each step from the richest value of an axis costs, and what it saves.

    Parameters
    ----------
    runs : rows of `runs.csv`
    costs : for each dataset, model and cell the columns `COSTS`
    margins, resampled, folds : see `howlow.results.effects.average_effects`

    Returns
    -------
    pd.DataFrame with a row for each experiment, axis and value. For each metric it has `{metric}_lost_points` and the
    limits of its 95 % interval, `{metric}_lost_low_points` and `{metric}_lost_high_points`; for each cost the factor by
    which it becomes smaller, `{cost}_factor`
    """
    found = effects.average_effects(runs, margins, resampled, folds, steps_of=from_richest)
    if found.empty:
        return pd.DataFrame(columns=_KEYS)
    parts = []
    for metric in METRICS:
        rows = found[found["metric"] == metric].set_index(_KEYS)
        names = ["difference_points", "high_points", "low_points"]  # a loss has the opposite sign
        lost = -rows[names].set_axis([f"{metric}_lost{end}_points" for end in ("", "_low", "_high")], axis="columns")
        parts.append(lost)
    table = pd.concat(parts, axis="columns").reset_index()
    factors = [_factors(row, runs, costs) for row in table[_KEYS].to_dict("records")]
    return table.join(pd.DataFrame(factors, columns=[f"{cost}_factor" for cost in COSTS]))


def _factors(row: dict[Any, Any], runs: pd.DataFrame, costs: pd.DataFrame) -> list[float]:
    """By which factor each cost becomes smaller, as a geometric mean over the pairs of a step."""
    first, second = _pairs(row, runs)
    of_cell = costs[(costs["dataset"] == row["dataset"]) & (costs["model"] == row["model"])].set_index("cell")
    ratios = of_cell.loc[first, list(COSTS)].to_numpy() / of_cell.loc[second, list(COSTS)].to_numpy()
    return np.exp(np.log(ratios).mean(axis=0)).tolist()


def _pairs(row: dict[Any, Any], runs: pd.DataFrame) -> tuple[list[str], list[str]]:
    of_experiment = runs[(runs["dataset"] == row["dataset"]) & (runs["model"] == row["model"])]
    cells = of_experiment.drop_duplicates("cell").reset_index(drop=True)
    step = next(found for found in from_richest(cells) if (found.axis, found.after) == (row["axis"], row["to"]))
    return cells["cell"][step.first].tolist(), cells["cell"][step.second].tolist()


def lines(table: pd.DataFrame, cost: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The axes that save a cost, each with its rows in the order of the saving.

    The first row is the richest value, which loses nothing. The column `halvings` says how often the cost was halved.

    Parameters
    ----------
    table : rows of `exchange` of one experiment
    """
    for axis, rows in table.groupby("axis", sort=False):
        halvings = np.log2(rows[f"{cost}_factor"])
        if axis in WAYS and (halvings > 0.01).all():
            start = {"to": rows["from"].iloc[0], "halvings": 0.0}
            start |= {f"{metric}_lost{end}_points": 0.0 for metric in METRICS for end in ("", "_low", "_high")}
            ordered = rows.assign(halvings=halvings).sort_values("halvings")
            yield str(axis), pd.concat([pd.DataFrame([start]), ordered], ignore_index=True)


def at(line: pd.DataFrame, halvings: float) -> tuple[float, float, float] | None:
    """The points of ROC AUC lost at a number of halvings and the limits of the interval, on a line between two values.

    Between two values, the limits are interpolated as well, so that the interval is rather too wide than too narrow.
    It is None if the axis does not save so much.

    Parameters
    ----------
    line : rows of one axis, from `lines`
    """
    columns = [f"roc_auc_lost{end}_points" for end in ("", "_low", "_high")]
    for (_, before), (_, after) in pairwise(line.iterrows()):
        if before["halvings"] <= halvings <= after["halvings"] * (1 + 1e-3):
            share = min(1.0, (halvings - before["halvings"]) / (after["halvings"] - before["halvings"]))
            lost, low, high = ((1 - share) * before[name] + share * after[name] for name in columns)
            return float(lost), float(low), float(high)
    return None


def with_most_axes(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the experiment with the most axes, which the figure shows; of equal ones, the first."""
    groups = [rows for _, rows in table.groupby(["dataset", "model"], sort=False)]
    return max(groups, key=lambda rows: len(set(rows["axis"]) & set(WAYS)), default=table)


def sentences(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """What halving and quartering the computation and the storage cost along each axis, the cheapest first.

    Returns
    -------
    list of (heading, sentences), one for each model on each dataset
    """
    if table.empty:
        return [("Nothing to exchange", ["No two cells differ in one axis only."])]
    return [
        (f"{NETWORKS[str(model)]} on {dataset}", list(_of_experiment(rows)))
        for (dataset, model), rows in table.groupby(["dataset", "model"], sort=False)
    ]


def _of_experiment(table: pd.DataFrame) -> Iterator[str]:
    for cost, what in SAVINGS.items():
        for halvings, share in _SHARES.items():
            found = {axis: at(line, halvings) for axis, line in lines(table, cost)}
            ways = sorted((lost, WAYS[axis]) for axis, lost in found.items() if lost is not None)
            texts = [f"by {way} ({_points(lost)})" for lost, way in ways]
            if len(texts) > 1:
                yield f"{share} {what} costs least {', then '.join(texts)}."
            elif texts:
                yield f"{share} {what} is possible {texts[0]} alone."


def _points(lost: tuple[float, float, float]) -> str:
    value, low, high = lost
    interval = "" if np.isnan(low) else f", 95 % interval {low:z.1f} to {high:z.1f}"
    return f"{value:z.1f} points{interval}"
