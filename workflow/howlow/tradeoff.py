"""The trade-off between accuracy and computation, storage and time, and the recommended representations."""

import numpy as np
import pandas as pd

from howlow import words
from howlow.comparison import ALPHA, equivalence_p
from howlow.errors import HowlowError
from howlow.words import CELL, MODELS

COSTS = {
    "gmac": "GMAC",
    "bytes_per_clip": "stored bytes",
    "extraction_ms": "extraction time",
    "inference_ms_batch_64": "inference time",
    "train_seconds_per_epoch": "training time",
}
"""The costs of a representation. The first two are computed, and the others are measured on one machine."""

BUDGETS_PERCENT = (50, 25, 10)


class TradeoffError(HowlowError):
    """There is no trade-off to compute; the message says why."""


def tradeoff(summary: pd.DataFrame, times: pd.DataFrame, runs: pd.DataFrame, margin_points: float) -> pd.DataFrame:
    """The accuracy and all costs of every representation of one model on one dataset.

    Parameters
    ----------
    summary : rows of `summary.csv`
    times : rows of `times.csv`
    runs : rows of `runs.csv`
    margin_points : float, the margin of equivalence in points of ROC AUC

    Returns
    -------
    pd.DataFrame, one row for each representation: metrics in percent, `COSTS`, `p_equivalence` (two one-sided t-tests
    against the best representation's ROC AUC), `is_equivalent` (P < 0.05, or itself the best), and `is_pareto_{cost}`
    for each cost, which says that no cheaper representation has a ROC AUC as high

    Raises
    ------
    TradeoffError
        if no representation has a ROC AUC
    """
    if summary["roc_auc_mean"].isna().all():
        dataset, model = summary[["dataset", "model"]].iloc[0]
        raise TradeoffError(
            f"{model} on {dataset} has no ROC AUC: every tag belongs to all test clips or to none; choose other `tags`"
        )
    table = summary[["dataset", "model", *CELL, "n_seeds"]].copy()
    for metric in ("roc_auc", "pr_auc"):
        table[f"{metric}_percent"] = 100 * summary[f"{metric}_mean"]
        table[f"{metric}_std"] = 100 * summary[f"{metric}_std"]
    table = table.join(summary[["gmac", "parameters", "bytes_per_clip"]])
    table = table.merge(times, on=CELL, how="left", validate="one_to_one")
    of_cell = {cell: 100 * part["roc_auc"].to_numpy() for cell, part in runs.groupby(CELL)}
    cells = list(table[CELL].itertuples(index=False, name=None))
    best = int(table["roc_auc_percent"].argmax())
    table["p_equivalence"] = [equivalence_p(of_cell[cell], of_cell[cells[best]], margin_points) for cell in cells]
    table["is_equivalent"] = (table["p_equivalence"] < ALPHA) | (table.index == best)
    for cost in COSTS:
        table[f"is_pareto_{cost}"] = pareto(table[cost].to_numpy(), table["roc_auc_percent"].to_numpy())
    return table


def pareto(costs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether no other point beats a point: none has as high a value for less, or a higher one for as little."""
    order = np.lexsort((-values, costs))
    before = np.maximum.accumulate(np.r_[-np.inf, values[order][:-1]])
    is_best = np.empty(len(costs), bool)
    is_best[order] = values[order] > before
    return is_best


def recommendations(table: pd.DataFrame, margin_points: float) -> tuple[str, list[str]]:
    """Recommend representations, in a sentence for every cost and one for every budget.

    Parameters
    ----------
    table : the result of `tradeoff`

    Returns
    -------
    heading : str
    sentences : list of str
    """
    best = table.iloc[int(table["roc_auc_percent"].argmax())]
    sentences = [f"The best ROC AUC, {best['roc_auc_percent']:.2f} %, is that of {_words(best)}."]
    others = table.drop(best.name)
    if not others.empty:
        sentences += _of_tests(table, best, margin_points)
        sentences += _of_means(table, best, margin_points)
    for cost in ("gmac", "bytes_per_clip"):
        for share in BUDGETS_PERCENT:
            affordable = table[table[cost] <= share / 100 * best[cost]]
            if not affordable.empty:
                chosen = affordable.iloc[int(affordable["roc_auc_percent"].argmax())]
                loss = f"{best['roc_auc_percent'] - chosen['roc_auc_percent']:.2f} points below the best"
                sentences.append(f"With {share} % of the best one's {COSTS[cost]}, take {_words(chosen)}, {loss}.")
    return f"{MODELS[best['model']]} on {best['dataset']}", sentences


def _of_tests(table: pd.DataFrame, best: pd.Series, margin_points: float) -> list[str]:
    """The results of the tests of equivalence with the best representation, and those that could not be made."""
    others = table.drop(best.name)
    is_tested = others["p_equivalence"].notna()
    if not is_tested.any():
        reason = "There is one seed" if best["n_seeds"] == 1 else "The ROC AUC is the same with every seed"
        return [f"{reason}, so nothing was tested: whether another one is equivalent to the best is not known."]
    sentences = []
    if not is_tested.all():
        sentences.append(
            f"{(~is_tested).sum()} of the {len(others)} others could not be tested: their ROC AUC and the best one's"
            " are the same with every seed."
        )
    within = f"equivalent to the best within {margin_points:g} points (two one-sided t-tests)"
    if not others["is_equivalent"].any():
        return [*sentences, f"No other representation's ROC AUC was shown to be {within}."]
    cheapest = f"the cheapest representation whose ROC AUC is {within}"
    return sentences + _by_cost(table[table["is_equivalent"]], best, cheapest)


def _of_means(table: pd.DataFrame, best: pd.Series, margin_points: float) -> list[str]:
    """Recommendations by the means alone, if these go further than the tests."""
    close = table[table["roc_auc_percent"] >= best["roc_auc_percent"] - margin_points]
    if not set(close.index) - set(table.index[table["is_equivalent"]]):
        return []
    one_seed = best["n_seeds"] == 1
    by = "ROC AUC with this seed" if one_seed else f"mean ROC AUC over {best['n_seeds']} seeds"
    value = "ROC AUC" if one_seed else "mean"
    cheapest = f"the cheapest one whose {value} is within {margin_points:g} points of the best's"
    return [f"The following is uncertain, because it rests on the {by} alone.", *_by_cost(close, best, cheapest)]


def _by_cost(table: pd.DataFrame, best: pd.Series, what: str) -> list[str]:
    """A sentence for each representation that is the cheapest by some costs, which it names."""
    chosen = {cost: _cheapest(table, cost) for cost in COSTS}
    sentences = []
    for row in {row.name: row for row in chosen.values()}.values():
        costs = [COSTS[cost] for cost, other in chosen.items() if other.name == row.name]
        by = "any cost" if len(costs) == len(COSTS) else " and ".join(filter(None, [", ".join(costs[:-1]), costs[-1]]))
        sentences.append(f"By {by}, {what} is {_words(row)}:{_shares(row, best)}.")
    return sentences


def _cheapest(table: pd.DataFrame, cost: str) -> pd.Series:
    return table.sort_values([cost, "roc_auc_percent"], ascending=[True, False]).iloc[0]


def _words(row: pd.Series) -> str:
    return words.representation(*row[CELL])


def _shares(row: pd.Series, best: pd.Series) -> str:
    """The costs of a representation in percent of those of the best one."""
    if row.name == best.name:
        return " the best itself"
    return ",".join(f" {100 * row[cost] / best[cost]:.0f} % of the {name}" for cost, name in COSTS.items())
