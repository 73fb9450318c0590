"""Statistics: do two representations differ, by how much, and are they equivalent?

The paper uses an independent-samples t-test (section VIII). This module adds tests of equivalence, effect sizes, a
correction for multiple comparisons, and a bootstrap over the test clips, which also works with a single seed.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

from howlow.representation import Representation
from howlow.words import CELL, METRICS, MODELS

AXES = {"n_mels": "mel bands", "hop_factor": "hop", "sample_rate_hz": "sample rate", "log_type": "log type"}
"""The axes along which representations are compared, and their names in words."""

PAPERS_QUESTIONS = [("n_mels", 96, 48), ("hop_factor", 1, 2)]
ALPHA = 0.05
N_RESAMPLES = 500

_RICH_FIRST = {"n_mels": False, "hop_factor": True, "sample_rate_hz": False, "log_type": True}  # ascending?
_FAMILY = ["dataset", "model", "metric", "axis", "from", "to"]


def compare(runs: pd.DataFrame, margin_points: float) -> pd.DataFrame:
    """Compare all pairs of representations that differ in one axis only and have neighbouring values on it.

    Parameters
    ----------
    runs : rows of `runs.csv`
    margin_points : float, in points (hundredths) of the metric; a smaller difference counts as none

    Returns
    -------
    pd.DataFrame with one row for each pair and metric, in points where the column's name says so. `p` is that of the
    t-test and `p_equivalence` that of two one-sided tests. Both are also given after Holm's correction among the pairs
    of one question (`from` against `to` on one axis, for one dataset, model and metric). With fewer than two seeds, or
    without any deviation, the columns of the tests are empty.
    """
    rows = [
        _row(cells, axis, values, metric, margin_points)
        for _, cells in runs.groupby(["dataset", "model"], sort=False)
        for axis in AXES
        for values in _pairs(cells, axis)
        for metric in METRICS
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    for p in ("p", "p_equivalence"):
        position = list(table.columns).index(p) + 1
        table.insert(position, f"{p}_holm", table.groupby(_FAMILY)[p].transform(_holm))
    table["is_different"] = table["p_holm"] < ALPHA
    table["is_equivalent"] = table["p_equivalence_holm"] < ALPHA
    return table


def equivalence_p(first: np.ndarray, second: np.ndarray, margin: float) -> float:
    """The P value of two one-sided t-tests that the means differ by less than `margin`; NaN if they can't be tested."""
    if min(len(first), len(second)) < 2 or not first.std() + second.std():
        return np.nan
    return float(ttost_ind(first, second, -margin, margin)[0])


