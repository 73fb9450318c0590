"""The parts of docs/real-music.md that compare networks: VGG-CNN of three widths, and MUSICNN with VGG-CNN."""

from itertools import combinations

import numpy as np
import pandas as pd
from real_music_tables import (
    MAIN_WIDTH,
    TAG_STEPS,
    Step,
    Tables,
    estimate,
    markdown,
    name,
    points,
    published_effect,
    step_by_fold,
    width_name,
)
from scipy import stats

from howlow.names import CELL, METRICS, representation

MUSICNN_STEPS: list[Step] = [("n_mels", 128, 96), ("n_mels", 96, 48), ("sample_rate_hz", 16_000, 12_000)]


def musicnn_table(runs: pd.DataFrame) -> str:
    """MUSICNN and VGG-CNN at the representations that both were trained on, and on average over them."""
    found = {metric: of_models(runs, metric) for metric in METRICS}
    cells = next(iter(found["roc_auc"].values())).index
    rows = [[representation(*cell), *_pair(found, [cell])] for cell in cells]
    rows.append(["on average", *_pair(found, list(cells))])
    head = ["representation"]
    for label in METRICS.values():
        head += [f"{label}, % MUSICNN", "VGG-CNN", "difference (95 % interval)"]
    return markdown(head, rows)


def _pair(found: dict[str, dict[str, pd.DataFrame]], cells: list[tuple[object, ...]]) -> list[str]:
    """The means of both networks over some cells and their difference, for each metric."""
    texts = []
    for of_models in found.values():
        musicnn, vgg = (of_models[model].loc[cells].mean().to_numpy() for model in ("musicnn", "vgg"))
        texts += [f"{musicnn.mean():.2f}", f"{vgg.mean():.2f}", points(estimate(musicnn - vgg))]
    return texts


def musicnn_effects_table(tables: Tables) -> str:
    """The average effects of MUSICNN: in the paper, here, and those of VGG-CNN over the same representations."""
    published = tables.published.query("dataset == 'mtat' and model == 'musicnn' and metric == 'roc_auc'")
    published = published[published["log_type"] == "db"]
    found = of_models(tables.runs, "roc_auc")
    rows = []
    for step in MUSICNN_STEPS:
        musicnn, vgg = (step_by_fold(found[model], step) for model in ("musicnn", "vgg"))
        texts = [points(estimate(of_folds)) for of_folds in (musicnn, vgg, musicnn - vgg)]
        rows.append([name(step), f"{published_effect(published, step):+.2f}", *texts])
    return markdown(["step", "the paper, MUSICNN", "MUSICNN", "VGG-CNN", "MUSICNN minus VGG-CNN"], rows)


def of_models(runs: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """For each network, a metric in percent of the cells that both networks have: cells by seeds."""
    narrow = runs[runs["width"] == MAIN_WIDTH]
    tables = {
        model: 100 * narrow[narrow["model"] == model].pivot_table(index=CELL, columns="seed", values=metric)
        for model in ("musicnn", "vgg")
    }
    cells = tables["musicnn"].index.intersection(tables["vgg"].index).sort_values(ascending=False)
    return {model: table.loc[cells] for model, table in tables.items()}


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
        rows.append([width_name(narrow), width_name(wide), f"{r:.2f}", f"{low:.2f} to {high:.2f}", f"{limit:.2f}", gap])
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
    difference = f"{width_name(widths[0])} minus {width_name(widths[-1])}"
    return markdown(["step", *(f"width {width_name(width)}" for width in widths), difference], rows)


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
    vgg = runs[runs["model"] == "vgg"]
    tables = [
        (width, 100 * part.pivot_table(index=CELL, columns="seed", values="roc_auc"))
        for width, part in vgg.groupby("width")
    ]
    cells = sorted(set.intersection(*(set(table.index) for _, table in tables)))
    seeds = sorted(set.intersection(*(set(table.columns) for _, table in tables)))
    return {float(width): table.loc[cells, seeds] for width, table in tables}
