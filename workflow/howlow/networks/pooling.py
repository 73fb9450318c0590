"""Max-pooling windows of VGG-CNN: the paper's Table III, and an extension of it to inputs of other sizes.

The rule is the same for bands and for frames. Take the row of the table for the largest input that is not larger than
this one. It has the windows of the first three layers, and the last layer's window spans all that is left. A window
that is larger than what is left is cut to it. For all of the paper's 88 inputs this gives the windows of Table III.
"""

from howlow.errors import HowlowError

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


class PoolingError(HowlowError):
    """VGG-CNN can't be built for an input of this size."""


def windows(n_mels: int, n_frames: int) -> list[tuple[int, int]]:
    """(bands, frames) of the pooling window of each of the four layers; the output is always 1 x 1.

    Raises
    ------
    PoolingError
        if there are fewer than `MIN_FRAMES` frames
    """
    if n_frames < MIN_FRAMES:
        raise PoolingError(f"{n_frames} frames are too few for VGG-CNN, which needs at least {MIN_FRAMES}")
    return list(zip(_along(n_mels, BANDS), _along(n_frames, TIME), strict=True))


def _along(size: int, rows: dict[int, tuple[int, int, int]]) -> list[int]:
    row = rows[max((known for known in rows if known <= size), default=min(rows))]
    chosen = []
    for window in row:
        chosen.append(min(window, size))
        size //= chosen[-1]
    return [*chosen, size]
