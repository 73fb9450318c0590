"""The recommended representations in sentences, from the table of `howlow.results.tradeoff`."""

import numpy as np
import pandas as pd

from howlow import names
from howlow.networks.registry import NETWORKS
from howlow.results.spread import differs
from howlow.results.tradeoff import COMPUTED, COSTS

BUDGETS_PERCENT = (50, 25, 10)

_BUSY_PERCENT = 10  # of the processors; when other programs used more, the times are said to be uncertain


def recommendations(table: pd.DataFrame, margin_points: float) -> tuple[str, list[str]]:
    """Recommend representations, in a sentence for every cost and one for every budget.

    Parameters
    ----------
    table : the result of `tradeoff`
    margin_points : float, the difference in ROC AUC that counts as none

    Returns
    -------
    heading : str
    sentences : list of str
    """
    heading = f"{NETWORKS[table['model'].iloc[0]]} on {table['dataset'].iloc[0]}"
    if not table["is_chosen"].any():
        return heading, ["No representation can be chosen, because no tag tells the validation clips apart."]
    table = table.assign(words=names.cells(table))
    best = table[table["is_chosen"]].iloc[0]
    sentences = [
        f"On the validation clips, {best['words']} has the best ROC AUC, {best['val_roc_auc_percent']:.2f} %. On the"
        f" test clips it has {_on_test_clips(best)}."
    ]
    if len(table) > 1:
        sentences += _of_tests(table, best, margin_points)
        sentences += _of_means(table, best, margin_points)
        sentences += _of_budgets(table, best)
        sentences += _of_times(table)
    return heading, sentences


def _of_tests(table: pd.DataFrame, best: pd.Series, margin_points: float) -> list[str]:
    """What is shown about the best: which ones it may be, and which others lose less than the margin against it."""
    others = table.drop(best.name)
    if others["from_best_low_points"].isna().any():
        reason = "There is one seed" if best["n_seeds"] == 1 else "The ROC AUC is the same with every seed"
        return [f"{reason}, so nothing was tested: whether another one is as good as the best is not known."]
    n = int(table["may_be_best"].sum())
    which = "it is the best" if n == 1 else f"the best is one of {n}"
    sentences = [
        f"The highest of {len(table)} means is partly luck, so what follows allows for the choice (Hsu's multiple"
        f" comparisons with the best, 95 %): {which}."
    ]
    if others["is_equivalent"].any():
        cheapest = f"the cheapest representation that was shown to lose less than {margin_points:g} points"
        return sentences + _by_cost(table[table["is_equivalent"]], best, cheapest)
    shown = -(others["from_best_low_points"] - others["val_roc_auc_percent"] + best["val_roc_auc_percent"]).max()
    return [
        *sentences,
        f"No other one was shown to lose less than {margin_points:g} points. Even an equal one could only have been"
        f" shown to lose less than {shown:.2f} points, because seeds differ and {len(table)} were compared.",
    ]


def _of_means(table: pd.DataFrame, best: pd.Series, margin_points: float) -> list[str]:
    """Recommendations by the means alone, if these go further than the tests."""
    close = table[table["val_roc_auc_percent"] >= best["val_roc_auc_percent"] - margin_points]
    if not set(close.index) - set(table.index[table["is_equivalent"]]):
        return []
    one_seed = best["n_seeds"] == 1
    by = "ROC AUC with this seed" if one_seed else f"mean ROC AUC over {best['n_seeds']} seeds"
    cheapest = f"the cheapest one whose {'ROC AUC' if one_seed else 'mean'} is within {margin_points:g} points"
    return [
        f"The following is uncertain, because it rests on the {by} on the validation clips alone.",
        *_by_cost(close, best, cheapest),
    ]


def _by_cost(table: pd.DataFrame, best: pd.Series, what: str) -> list[str]:
    """A sentence for each representation that is the cheapest by some costs, which it names."""
    chosen = {cost: _cheapest(table, best, cost) for cost in COSTS}
    sentences = []
    for row in {row.name: row for row in chosen.values() if row is not None}.values():
        costs = [COSTS[cost] for cost, other in chosen.items() if other is not None and other.name == row.name]
        by = "any cost" if len(costs) == len(COSTS) else _listed(costs)
        about = ", the best itself." if row.name == best.name else f": {_shares(row, best)}. {_compared(row)}"
        sentences.append(f"By {by}, {what} is {row['words']}{about}")
    same = [COSTS[cost] for cost, row in chosen.items() if row is None]
    if same:
        sentences.append(
            f"By {_listed(same)}, none is recommended: no measured difference from the best one exceeds the spread."
        )
    return sentences


def _cheapest(table: pd.DataFrame, best: pd.Series, cost: str) -> pd.Series | None:
    """The cheapest representation; of those whose measured times can't be told apart, the most accurate one.

    It is None if none was measured to be cheaper than the best one.
    """
    ordered = table.sort_values([cost, "val_roc_auc_percent"], ascending=[True, False])
    if cost in COMPUTED:
        return ordered.iloc[0]
    if best.name != ordered.index[0] and not differs(ordered.iloc[0], best, cost):
        return None
    alike = ordered[[not differs(row, ordered.iloc[0], cost) for _, row in ordered.iterrows()]]
    return alike.iloc[int(alike["val_roc_auc_percent"].argmax())]


def _of_budgets(table: pd.DataFrame, best: pd.Series) -> list[str]:
    """The best representation within each budget. A cost is within a budget if it is so as it is printed."""
    sentences = []
    for cost in COMPUTED:
        within: dict[int, list[int]] = {}
        shares = (100 * table[cost] / best[cost]).round()
        for budget in BUDGETS_PERCENT:
            affordable = table["val_roc_auc_percent"].where(shares <= budget)
            if affordable.notna().any():
                within.setdefault(int(affordable.argmax()), []).append(budget)
        for row, budgets in within.items():
            limits = _listed([f"{budget} %" for budget in budgets], "or")
            chosen = table.iloc[row]
            sentences.append(
                f"With {limits} of the best one's {COSTS[cost]}, take {chosen['words']}. {_compared(chosen)}"
            )
    return sentences


def _of_times(table: pd.DataFrame) -> list[str]:
    """A warning if other programs disturbed the measurement of times."""
    busy = table["others_percent"].max()
    if not busy > _BUSY_PERCENT:
        return []
    return [
        f"While the times were measured, other programs used up to {busy:.0f} % of the processors, so the times may be"
        " too long."
    ]


def _listed(names: list[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _on_test_clips(row: pd.Series) -> str:
    text = f"{row['roc_auc_percent']:.2f} %"
    if not np.isnan(row["roc_auc_low_percent"]):
        text += f" (95 % interval {row['roc_auc_low_percent']:.2f} to {row['roc_auc_high_percent']:.2f})"
    return text


def _compared(row: pd.Series) -> str:
    """The ROC AUC on the test clips, and its distance from that of the best."""
    loss = row["loss_points"]
    text = f"On the test clips it has {_on_test_clips(row)}, {abs(loss):.2f} points {'more' if loss < 0 else 'less'}"
    if not np.isnan(row["loss_low_points"]):
        low, high = sorted((-row["loss_low_points"], -row["loss_high_points"]))
        text += f" than the best (interval of the difference {low:+.2f} to {high:+.2f})."
        return text
    return f"{text} than the best."


def _shares(row: pd.Series, best: pd.Series) -> str:
    """The costs of a representation in percent of those of the best one."""
    return ", ".join(f"{100 * row[cost] / best[cost]:.0f} % of the {name}" for cost, name in COSTS.items())
