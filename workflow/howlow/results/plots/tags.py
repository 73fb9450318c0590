"""A heat map that shows which tags lose ROC AUC at reduced representations."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howlow.names import CELL, FURTHER_AXES, LOG_NAMES, WAYS, fraction, papers_grid
from howlow.networks.registry import NETWORKS
from howlow.results.plots import STYLE, WIDTH_INCHES, title

_RICH_FIRST = ["sample_rate_hz", "n_mels", "hop_factor"]
_CAPTION_STYLE: Any = {"x": 0.01, "ha": "left", "fontsize": 7.5, "wrap": True}


def losses(metrics: pd.DataFrame) -> pd.DataFrame:
    """The loss of ROC AUC of every tag at every representation against the richest one, in points.

    Parameters
    ----------
    metrics : rows with the columns sample_rate_hz, n_mels, hop_factor, log_type, tag and roc_auc, for the test split

    Returns
    -------
    pd.DataFrame, tags by (sample_rate_hz, n_mels, hop_factor), means over seeds and log types. The richest
    representation and the tags that lose most on average come first
    """
    table = 100 * metrics.pivot_table(index="tag", columns=_RICH_FIRST, values="roc_auc", aggfunc="mean")
    table = table.sort_index(axis=1, level=_RICH_FIRST, ascending=[False, False, True])
    lost = -table.sub(table.iloc[:, 0], axis=0)
    return lost.loc[lost.mean(axis=1).sort_values(ascending=False).index]


def further_losses(metrics: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The loss of ROC AUC of every tag at fewer bits, in shorter clips and with narrower networks, in points.

    Each is the mean over all cells that also were trained with the most bits (seconds, width), and against them.

    Parameters
    ----------
    metrics : rows with the columns `CELL`, tag and roc_auc, for the test split

    Returns
    -------
    for each such axis with several values, pd.DataFrame, tags by values, the highest of which is left out
    """
    found = {}
    for axis in FURTHER_AXES:
        if len(set(metrics[axis])) > 1:
            others = [name for name in CELL if name != axis]
            table = 100 * metrics.pivot_table(index=["tag", *others], columns=axis, values="roc_auc", aggfunc="mean")
            table = table.sort_index(axis=1, ascending=False)
            lost = -table.iloc[:, 1:].sub(table.iloc[:, 0], axis=0)
            found[axis] = lost.groupby(level="tag").mean()
    return found


def heatmap(metrics: pd.DataFrame, dataset: str, model: str) -> Figure:
    """Plot losses as colours. A tag's label has its ROC AUC at the richest representation.

    There is a panel for each sample rate, with the cells of the paper's axes, and one for each other axis.

    Parameters
    ----------
    metrics : rows with the columns `CELL`, tag and roc_auc, for the test split
    """
    papers = papers_grid(metrics)
    lost = losses(papers)
    panels = {f"{rate / 1000:g} kHz": lost[rate] for rate in lost.columns.get_level_values("sample_rate_hz").unique()}
    further = {axis: table.loc[lost.index] for axis, table in further_losses(metrics).items()}
    every = [*panels.values(), *further.values()]
    top = max(1.0, float(np.nanpercentile(np.concatenate([table.to_numpy().ravel() for table in every]), 98)))
    with sns.axes_style("white"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(every),
            sharey=True,
            squeeze=False,
            layout="constrained",
            figsize=(WIDTH_INCHES, 1.5 + 0.145 * len(lost)),
            width_ratios=_widths([table.shape[1] for table in every]),
        )
        for axis, table in zip(axes[0], every, strict=True):
            mesh = axis.imshow(table, cmap="rocket_r", vmin=0, vmax=top, aspect="auto", interpolation="nearest")
            sns.despine(ax=axis, left=True, bottom=True)
        for axis, (name, table) in zip(axes[0], panels.items(), strict=False):
            _label_columns(axis, table)
            title(axis, name)
        for axis, (name, table) in zip(axes[0][len(panels) :], further.items(), strict=True):
            axis.set_xticks(range(table.shape[1]), [fraction(float(value)) for value in table.columns])
            axis.tick_params(axis="x", labelrotation=90, labelsize=6, length=0)
            title(axis, name)
        richest = 100 * papers.groupby([*_RICH_FIRST, "tag"])["roc_auc"].mean().loc[lost.columns[0]]
        names = [f"{tag}  {richest[tag]:.0f}" for tag in lost.index]
        axes[0][0].set_yticks(range(len(lost)), names, parse_math=False)  # a tag may have a dollar sign
        bar = figure.colorbar(mesh, ax=axes[0], location="bottom", shrink=0.5, aspect=40, extend="both", pad=0.01)
        bar.set_label("points of ROC AUC below the richest representation")
        figure.suptitle(_caption(papers, lost, further, f"{NETWORKS[model]} on {dataset}"), **_CAPTION_STYLE)
    return figure


def _widths(n_columns: list[int]) -> list[float]:
    """The widths of the panels: by their columns, and wide enough for a title."""
    return [max(number, 0.085 * sum(n_columns)) for number in n_columns]


def _caption(papers: pd.DataFrame, lost: pd.DataFrame, further: dict[str, pd.DataFrame], subject: str) -> str:
    rate, n_mels, hop_factor = lost.columns.to_frame().iloc[0]
    logs = " and ".join(LOG_NAMES[log] for log in sorted(papers["log_type"].unique()))
    text = (
        f"{subject}, {logs}: tags that lose most first; the number beside a tag is its ROC AUC (%) with {n_mels} bands,"
        f" ×{hop_factor}, {rate / 1000:g} kHz"
    )
    if further:
        text += f". At the right: {', '.join(WAYS[axis] for axis in further)}, each against the same cells without it"
    return text


def _label_columns(axis: Axes, lost: pd.DataFrame) -> None:
    """Label columns with hops and groups with numbers of bands, and draw a line between groups."""
    bands = lost.columns.get_level_values("n_mels").to_numpy()
    axis.set_xticks(range(len(bands)), [f"×{hop}" for hop in lost.columns.get_level_values("hop_factor")])
    axis.tick_params(axis="x", labelrotation=90, labelsize=6)
    axis.tick_params(length=0)
    for n_mels in dict.fromkeys(bands):
        inside = np.flatnonzero(bands == n_mels)
        is_narrow = len(inside) == 1 and len(bands) > 12
        axis.annotate(
            str(n_mels),
            (inside.mean(), 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -17),
            textcoords="offset points",
            ha="center",
            va="top",
            fontweight="bold",
            fontsize=5.5 if is_narrow else 7,
            rotation=90 if is_narrow else 0,
        )
        if inside[0]:
            axis.axvline(inside[0] - 0.5, color="white", linewidth=1.5)
    axis.set_xlabel("hop, and mel bands (bold)", labelpad=12)
