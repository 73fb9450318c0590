"""The frontier: the best cell within each budget of computation and of storage, over all axes together.

Cells are chosen by their ROC AUC on the validation clips, and reported by that on the test clips.
"""

from typing import Any

import numpy as np
import pandas as pd

from howlow import names
from howlow.networks.registry import NETWORKS
from howlow.results.exchange import SAVINGS
from howlow.results.tradeoff import COSTS

N_HALVINGS = 8
"""The smallest budget is the richest cell's cost divided by 2 as often."""


def frontier(table: pd.DataFrame) -> pd.DataFrame:
    """The best cell within 1, 1/2, 1/4, ... of the highest cost.

    Parameters
    ----------
    table : the result of `howlow.results.tradeoff.tradeoff`, of one experiment

    Returns
    -------
    pd.DataFrame with a row for each cost and budget that some cell keeps: `cost`, `budget` (a share), `share` (that of
    the chosen cell), `words` (the cell in words), and the columns of the chosen cell in `table`
    """
    table = table.assign(words=names.cells(table))
    rows = []
    for cost in SAVINGS:
        shares = table[cost] / table[cost].max()
        for budget in 0.5 ** np.arange(N_HALVINGS + 1):
            values = table["val_roc_auc_percent"].where(shares <= budget)
            if values.notna().any():
                chosen = int(values.argmax())
                rows.append({"cost": cost, "budget": budget, "share": shares.iloc[chosen], **table.iloc[chosen]})
    return pd.DataFrame(rows)


def to_markdown(table: pd.DataFrame) -> tuple[str, str]:
    """The heading and the text of the frontier of one experiment.

    Parameters
    ----------
    table : the result of `frontier`, of one experiment
    """
    heading = f"{NETWORKS[str(table['model'].iloc[0])]} on {table['dataset'].iloc[0]}"
    parts = [_of_cost(cost, rows) for cost, rows in table.groupby("cost", sort=False)]
    return heading, "\n".join(parts)


def _of_cost(cost: object, rows: pd.DataFrame) -> str:
    name = COSTS[str(cost)]
    lines = [["budget", "cell", name, "ROC AUC, %", "95 % interval", "less than the best cell, points"]]
    lines.append(["---"] * len(lines[0]))
    for _, of_cell in rows.groupby((rows["cell"] != rows["cell"].shift()).cumsum()):
        row = of_cell.iloc[0].to_dict()
        amount = f"{row['gmac']:.3g}" if cost == "gmac" else f"{row['bytes_per_clip']:,}"
        level = f"{row['roc_auc_percent']:.2f}"
        lines.append([
            _budgets(of_cell["budget"].tolist()), row["words"], f"{amount} ({100 * row['share']:.3g} %)", level,
            _interval(row, "roc_auc_low_percent", "roc_auc_high_percent", ".2f"), _lost(row),
        ])  # fmt: skip
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"Within a share of the highest {name}:\n\n{table}"


def _budgets(shares: list[float]) -> str:
    """The budgets for which a cell is the best one: the largest and the smallest."""
    return " to ".join(names.fraction(share) for share in dict.fromkeys((shares[0], shares[-1])))


def _lost(row: dict[Any, Any]) -> str:
    """How much less it has than the best of all cells on the validation clips, with the interval."""
    if row["is_chosen"]:
        return "the best cell"
    interval = _interval(row, "loss_low_points", "loss_high_points", "+.2f")
    return f"{row['loss_points']:+.2f}" + (f" ({interval})" if interval else "")


def _interval(row: dict[Any, Any], low: str, high: str, form: str) -> str:
    return "" if np.isnan(row[low]) else f"{row[low]:{form}} to {row[high]:{form}}"
