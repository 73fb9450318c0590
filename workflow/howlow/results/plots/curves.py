"""Training curves: the losses of every epoch."""

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from howlow.networks.registry import NETWORKS
from howlow.results.plots import BANDS_PALETTE, STYLE, WIDTH_INCHES, title

LOSSES = {"train_loss": "training loss", "val_loss": "validation loss"}


def curves(history: pd.DataFrame, dataset: str, model: str) -> Figure:
    """Plot training and validation loss against epochs, with one line for each cell and seed, coloured by bands.

    Parameters
    ----------
    history : rows with the columns cell, seed, n_mels, epoch, train_loss and val_loss
    """
    bands = sorted(history["n_mels"].unique(), reverse=True)
    colours = dict(zip(bands, sns.color_palette(BANDS_PALETTE, len(bands)), strict=True))
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, layout="constrained", figsize=(WIDTH_INCHES, 2.8))
        for axis, (column, name) in zip(axes, LOSSES.items(), strict=True):
            for (_, _, n_mels), run in history.groupby(["cell", "seed", "n_mels"], sort=False):
                axis.plot(
                    run["epoch"],
                    run[column],
                    color=colours[n_mels],
                    linewidth=0.7,
                    alpha=0.7,
                    marker="." if len(run) < 15 else None,
                    markersize=3,
                )
            title(axis, name)
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            sns.despine(ax=axis)
        axes[0].set_ylabel("binary cross-entropy")
        handles = [plt.Line2D([], [], color=colour, label=f"{n_mels} bands") for n_mels, colour in colours.items()]
        figure.legend(handles=handles, loc="outside right center", frameon=False)
        figure.suptitle(f"{NETWORKS[model]} on {dataset}, every cell and seed", x=0.01, ha="left", fontsize=8)
    return figure
