"""Figures, one module each, and what they share. They are readable in print, in grey and by the colour-blind."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howlow import files

WIDTH_INCHES = 7.16
"""The width of two columns of an IEEE page."""

STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.grid.axis": "y",
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "pdf.fonttype": 42,  # fonts embedded as outlines, not as bitmaps
    "svg.fonttype": "none",
}

BANDS_PALETTE = "viridis"
"""The palette for numbers of bands. Its lightness rises evenly, so it also works in grey and for the colour-blind."""

AXIS_MARKS = {
    "n_mels": ("#0072B2", "o"),
    "hop_factor": ("#D55E00", "s"),
    "sample_rate_hz": ("#009E73", "^"),
    "bits": ("#CC79A7", "D"),
    "seconds": ("#E69F00", "v"),
    "width": ("#000000", "P"),
}
"""The colour and the marker of each axis of the grid. The colours are Okabe and Ito's; the markers tell them apart in
grey."""


def save(figure: Figure, *paths: Path) -> None:
    """Save a figure in the format of each file's ending. The same figure gives the same bytes."""
    metadata = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    for path in paths:
        with mpl.rc_context(STYLE), files.whole(path) as beside:
            figure.savefig(beside, format=path.suffix[1:], dpi=200, metadata=metadata.get(path.suffix))


def title(axis: Axes, text: str) -> None:
    """Put a title at the left, where reading starts."""
    axis.set_title(text, loc="left", fontweight="bold", pad=3)
