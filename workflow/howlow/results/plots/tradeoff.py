"""The figure of the trade-off between accuracy and costs."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from howlow.names import FURTHER_AXES, METRICS, WAYS, papers_grid
from howlow.networks.registry import NETWORKS
from howlow.results.plots import AXIS_MARKS, BANDS_PALETTE, STYLE, WIDTH_INCHES, title
from howlow.results.tradeoff import pareto

COSTS = {
    "gmac": "GMAC a clip",
    "bytes_per_clip": "stored kB a clip",
    "extraction_ms": "extraction,\nms a clip",
    "inference_ms_batch_64": "inference,\nms a clip",
    "train_seconds_per_epoch": "training,\ns an epoch",
}
_SCALES = {"bytes_per_clip": 1e-3}
_RINGS = WAYS | {"width": "another width"}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def tradeoff(table: pd.DataFrame) -> Figure:
    """Plot both metrics on the test clips against every cost.

    A line joins the Pareto front of the validation clips, by which representations are chosen. On the test clips it may
    go down.

    Parameters
    ----------
    table : rows of `tradeoff.csv` of one dataset and one model

    Returns
    -------
    Figure with a row for each metric and a column for each cost. Colours show the number of bands, markers the hop,
    and filled markers the highest sample rate. Rings are around cells with other bits, seconds or width than most have
    """
    bands = sorted(table["n_mels"].unique(), reverse=True)
    colours = dict(zip(bands, sns.color_palette(BANDS_PALETTE, len(bands)), strict=True))
    markers = dict(zip(sorted(table["hop_factor"].unique()), _MARKERS, strict=False))
    top_rate = table["sample_rate_hz"].max()
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(METRICS),
            len(COSTS),
            sharex="col",
            sharey="row",
            squeeze=False,
            layout="constrained",
            figsize=(WIDTH_INCHES, 4.6),
        )
        for row, metric in zip(axes, METRICS, strict=True):
            row[0].set_ylabel(f"{METRICS[metric]} (%)")
            for axis, cost in zip(row, COSTS, strict=True):
                costs = table[cost] * _SCALES.get(cost, 1)
                _draw(axis, table, costs, metric, colours, markers, top_rate)
        for axis, name in zip(axes[-1], COSTS.values(), strict=True):
            _label_costs(axis, name)
        figure.legend(
            handles=_legend(colours, markers, table["sample_rate_hz"].unique(), top_rate) + _rings(table),
            loc="outside lower center",
            ncols=6 if _others(table) else 8,
            frameon=False,
            handletextpad=0.3,
            columnspacing=1.0,
        )
        dataset, model = table[["dataset", "model"]].iloc[0]
        title(axes[0][0], f"{NETWORKS[model]} on {dataset}")
    return figure


def _draw(
    axis: Axes,
    table: pd.DataFrame,
    costs: pd.Series,
    metric: str,
    colours: dict[int, tuple[float, float, float]],
    markers: dict[int, str],
    top_rate: int,
) -> None:
    values = table[f"{metric}_percent"]
    front = table[pareto(costs.to_numpy(), table[f"val_{metric}_percent"].to_numpy())].index
    front = costs[front].sort_values().index
    axis.plot(costs[front], values[front], color="0.45", linewidth=0.9, zorder=1)
    if f"{costs.name}_low" in table:  # a measured time
        limits = table[[f"{costs.name}_low", f"{costs.name}_high"]].to_numpy().T
        axis.hlines(values, *limits, color="0.75", linewidth=0.8, zorder=0)
    for row, cost, value in zip(table.to_dict("records"), costs, values, strict=True):
        colour = colours[row["n_mels"]]
        axis.plot(
            cost,
            value,
            markers[row["hop_factor"]],
            color=colour,
            markerfacecolor=colour if row["sample_rate_hz"] == top_rate else "white",
            markeredgewidth=0.8,
            markersize=3.6,
            zorder=2,
        )
    for number, (name, rows) in enumerate(_others(table).items()):
        axis.plot(costs[rows], values[rows], "o", markersize=6 + 2 * number, **_ring(name))
    axis.set_xscale("log")
    sns.despine(ax=axis)


def _others(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The rows with other bits, seconds or width than the grid of the paper's axes has."""
    usual = papers_grid(table)[FURTHER_AXES].iloc[0]
    others = {axis: table[axis] != usual[axis] for axis in FURTHER_AXES}
    return {axis: rows for axis, rows in others.items() if rows.any()}


def _ring(axis: str) -> dict[str, Any]:
    return {"markerfacecolor": "none", "markeredgecolor": AXIS_MARKS[axis][0], "markeredgewidth": 0.7, "zorder": 3}


def _rings(table: pd.DataFrame) -> list[Line2D]:
    """The entries of the legend for the rings."""
    return [Line2D([], [], marker="o", linestyle="", label=_RINGS[axis], **_ring(axis)) for axis in _others(table)]


def _label_costs(axis: Axes, name: str) -> None:
    axis.set_xlabel(name)
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 5 * low else (1, 1.5, 2, 3, 4, 6, 8), numticks=20))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.tick_params(axis="x", labelrotation=60, pad=1)


def _legend(
    colours: dict[int, tuple[float, float, float]], markers: dict[int, str], rates: np.ndarray, top_rate: int
) -> list[Line2D]:
    handles = [Line2D([], [], marker="o", linestyle="", color=c, label=f"{n} bands") for n, c in colours.items()]
    handles += [
        Line2D([], [], marker=marker, linestyle="", color="0.3", label=f"×{hop}") for hop, marker in markers.items()
    ]
    handles += [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            color="0.3",
            markerfacecolor="0.3" if rate == top_rate else "white",
            label=f"{rate / 1000:g} kHz",
        )
        for rate in sorted(rates)
    ]
    return [*handles, Line2D([], [], color="0.45", linewidth=0.9, label="Pareto front of the validation clips")]
