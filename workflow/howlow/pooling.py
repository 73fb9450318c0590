"""Max-pooling windows of VGG-CNN: the paper's Table III, and an extension of it to inputs of other sizes.

The rule is the same for bands and for frames. Take the row of the table for the largest input that is not larger than
this one. Its first three windows stay, and the last layer's window spans all that is left. A window that is larger than
what is left is cut to it. For all of the paper's 88 inputs this gives the windows of Table III.
"""

from howlow.errors import HowlowError

TIME = {
    137: (4, 5, 4, 1),  # 12 kHz, x10
    182: (4, 5, 9, 1),  # 16 kHz, x10
    274: (4, 5, 8, 1),  # 12 kHz, x5
    342: (4, 5, 8, 2),
    364: (4, 5, 9, 2),
    455: (4, 5, 9, 2),
    456: (4, 5, 8, 2),
    607: (4, 5, 9, 3),
    683: (4, 5, 8, 4),
    910: (4, 5, 9, 5),
    1366: (4, 5, 8, 8),  # 12 kHz, x1
    1820: (4, 5, 9, 10),  # 16 kHz, x1
}
"""Table III: windows in time of the four layers, by number of frames of 29.1 s."""

BANDS = {
    8: (2, 2, 2, 1),
    16: (2, 2, 2, 2),
    24: (2, 2, 3, 2),
    32: (2, 2, 3, 2),
    48: (2, 4, 3, 2),
    96: (2, 4, 3, 4),
    128: (2, 4, 4, 4),
}
"""Table III: windows in frequency of the four layers, by number of mel bands."""

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


def _along(size: int, rows: dict[int, tuple[int, int, int, int]]) -> list[int]:
    row = rows[max((known for known in rows if known <= size), default=min(rows))]
    chosen = []
    for window in row[:3]:
        chosen.append(min(window, size))
        size //= chosen[-1]
    return [*chosen, size]
