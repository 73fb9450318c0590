"""The figure of the exchange rates: points lost against halvings of the computation and of the storage."""

from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MultipleLocator

from howlow.names import WAYS, fraction
from howlow.networks.registry import NETWORKS
from howlow.results.exchange import SAVINGS, lines
from howlow.results.plots import AXIS_MARKS, STYLE, WIDTH_INCHES, title

# In points from the marker, so that axes with values at the same place can be read.
_LABELS_AT = {"n_mels": (0, 10), "seconds": (0, 9), "bits": (2, -9), "width": (3, -9)}
_TITLES = {"gmac": "Computation (GMAC a clip)", "bytes_per_clip": "Storage (bytes a clip)"}


def exchange(table: pd.DataFrame) -> Figure:
    """Plot the points of ROC AUC lost along each axis against how often the computation and the storage are halved.

    Parameters
    ----------
    table : the result of `howlow.results.exchange.exchange`, of one experiment
    """
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(SAVINGS), sharey=True, layout="constrained", figsize=(WIDTH_INCHES, 3.9))
        for axis, cost in zip(axes, SAVINGS, strict=True):
            _draw(axis, table, cost)
            title(axis, _TITLES[cost])
        axes[0].set_ylabel("points of ROC AUC lost")
        handles: dict[str, Any] = {}
        for axis in axes:
            handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, frameon=False)
        text = "Nothing to show: no two cells differ in one axis only"
        for dataset, model in table[["dataset", "model"]].head(1).itertuples(index=False):
            text = f"{NETWORKS[model]} on {dataset}: what each way to save costs; bands are 95 % intervals"
        figure.suptitle(text, x=0.01, ha="left", fontsize=8)
    return figure


def _draw(axis: Axes, table: pd.DataFrame, cost: str) -> None:
    axis.axhline(0, color="0.6", linewidth=0.8)
    for name, line in lines(table, cost):
        colour, marker = AXIS_MARKS[name]
        axis.fill_between(
            line["halvings"],
            line["roc_auc_lost_low_points"],
            line["roc_auc_lost_high_points"],
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
        axis.plot(
            line["halvings"],
            line["roc_auc_lost_points"],
            color=colour,
            marker=marker,
            markersize=3.5,
            linewidth=1.1,
            label=f"{WAYS[name]}, from {_value(name, line['to'].iloc[0])}",
        )
        for place, lost, value in line[["halvings", "roc_auc_lost_points", "to"]].iloc[1:].itertuples(index=False):
            axis.annotate(
                _value(name, value),
                (place, lost),
                xytext=_LABELS_AT.get(name, (3, 4)),
                textcoords="offset points",
                ha="center" if name in ("n_mels", "seconds") else "left",
                color=colour,
                fontsize=5.5,
                path_effects=[withStroke(linewidth=1.2, foreground="white")],
                zorder=3,
            )
    axis.xaxis.set_major_locator(MultipleLocator(1))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda halvings, _: fraction(0.5**halvings)))
    axis.set_xlabel("share of the cost")
    sns.despine(ax=axis, left=True)


def _value(axis: str, value: float) -> str:
    if axis == "hop_factor":
        return f"×{value:g}"
    if axis == "sample_rate_hz":
        return f"{value / 1000:g} kHz"
    return {"seconds": f"{value:g} s", "width": fraction(value)}.get(axis, f"{value:g}")
