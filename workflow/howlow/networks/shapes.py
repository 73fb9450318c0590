"""The sizes of input that the mel filters and the networks accept, without building either."""

import math
from typing import Any

from howlow.errors import HowlowError
from howlow.networks import pooling
from howlow.representation import FRAME_SIZE, Representation

_LINEAR_HZ = 200 / 3
"""Width of one mel below 1 kHz on Slaney's scale, in Hz."""


class ShapeError(HowlowError):
    """A network or a filter bank can't be built for an input of this size."""


def max_mel_bands(sample_rate: int) -> int:
    """The largest number of mel bands each of which has a bin of the spectrum: 232 at 12 kHz and 192 at 16 kHz.

    The lowest bands are the narrowest. They span two of n + 1 equal steps in mel, which must be wider than a bin.
    """
    nyquist_hz = sample_rate / 2
    mels = min(nyquist_hz, 1000) / _LINEAR_HZ + 27 * math.log(max(nyquist_hz, 1000) / 1000, 6.4)
    steps = 2 * mels * _LINEAR_HZ / (sample_rate / FRAME_SIZE)
    return math.ceil(steps - 1e-6) - 2


def timbre_heights(n_mels: int) -> tuple[int, int]:
    """Number of bands that MUSICNN's two kinds of timbre filters span: 90 % and 40 % of all."""
    return int(0.9 * n_mels), int(0.4 * n_mels)


def check_bands(model: str, sample_rate: int, n_mels: int) -> None:
    """Refuse a number of mel bands for which there are no filters.

    Raises
    ------
    ShapeError
        if the filter bank or the network can't be built for this number of bands
    """
    fewest, most = 2, max_mel_bands(sample_rate)
    if model == "musicnn":
        fewest = next(n for n in range(2, 10) if min(timbre_heights(n)) > 0)
    if not fewest <= n_mels <= most:
        raise ShapeError(f"{model} at {sample_rate} Hz takes {fewest} to {most} mel bands, not {n_mels}")


def check_frames(model: str, cell: Representation, seconds: float, options: dict[str, Any]) -> None:
    """Refuse representations with too few frames for the network.

    Parameters
    ----------
    model : `vgg` or `musicnn`
    cell : the representation
    seconds : length of the clips
    options : the network's options, such as `segment_frames`

    Raises
    ------
    PoolingError
        if the clips have too few frames for VGG-CNN
    ShapeError
        if the segments don't fit the clips, or MUSICNN's filters don't fit the segments
    """
    n_frames = cell.n_frames(seconds)
    if model == "vgg":
        pooling.windows(cell.n_mels, n_frames)
        return
    segment_frames = options.get("segment_frames") or cell.segment_frames
    if not 2 <= segment_frames <= n_frames:
        raise ShapeError(
            f"MUSICNN needs segments of at least 2 frames and at most the clip's {n_frames}, not {segment_frames}"
        )
    check_filters(cell.n_mels, segment_frames, options.get("orientation", "intended"))


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
