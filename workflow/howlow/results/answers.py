"""What the statistics say, in sentences that can be quoted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from howlow.names import LOG_NAMES, METRICS, fraction
from howlow.networks.registry import NETWORKS
from howlow.results.estimates import ALPHA
from howlow.results.steps import PAPERS_STEPS

_STEP = ["axis", "from", "to"]
_METHODS = {
    "pooled": "",
    "by cell": " The cells do not vary alike, so the variance of each one was used.",
    "by fold": "",
    "by seed": " The seeds do not agree about this step, so the interval rests on the difference with each seed.",
}
_NAMES = {
    "n_mels": lambda before, after: f"{before} to {after} bands",
    "hop_factor": lambda before, after: f"hop x{before} to x{after}",
    "sample_rate_hz": lambda before, after: f"{before / 1000:g} to {after / 1000:g} kHz",
    "bits": lambda before, after: f"{before} to {after} bits",
    "seconds": lambda before, after: f"{before:g} to {after:g} s",
    "width": lambda before, after: f"width {fraction(before)} to {fraction(after)}",
    "log_type": lambda before, after: f"{LOG_NAMES[before]} to {LOG_NAMES[after]}",
}

Row = dict[Any, Any]
"""A row of a table, by the names of its columns."""


def answers(
    effects: pd.DataFrame, pairs: pd.DataFrame, folds: Mapping[str, int] | None = None
) -> list[tuple[str, list[str]]]:
    """What each step along an axis changes.

    The steps that the paper asks about, such as 96 to 48 bands, come first and in full. If there is none of them, all
    steps along the axes of bands and hops do.

    Parameters
    ----------
    effects : the result of `howlow.results.effects.average_effects`
    pairs : the result of `howlow.results.statistics.compare`
    folds : the number of folds of each dataset that has some

    Returns
    -------
    list of (heading, sentences), one for each model on each dataset
    """
    if effects.empty:
        return [("Nothing to compare", ["No two representations differ in one axis only."])]
    single = dict(iter(pairs.groupby(["dataset", "model", "metric", *_STEP], sort=False)))
    parts = [part for _, part in effects.groupby(["dataset", "model"], sort=False)]
    return [_section(part, single, (folds or {}).get(part["dataset"].iloc[0], 0)) for part in parts]


def _section(effects: pd.DataFrame, single: dict[Any, pd.DataFrame], n_folds: int) -> tuple[str, list[str]]:
    n_seeds = effects["n_seeds"].iloc[0]
    seeds = f"{n_seeds} seeds" if n_seeds > 1 else "one seed, which leaves nothing to test between seeds"
    in_folds = f", each of {n_folds} folds tested with {n_seeds // n_folds} of them" if n_folds else ""
    heading = f"{NETWORKS[effects['model'].iloc[0]]} on {effects['dataset'].iloc[0]}, {seeds}{in_folds}"
    effects = effects.assign(has_folds=n_folds > 0)
    steps = {key: part.to_dict("records") for key, part in effects.groupby(_STEP, sort=False)}
    asked: list[Any] = [key for key in PAPERS_STEPS if key in steps]
    asked = asked or [key for key in steps if key[0] in ("n_mels", "hop_factor")]
    in_full = [_in_full(steps[key], single) for key in asked]
    return heading, in_full + [_in_short(rows) for key, rows in steps.items() if key not in asked]


def _in_full(rows: list[Row], single: dict[Any, pd.DataFrame]) -> str:
    """A step, with all that is known about each metric."""
    texts = [f"{_name(rows[0])}:"]
    for row in rows:
        key = tuple(row[column] for column in ("dataset", "model", "metric", *_STEP))
        change = f"{METRICS[row['metric']]} changes by {row['difference_points']:+.2f} points"
        texts.append(f"{change}{' on average' * (row['n_pairs'] > 1)}{_intervals(row)}.{_METHODS[row['variance']]}")
        texts += filter(None, [_sameness(row), _equivalence(row), _in_pairs(single[key], row["has_folds"])])
    return " ".join(texts)


def _in_short(rows: list[Row]) -> str:
    """A step in one line: the change of each metric, its interval and its P value."""
    clauses = []
    for row in rows:
        known = [name for name in ("", "_seeds", "_clips") if not np.isnan(row[f"low{name}_points"])]
        about = [f"{_limits(row, known[0])}"] if known else []
        about += [f"P = {row['p_holm']:.2g}"] if not np.isnan(row["p_holm"]) else []
        about += [f"equivalent within {row['margin_points']:g}"] if row["is_equivalent"] else []
        within = f" ({', '.join(about)})" if about else ""
        clauses.append(f"{METRICS[row['metric']]} {row['difference_points']:+.2f} points{within}")
    return f"{_name(rows[0])}: {'; '.join(clauses)}."


def _name(row: Row) -> str:
    """A step in words, with the number of pairs that it is an average over."""
    step = _NAMES[row["axis"]](row["from"], row["to"])
    return f"From {step} ({row['n_pairs']} pair{'s' * (row['n_pairs'] > 1)})"


def _limits(row: Row, suffix: str) -> str:
    return f"{row[f'low{suffix}_points']:+.2f} to {row[f'high{suffix}_points']:+.2f}"


def _intervals(row: Row) -> str:
    """The 95 % intervals, with what each of them allows for, and the P value."""
    kinds = {"": "for other seeds and other test clips", "_seeds": "for other seeds", "_clips": "for other test clips"}
    if row["has_folds"]:
        kinds = {"": "for other seeds, folds and test clips", "_clips": "for other test clips"}
    known = {suffix: text for suffix, text in kinds.items() if not np.isnan(row[f"low{suffix}_points"])}
    if "_clips" not in known and "_seeds" in known:
        known.pop("")  # nothing was resampled, so it is the one of the seeds
    parts = [f"{_limits(row, suffix)} {text}" for suffix, text in known.items()]
    if not parts:
        return ""
    p = f"; P = {row['p_holm']:.2g} after Holm's correction" if not np.isnan(row["p_holm"]) else ""
    return f" (95 % interval {', '.join(parts)}{p})"


def _sameness(row: Row) -> str:
    """Whether the change is the same for all pairs."""
    if not row["p_same"] < ALPHA:
        return ""
    return (
        f"It is not the same for all pairs (P = {row['p_same']:.2g}): from {row['smallest_points']:+.2f} to"
        f" {row['largest_points']:+.2f} points."
    )


def _equivalence(row: Row) -> str:
    """Whether the change was shown to be within the margin, and which margin could have been shown."""
    if np.isnan(row["p_equivalence"]):
        return "" if row["n_seeds"] == 1 else "Nothing was tested: no result differs between the seeds."
    if row["is_equivalent"]:
        p = row["p_equivalence_holm"]
        return f"It is within the margin of {row['margin_points']:g} points (two one-sided tests, P = {p:.2g})."
    return (
        f"It was not shown to be within the margin of {row['margin_points']:g} points; the smallest margin that these"
        f" runs could have shown is {row['smallest_margin_points']:.2f} points."
    )


def _in_pairs(pairs: pd.DataFrame, has_folds: bool) -> str:
    """What the paper's test of single pairs says; with folds, it is a test of paired samples."""
    n_tested = int(pairs["p_seeds"].notna().sum())
    if not n_tested or len(pairs) == 1:
        return ""
    n = int((pairs["p_seeds_holm"] < ALPHA).sum())
    tested = f"{n or 'none'} of the {n_tested}"
    if n_tested < len(pairs):
        tested = f"of {n_tested} that could be tested, {n or 'none'}"
    return (
        f"Taken singly, as in the paper, {tested} {'differ' if n > 1 else 'differs'} significantly"
        f" ({'paired ' * has_folds}t-test, smallest P = {pairs['p_seeds'].min():.2g}, after Holm's correction"
        f" {pairs['p_seeds_holm'].min():.2g})."
    )
