"""The paper's Figure 1."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howlow.names import LOG_NAMES, METRICS, deviation
from howlow.networks.registry import NETWORKS
from howlow.results.plots import STYLE, WIDTH_INCHES, title

# Okabe and Ito's blue and vermilion differ in grey, too. Shape and filling also tell the log types apart.
LOG_TYPES: dict[str, dict[str, Any]] = {
    "log": {"color": "#0072B2", "marker": "o", "markerfacecolor": "white"},
    "db": {"color": "#D55E00", "marker": "s"},
}
RATES = {12_000: "#9AA5AD", 16_000: "#3B4A54"}
_GROUP_GAP = 0.9
_DODGE = {"log": -0.13, "db": 0.13}


def figure1(summary: pd.DataFrame) -> Figure:
    """Plot the paper's Figure 1: ROC AUC and PR AUC at each sample rate, and the GMAC of every cell.

    Parameters
    ----------
    summary : rows of `summary.csv` of one dataset and one model

    Returns
    -------
    Figure with a panel for each metric and sample rate, and one for the GMAC; all share the horizontal axis
    """
    summary = summary.sort_values(["n_mels", "hop_factor"], ascending=[False, True])
    places = _places(summary)
    rates = sorted(summary["sample_rate_hz"].unique())
    panels = [(metric, rate) for metric in METRICS for rate in rates]
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(len(panels) + 1, sharex=True, layout="constrained", figsize=(WIDTH_INCHES, 7.6))
        for axis, (metric, rate) in zip(axes, panels, strict=False):
            _draw_metric(axis, summary[summary["sample_rate_hz"] == rate], places, metric)
            title(axis, f"{METRICS[metric]} at {rate / 1000:g} kHz")
        _legend(axes[0])
        for metric in METRICS:  # panels of one metric share their range, to compare sample rates
            _share_range([axis for axis, (of, _) in zip(axes, panels, strict=False) if of == metric])
        _draw_gmac(axes[-1], summary, places)
        title(axes[-1], "Multiply-accumulates of one clip")
        _legend(axes[-1])
        _label_places(axes[-1], places)
        for axis in axes:
            _separate_groups(axis, places)
        figure.align_ylabels()
        dataset, model, n_seeds, n_folds = summary[["dataset", "model", "n_seeds", "n_folds"]].iloc[0]
        figure.suptitle(f"{NETWORKS[model]} on {dataset}: {deviation(n_seeds, n_folds)}", x=0.01, ha="left", fontsize=8)
    return figure


def _places(summary: pd.DataFrame) -> dict[tuple[int, int], float]:
    """The position of each (bands, hop) on the horizontal axis, with a gap between numbers of bands."""
    places: dict[tuple[int, int], float] = {}
    position, previous = 0.0, None
    for n_mels, hop_factor in summary[["n_mels", "hop_factor"]].drop_duplicates().itertuples(index=False):
        if previous is not None:
            position += 1 if n_mels == previous else 1 + _GROUP_GAP
        places[n_mels, hop_factor], previous = position, n_mels
    return places


def _draw_metric(axis: Axes, rows: pd.DataFrame, places: dict[tuple[int, int], float], metric: str) -> None:
    for log_type, marks in LOG_TYPES.items():
        of_type = rows[rows["log_type"] == log_type]
        for number, (_, group) in enumerate(of_type.groupby("n_mels", sort=False)):
            axis.errorbar(
                [places[key] + _DODGE[log_type] for key in _keys(group)],
                100 * group[f"{metric}_mean"],
                100 * group[f"{metric}_std"].fillna(0),  # one seed has no deviation
                label=LOG_NAMES[log_type] if number == 0 else None,
                markersize=3.5,
                linewidth=0.8,
                elinewidth=0.9,
                capsize=1.8,
                **marks,
            )
    axis.set_ylabel(f"{METRICS[metric]} (%)")


def _draw_gmac(axis: Axes, summary: pd.DataFrame, places: dict[tuple[int, int], float]) -> None:
    rates = sorted(summary["sample_rate_hz"].unique())
    width = 0.8 / len(rates)
    for number, rate in enumerate(rates):
        rows = summary[summary["sample_rate_hz"] == rate].drop_duplicates(["n_mels", "hop_factor"])
        offset = (number - (len(rates) - 1) / 2) * width
        axis.bar(
            [places[key] + offset for key in _keys(rows)],
            rows["gmac"],
            width,
            label=f"{rate / 1000:g} kHz",
            color=RATES.get(rate, sns.color_palette("Greys", len(rates) + 2)[number + 1]),
            linewidth=0,
        )
    axis.set_ylabel("GMAC")


def _keys(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return list(rows[["n_mels", "hop_factor"]].itertuples(index=False, name=None))


def _share_range(axes: Sequence[Axes]) -> None:
    bounds = [axis.get_ylim() for axis in axes]
    low, high = min(bound[0] for bound in bounds), max(bound[1] for bound in bounds)
    for axis in axes:
        axis.set_ylim(low, high)


def _legend(axis: Axes) -> None:
    """Draw the legend on the line of the title, where it hides no data."""
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, handletextpad=0.5, borderaxespad=0)


def _label_places(axis: Axes, places: dict[tuple[int, int], float]) -> None:
    """Label the ticks with hops, and each group with its number of bands."""
    axis.set_xticks(list(places.values()), [f"×{hop}" for _, hop in places])
    for n_mels in dict.fromkeys(n_mels for n_mels, _ in places):
        inside = [place for (bands, _), place in places.items() if bands == n_mels]
        axis.annotate(
            f"{n_mels}",
            ((inside[0] + inside[-1]) / 2, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -15),
            textcoords="offset points",
            ha="center",
            va="top",
            fontweight="bold",
        )
    axis.set_xlabel("mel bands (bold) and hop size, in units of 256 samples", labelpad=14)
    axis.set_xlim(min(places.values()) - 0.8, max(places.values()) + 0.8)


def _separate_groups(axis: Axes, places: dict[tuple[int, int], float]) -> None:
    """Draw a thin line between numbers of bands."""
    keys = list(places)
    for before, after in pairwise(keys):
        if before[0] != after[0]:
            axis.axvline((places[before] + places[after]) / 2, color="0.85", linewidth=0.6)
    axis.tick_params(length=0)
    sns.despine(ax=axis, left=True)
