"""A heat map that shows which tags lose ROC AUC at reduced representations."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howlow.names import LOG_NAMES
from howlow.networks.registry import NETWORKS
from howlow.results.plots import STYLE, WIDTH_INCHES, title

_RICH_FIRST = ["sample_rate_hz", "n_mels", "hop_factor"]


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


def heatmap(metrics: pd.DataFrame, dataset: str, model: str) -> Figure:
    """Plot losses as colours, with a panel for each sample rate. A tag's label has its ROC AUC at the richest one."""
    lost = losses(metrics)
    rates = lost.columns.get_level_values("sample_rate_hz").unique()
    widths = [lost[rate].shape[1] for rate in rates]
    top = max(1.0, float(np.nanpercentile(lost, 98)))
    height = 1.5 + 0.145 * len(lost)
    with sns.axes_style("white"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(rates),
            sharey=True,
            squeeze=False,
            layout="constrained",
            figsize=(WIDTH_INCHES, height),
            width_ratios=widths,
        )
        for axis, rate in zip(axes[0], rates, strict=True):
            mesh = axis.imshow(lost[rate], cmap="rocket_r", vmin=0, vmax=top, aspect="auto", interpolation="nearest")
            _label_columns(axis, lost[rate])
            title(axis, f"{rate / 1000:g} kHz")
        richest = 100 * metrics.groupby([*_RICH_FIRST, "tag"])["roc_auc"].mean().loc[lost.columns[0]]
        names = [f"{tag}  {richest[tag]:.0f}" for tag in lost.index]
        axes[0][0].set_yticks(range(len(lost)), names, parse_math=False)  # a tag may have a dollar sign
        bar = figure.colorbar(mesh, ax=axes[0], location="bottom", shrink=0.5, aspect=40, extend="both", pad=0.01)
        bar.set_label("points of ROC AUC below the richest representation")
        rate, n_mels, hop_factor = lost.columns.to_frame().iloc[0]
        logs = " and ".join(LOG_NAMES[log] for log in sorted(metrics["log_type"].unique()))
        figure.suptitle(
            f"{NETWORKS[model]} on {dataset}, {logs}: tags that lose most first; the number beside a tag is its ROC AUC"
            f" (%) with {n_mels} bands, ×{hop_factor}, {rate / 1000:g} kHz",
            x=0.01,
            ha="left",
            fontsize=7.5,
            wrap=True,
        )
    return figure


def _label_columns(axis: Axes, lost: pd.DataFrame) -> None:
    """Label columns with hops and groups with numbers of bands, and draw a line between groups."""
    bands = lost.columns.get_level_values("n_mels").to_numpy()
    axis.set_xticks(range(len(bands)), [f"×{hop}" for hop in lost.columns.get_level_values("hop_factor")])
    axis.tick_params(axis="x", labelrotation=90, labelsize=6)
    axis.tick_params(length=0)
    for n_mels in dict.fromkeys(bands):
        inside = np.flatnonzero(bands == n_mels)
        axis.annotate(
            str(n_mels),
            (inside.mean(), 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -17),
            textcoords="offset points",
            ha="center",
            va="top",
            fontweight="bold",
            fontsize=7,
        )
        if inside[0]:
            axis.axvline(inside[0] - 0.5, color="white", linewidth=1.5)
    axis.set_xlabel("hop, and mel bands (bold)", labelpad=12)
    sns.despine(ax=axis, left=True, bottom=True)
