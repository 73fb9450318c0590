"""The trade-off: what accuracy costs in computation, storage and time, and which representation to take."""

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
"""What a representation costs. The first two are computed, the others were measured on one machine."""

BUDGETS_PERCENT = (50, 25, 10)


class TradeoffError(HowlowError):
    """There is nothing to trade off; the message says why."""


def tradeoff(summary: pd.DataFrame, times: pd.DataFrame, runs: pd.DataFrame, margin_points: float) -> pd.DataFrame:
    """Accuracy and all costs of every representation of one model on one dataset.

    Parameters
    ----------
    summary : rows of `summary.csv`
    times : rows of `times.csv`
    runs : rows of `runs.csv`
    margin_points : float, in points of ROC AUC: what counts as no difference

    Returns
    -------
    pd.DataFrame, a row a representation: metrics in percent, `COSTS`, `p_equivalence` (two one-sided t-tests against
    the best representation's ROC AUC), `is_equivalent` (P < 0.05, or itself the best), and for each cost
    `is_pareto_{cost}`: no other representation has a ROC AUC as high for less of it

    Raises
    ------
    TradeoffError
        if no representation has a ROC AUC
    """
    if summary["roc_auc_mean"].isna().all():
        dataset, model = summary[["dataset", "model"]].iloc[0]
        raise TradeoffError(
            f"{model} on {dataset} has no ROC AUC: each tag is one of all test clips, or of none; choose other `tags`"
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
    """Which points no other point beats: none has as high a value for less, or a higher one for as little."""
    order = np.lexsort((-values, costs))
    before = np.maximum.accumulate(np.r_[-np.inf, values[order][:-1]])
    is_best = np.empty(len(costs), bool)
    is_best[order] = values[order] > before
    return is_best


def recommendations(table: pd.DataFrame, margin_points: float) -> tuple[str, list[str]]:
    """Which representation to take: a sentence for every cost, and one for every budget.

    Parameters
    ----------
    table : what `tradeoff` gave

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
                sentences.append(f"With {share} % of the best one's {COSTS[cost]}: {_words(chosen)}, {loss}.")
    return f"{MODELS[best['model']]} on {best['dataset']}", sentences


def _of_tests(table: pd.DataFrame, best: pd.Series, margin_points: float) -> list[str]:
    """What the tests of equivalence with the best representation found, and which of them could not be made."""
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
    """What to take by the means alone, where these go further than the tests."""
    close = table[table["roc_auc_percent"] >= best["roc_auc_percent"] - margin_points]
    if not set(close.index) - set(table.index[table["is_equivalent"]]):
        return []
    one_seed = best["n_seeds"] == 1
    by = "ROC AUC with this seed" if one_seed else f"mean ROC AUC over {best['n_seeds']} seeds"
    value = "ROC AUC" if one_seed else "mean"
    cheapest = f"the cheapest one whose {value} is within {margin_points:g} points of the best's"
    return [f"The following is uncertain, because it is by the {by} alone.", *_by_cost(close, best, cheapest)]


def _by_cost(table: pd.DataFrame, best: pd.Series, what: str) -> list[str]:
    """A sentence for each choice, with all costs by which it is the one."""
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
    """Its costs in percent of the best one's."""
    if row.name == best.name:
        return " the best itself"
    return ",".join(f" {100 * row[cost] / best[cost]:.0f} % of the {name}" for cost, name in COSTS.items())
