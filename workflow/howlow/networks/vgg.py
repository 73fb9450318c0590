"""VGG-CNN, which takes whole clips: its pooling windows, the paper's Table III, and an extension of it to other sizes.

The rule is the same for bands and for frames. Take the row of the table for the largest input that is not larger than
this one. It has the windows of the first three layers, and the last layer's window spans all that is left. A window
that is larger than what is left is cut to it. For all of the paper's 88 inputs this gives the windows of Table III.

The windows are here, and the layers with the max pooling itself in `vgg_layers.py` and `layers.py`, because the
configuration is checked without importing PyTorch.
"""

from typing import TYPE_CHECKING, Any

from howlow.errors import ShapeError
from howlow.features.representation import Cell
from howlow.networks.keras import BATCH_NORM_MOMENTUM

if TYPE_CHECKING:
    from torch import nn

MIN_BANDS = 2
WORKS_ON_SEGMENTS = False
N_FILTERS = (128, 384, 768, 2048)

SCORING_MAPS = 3.2
"""Measured: 2.4 to 3.1."""

TIME = {
    137: (4, 5, 4),  # 12 kHz, x10
    182: (4, 5, 9),  # 16 kHz, x10
    274: (4, 5, 8),  # 12 kHz, x5
    342: (4, 5, 8),
    364: (4, 5, 9),
    455: (4, 5, 9),
    456: (4, 5, 8),
    607: (4, 5, 9),
    683: (4, 5, 8),
    910: (4, 5, 9),
    1366: (4, 5, 8),  # 12 kHz, x1
    1820: (4, 5, 9),  # 16 kHz, x1
}
"""Table III: windows in time of the first three layers, by number of frames of 29.1 s."""

BANDS = {
    8: (2, 2, 2),
    16: (2, 2, 2),
    24: (2, 2, 3),
    32: (2, 2, 3),
    48: (2, 4, 3),
    96: (2, 4, 3),
    128: (2, 4, 4),
}
"""Table III: windows in frequency of the first three layers, by number of mel bands."""

MIN_FRAMES = 20
"""Number of frames that the first two layers pool into one; with fewer, the other layers have nothing to pool."""


def build(
    cell: Cell,
    *,
    n_tags: int,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
) -> "nn.Module":
    """Build the network, see `howlow.networks.build`."""
    from howlow.networks.vgg_layers import VGG

    n_filters = [max(1, round(n * cell.width)) for n in N_FILTERS]
    return VGG(windows(cell.n_mels, cell.n_frames), n_filters, n_tags, batch_norm_momentum)


def check_frames(cell: Cell, options: dict[str, Any]) -> None:
    """Refuse clips with too few frames; raises ShapeError."""
    windows(cell.n_mels, cell.n_frames)


def map_values(cell: Cell, n_frames: int, options: dict[str, Any]) -> float:
    """Number of values in the first layer's maps of one clip."""
    return N_FILTERS[0] * cell.width * cell.n_mels * n_frames


def windows(n_mels: int, n_frames: int) -> list[tuple[int, int]]:
    """(bands, frames) of the pooling window of each of the four layers; the output is always 1 x 1.

    Raises
    ------
    ShapeError
        if there are fewer than `MIN_FRAMES` frames
    """
    if n_frames < MIN_FRAMES:
        raise ShapeError(f"{n_frames} frames are too few for VGG-CNN, which needs at least {MIN_FRAMES}")
    return list(zip(_along(n_mels, BANDS), _along(n_frames, TIME), strict=True))


def _along(size: int, rows: dict[int, tuple[int, int, int]]) -> list[int]:
    row = rows[max((known for known in rows if known <= size), default=min(rows))]
    chosen = []
    for window in row:
        chosen.append(min(window, size))
        size //= chosen[-1]
    return [*chosen, size]
