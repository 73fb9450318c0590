"""The parts of docs/real-music.md that compare networks of several widths."""

from itertools import combinations

import numpy as np
import pandas as pd
from real_music_tables import (
    TAG_STEPS,
    as_stored,
    estimate,
    markdown,
    name,
    points,
    step_by_fold,
)
from scipy import stats

from howlow.names import PAPERS_CELL, fraction


def widths_table(runs: pd.DataFrame) -> str:
    """How alike two widths rank the representations that both were trained on."""
    found = of_widths(runs)
    rows = []
    for narrow, wide in combinations(sorted(found), 2):
        means = [found[width].mean(axis="columns") for width in (narrow, wide)]
        r = stats.spearmanr(*means).statistic
        low, high = spearman_interval(r, len(means[0]))
        limit = np.sqrt(np.prod([reliability(found[width]) for width in (narrow, wide)]))
        gap = f"{means[1].mean() - means[0].mean():+.2f}"
        rows.append([fraction(narrow), fraction(wide), f"{r:.2f}", f"{low:.2f} to {high:.2f}", f"{limit:.2f}", gap])
    head = ["narrow", "wide", "rank correlation", "95 % interval", "to be expected of equal ranks", "wide minus narrow"]
    return markdown(head, rows)


def width_effects_table(runs: pd.DataFrame) -> str:
    """The average effects by width, over the representations that all widths were trained on."""
    found = of_widths(runs)
    widths = sorted(found)
    rows = []
    for step in TAG_STEPS:
        by_fold = {width: step_by_fold(found[width], step) for width in widths}
        texts = [points(estimate(by_fold[width])) for width in widths]
        rows.append([name(step), *texts, points(estimate(by_fold[widths[0]] - by_fold[widths[-1]]))])
    difference = f"{fraction(widths[0])} minus {fraction(widths[-1])}"
    return markdown(["step", *(f"width {fraction(width)}" for width in widths), difference], rows)


def reliability(values: pd.DataFrame) -> float:
    """The share of the variance of the cells' means that a repetition would have, too.

    It is that of a two-way layout without interaction: 1 - residual mean square / mean square of the cells (Hoyt, "Test
    reliability estimated by analysis of variance", 1941).

    Parameters
    ----------
    values : a row for each cell, and a column for each seed
    """
    table = values.to_numpy()
    residuals = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    of_cells = table.shape[1] * table.mean(1).var(ddof=1)
    return max(0.0, 1 - (residuals**2).sum() / df / of_cells)


def spearman_interval(r: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a rank correlation (Bonett and Wright, "Sample size requirements for [...]", 2000)."""
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + r**2 / 2) / (n - 3))
    return float(np.tanh(np.arctanh(r) - reach)), float(np.tanh(np.arctanh(r) + reach))


def of_widths(runs: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """For each width of VGG-CNN, ROC AUC in percent of the cells and seeds that all widths have: cells by seeds."""
    runs = as_stored(runs)
    vgg = runs[runs["model"] == "vgg"]
    tables = [
        (width, 100 * part.pivot_table(index=PAPERS_CELL, columns="seed", values="roc_auc"))
        for width, part in vgg.groupby("width")
    ]
    cells = sorted(set.intersection(*(set(table.index) for _, table in tables)))
    seeds = sorted(set.intersection(*(set(table.columns) for _, table in tables)))
    return {float(width): table.loc[cells, seeds] for width, table in tables}
