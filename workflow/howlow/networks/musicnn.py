"""MUSICNN, which takes segments of clips: the inputs that fit its filters.

The layers are in `musicnn_layers.py`, because the configuration is checked without importing PyTorch.
"""

from typing import TYPE_CHECKING, Any

from howlow.errors import ShapeError
from howlow.features.representation import Cell
from howlow.networks.keras import BATCH_NORM_MOMENTUM

if TYPE_CHECKING:
    from torch import nn

MIN_BANDS = 3
"""With fewer, the lower of the two kinds of timbre filters would span no band."""

WORKS_ON_SEGMENTS = True

SCORING_MAPS = 1.0
"""Measured: 0.8 to 0.9."""


def build(
    cell: Cell,
    *,
    n_tags: int,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    orientation: str = "intended",
    filters: int = 32,
    segment_frames: int | None = None,
) -> "nn.Module":
    """Build the network, see `howlow.networks.build`.

    The length of the clips does not matter. The width is a factor for the number of filters of every layer after the
    first.

    Parameters
    ----------
    orientation : `intended` or `published`, see `howlow.networks.musicnn_layers.MUSICNN`
    filters : number of temporal filters of each length; the paper's is 32, and 16 for the MSD
    segment_frames : length of the segments; None is 3 s
    """
    from howlow.networks.musicnn_layers import MUSICNN

    segment_frames = segment_frames or cell.segment_frames
    check_filters(cell.n_mels, segment_frames, orientation)
    return MUSICNN(
        cell.n_mels,
        segment_frames,
        n_tags,
        heights=timbre_heights(cell.n_mels),
        orientation=orientation,
        filters=filters,
        width=cell.width,
        batch_norm_momentum=batch_norm_momentum,
    )


def check_frames(cell: Cell, options: dict[str, Any]) -> None:
    """Refuse segments that do not fit the clips, or that the filters do not fit; raises ShapeError."""
    n_frames = cell.n_frames
    segment_frames = options.get("segment_frames") or cell.segment_frames
    if not 2 <= segment_frames <= n_frames:
        raise ShapeError(
            f"MUSICNN needs segments of at least 2 frames and at most the clip's {n_frames}, not {segment_frames}"
        )
    check_filters(cell.n_mels, segment_frames, options.get("orientation", "intended"))


def map_values(cell: Cell, n_frames: int, options: dict[str, Any]) -> float:
    """Number of values in the first layer's maps of one segment."""
    n_filters = 14 * options["filters"] * 1.2  # six shapes of filters; 1.2 covers both orientations
    return n_filters * cell.n_mels * n_frames


def timbre_heights(n_mels: int) -> tuple[int, int]:
    """Number of bands that MUSICNN's two kinds of timbre filters span: 90 % and 40 % of all."""
    return int(0.9 * n_mels), int(0.4 * n_mels)


def check_filters(n_mels: int, segment_frames: int, orientation: str) -> None:
    """Refuse segments that are smaller than MUSICNN's filters.

    With `orientation: published` bands and frames are swapped, so that the filters span frames.

    Raises
    ------
    ShapeError
        if a filter would be empty, or longer than the segment
    """
    tallest, lowest = timbre_heights(n_mels)
    if not lowest:
        raise ShapeError(f"MUSICNN's filters span 40 % of the mel bands, so {n_mels} are too few; use at least 3")
    if orientation == "published" and segment_frames < tallest:
        raise ShapeError(
            f"with orientation: published, MUSICNN's filters span {tallest} frames for {n_mels} mel bands, but a"
            f" segment has only {segment_frames}; use a smaller hop, fewer bands, or a larger segment_frames"
        )