def bootstrap(labels: np.ndarray, scores: np.ndarray, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """The macro ROC AUC of one run on resampled test clips. All runs on the same clips get the same resamples.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    scores : np.ndarray [shape=(n_clips, n_tags)]

    Returns
    -------
    np.ndarray [shape=(n_resamples,)]
    """
    n_clips = len(labels)

    def statistic(indices: np.ndarray, axis: int) -> np.ndarray:
        chosen = np.atleast_2d(indices).astype(int)
        counts = np.stack([np.bincount(row, minlength=n_clips) for row in chosen]).astype(np.float32)
        areas = [_roc_auc(truth, score, counts) for truth, score in zip(labels.T, scores.T, strict=True)]
        return np.nanmean(areas, axis=0).reshape(indices.shape[:-1])

    with np.errstate(invalid="ignore"):  # tags without positives in a resample are left out
        result = stats.bootstrap(
            (np.arange(n_clips),),
            statistic,
            n_resamples=n_resamples,
            batch=100,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    return result.bootstrap_distribution


def add_bootstrap(table: pd.DataFrame, resampled: dict[tuple[str, str, str], np.ndarray]) -> pd.DataFrame:
    """Add the bootstrap's 95 % interval of the difference in ROC AUC to a table of `compare`.

    Parameters
    ----------
    resampled : the results of `bootstrap` for one seed, by dataset, model and cell name
    """
    bounds = np.full((len(table), 2), np.nan)
    for number, row in enumerate(table.to_dict("records")):
        first, second = ((row["dataset"], row["model"], row[side]) for side in ("first", "second"))
        if row["metric"] == "roc_auc" and first in resampled:
            bounds[number] = 100 * np.nanpercentile(resampled[second] - resampled[first], [2.5, 97.5])
    return table.assign(bootstrap_low_points=bounds[:, 0], bootstrap_high_points=bounds[:, 1])


def answers(table: pd.DataFrame, margin_points: float) -> list[tuple[str, list[str]]]:
    """Answer the paper's two questions, 96 against 48 bands and x1 against x2, in sentences that can be quoted.

    If the table has neither question, every question about bands and hops is answered.

    Returns
    -------
    list of (heading, sentences), one for each model on each dataset
    """
    if table.empty:
        return [("Nothing to compare", ["No two representations differ in one axis only."])]
    asked = table[table["axis"].isin(["n_mels", "hop_factor"])]
    is_papers = [key in PAPERS_QUESTIONS for key in zip(asked["axis"], asked["from"], asked["to"], strict=True)]
    chosen = asked[is_papers] if any(is_papers) else asked
    sections = []
    for _, of_experiment in chosen.groupby(["dataset", "model"], sort=False):
        dataset, model, n_seeds = of_experiment[["dataset", "model", "n_seeds"]].iloc[0]
        families = [family for _, family in of_experiment.groupby(["axis", "from", "to"], sort=False)]
        sentences = [_sentence(family, margin_points) for family in families]
        seeds = f"{n_seeds} seeds" if n_seeds > 1 else "one seed, which leaves nothing to test between seeds"
        sections.append((f"{MODELS[model]} on {dataset}, {seeds}", sentences))
    return sections


def _pairs(cells: pd.DataFrame, axis: str) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The runs of each two neighbouring cells that differ in this axis alone, those of the richer cell first."""
    others = [key for key in CELL if key != axis]
    for _, group in cells.groupby(others, sort=False):
        values = sorted(group[axis].unique(), reverse=not _RICH_FIRST[axis])
        for before, after in pairwise(values):
            yield group[group[axis] == before], group[group[axis] == after]


def _row(
    cells: pd.DataFrame, axis: str, pair: tuple[pd.DataFrame, pd.DataFrame], metric: str, margin_points: float
) -> dict[str, object]:
    first, second = (100 * runs[metric].to_numpy() for runs in pair)
    n_seeds = min(len(first), len(second))
    is_testable = n_seeds > 1 and first.std() + second.std() > 0
    test = stats.ttest_ind(second, first) if is_testable else None
    low, high = test.confidence_interval() if test else (np.nan, np.nan)
    g, g_low, g_high = _effect_size(first, second) if is_testable else (np.nan,) * 3
    return {
        "dataset": cells["dataset"].iloc[0],
        "model": cells["model"].iloc[0],
        "metric": metric,
        "axis": axis,
        "from": pair[0][axis].iloc[0],
        "to": pair[1][axis].iloc[0],
        "first": _name(pair[0]),
        "second": _name(pair[1]),
        "n_seeds": n_seeds,
        "first_percent": first.mean(),
        "second_percent": second.mean(),
        "difference_points": second.mean() - first.mean(),
        "low_points": low,
        "high_points": high,
        "t": test.statistic if test else np.nan,
        "p": test.pvalue if test else np.nan,
        "hedges_g": g,
        "hedges_g_low": g_low,
        "hedges_g_high": g_high,
        "margin_points": margin_points,
        "p_equivalence": equivalence_p(first, second, margin_points),
    }


def _name(runs: pd.DataFrame) -> str:
    return Representation(*runs[CELL].iloc[0]).name


def _effect_size(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Hedges's g of the second against the first, and the limits of its 95 % interval."""
    of = [figure for values in (second, first) for figure in (values.mean(), values.std(ddof=1), len(values))]
    g, variance = effectsize_smd(*of)
    low, high = stats.norm.interval(1 - ALPHA, g, np.sqrt(variance))
    return float(g), float(low), float(high)


def _holm(p: pd.Series) -> np.ndarray:
    corrected = np.full(len(p), np.nan)
    known = p.notna().to_numpy()
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected


def _roc_auc(truth: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The ROC AUC of one tag on each resample. `counts` says how often a clip is in it: (n_resamples, n_clips)."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])  # clips with equal scores are counted together
    positive, negative = (
        np.add.reduceat(counts[:, order] * mask, starts, axis=1) for mask in (truth[order], ~truth[order])
    )
    below = np.cumsum(negative, axis=1) - negative / 2
    return (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))


def _sentence(family: pd.DataFrame, margin_points: float) -> str:
    axis, before, after = family[["axis", "from", "to"]].iloc[0]
    what = f"{before} against {after} bands" if axis == "n_mels" else f"hop x{before} against x{after}"
    clauses = [_clause(name, family[family["metric"] == metric]) for metric, name in METRICS.items()]
    roc_auc = family[family["metric"] == "roc_auc"]
    pairs = f"{len(roc_auc)} pairs" if len(roc_auc) > 1 else "one pair"
    return f"{what.capitalize()}, {pairs}: {'; '.join(clauses)}.{_equivalence(roc_auc, margin_points)}"


def _equivalence(pairs: pd.DataFrame, margin_points: float) -> str:
    """A sentence that says whether the ROC AUC of the pairs is equivalent."""
    n_tested = int(pairs["p_equivalence"].notna().sum())
    if not n_tested:
        return "" if pairs["n_seeds"].iloc[0] == 1 else " Nothing was tested: no ROC AUC differs between the seeds."
    n = int(pairs["is_equivalent"].sum())
    which = f"{n or 'None'} of the {len(pairs)} pairs {'were' if n > 1 else 'was'} shown"
    if len(pairs) == 1:
        which = f"The pair was {'' if n else 'not '}shown"
    text = (
        f" {which} to be equivalent in ROC AUC within {margin_points:g} points (two one-sided t-tests, Holm-corrected"
    )
    text += f" P < {ALPHA})."
    if n_tested < len(pairs):
        text += f" {len(pairs) - n_tested} could not be tested: the ROC AUC is the same with every seed."
    return text


def _clause(name: str, pairs: pd.DataFrame) -> str:
    differences = pairs["difference_points"]
    text = f"{name} changes by {differences.mean():+.2f} points"
    if len(pairs) > 1:
        text += f" on average ({differences.min():+.2f} to {differences.max():+.2f})"
    n_tested = int(pairs["p"].notna().sum())
    if n_tested:
        n = int(pairs["is_different"].sum())
        tested = "pairs" if n_tested == len(pairs) else "that could be tested"
        found = f"{n or 'none'} of the {n_tested} {tested} {'differ' if n > 1 else 'differs'} significantly"
        p = "smallest P"
        if len(pairs) == 1:
            found, p = f"the difference is {'' if n else 'not '}significant", "P"
        text += f", and {found} (independent-samples t-test, {p} = {pairs['p'].min():.3g}, after"
        text += f" Holm's correction {pairs['p_holm'].min():.3g})"
    return text
