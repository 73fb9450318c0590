"""The trade-off between accuracy and computation, storage and time, and the recommended representations.

Representations are chosen by their ROC AUC on the validation clips, and reported by that on the test clips. So the
reported figures are not flattered by the choice.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from howlow import names
from howlow.evaluation.resampling import Resampled
from howlow.names import CELL, METRICS
from howlow.networks.registry import NETWORKS
from howlow.results.estimates import UNKNOWN, Estimate, both, of_clips
from howlow.results.linear_model import fit
from howlow.results.selection import from_best
from howlow.results.spread import differs
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
    table = summary[["dataset", "model", *CELL, "n_seeds"]].copy()
    for metric in METRICS:
        table[f"{metric}_percent"] = 100 * summary[f"{metric}_mean"]
        table[f"{metric}_std"] = 100 * summary[f"{metric}_std"]
        table[f"val_{metric}_percent"] = 100 * summary[f"val_{metric}_mean"]
    table = table.join(summary[["gmac", "parameters", "bytes_per_clip"]])
    table = table.merge(times, on=CELL, how="left", validate="one_to_one")
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
    for row, name in enumerate(cells["name"]):
        level = Estimate(means[row], np.sqrt(within / model.n_runs[row]), df) if model.df else UNKNOWN
        of_cell = None if resampled is None else resampled.levels("roc_auc", name)
        bounds = [*_total(level, of_cell, resampled).interval()]
        loss = UNKNOWN
        if chosen is not None and row != chosen:
            error = np.sqrt(model.variance() * (1 / model.n_runs[[row, chosen]]).sum())
            names = [name], [cells["name"][chosen]]
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
    best = table[table["is_chosen"]].iloc[0]
    sentences = [
        f"On the validation clips, {_words(best)} has the best ROC AUC, {best['val_roc_auc_percent']:.2f} %. On the"
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
        sentences.append(f"By {by}, {what} is {_words(row)}{about}")
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
                f"With {limits} of the best one's {COSTS[cost]}, take {_words(chosen)}. {_compared(chosen)}"
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


def _words(row: pd.Series) -> str:
    return names.representation(*row[CELL])


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
