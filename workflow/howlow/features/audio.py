"""Turns audio files into clips: a file is decoded, mixed to mono, cropped to its centre and resampled."""

from collections import deque
from collections.abc import Iterable, Iterator
from math import ceil, gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from howlow.features.decoders import AudioError, Source, open_audio
from howlow.features.representation import CLIP_SECONDS, n_samples

RESAMPLER = "HQ"
"""The quality that soxr resamples with. It is LibROSA's default (`soxr_hq`): 20 bits, and a passband up to 91 % of the
Nyquist frequency."""

MAX_SAMPLES = 3600 * 48_000
"""The largest number of decoded samples: an hour at 48 kHz. A longer file is refused.

To cut a clip out, at most half of the samples are held in memory, which is 346 MB.
"""

MAX_LEVEL = 2.0**31
"""The largest sample that is taken for sound; full scale is 1.

A program that forgets to scale integers of 32 bits writes samples up to this value. Their power stays finite at every
sample rate and in every compression, because float32 overflows only at samples of some 1e14.
"""

# The resampler's filter settles in this part of the signal on either side of the crop.
_MARGIN_S = 0.1
# Encoders pad less than this. A file that is shorter than declared by more than this was cut off.
_TRUNCATED_S = 0.25


class _Centre(NamedTuple):
    """The middle of a file at the file's own sample rate: the crop, and a margin on either side."""

    samples: np.ndarray
    margin: int
    sample_rate: int


def load_clip(path: Path | str, sample_rate: int, seconds: float = CLIP_SECONDS) -> np.ndarray:
    """Load the centred `seconds` of an audio file as mono at `sample_rate`.

    The channels are mixed by their mean. The centre is that of the decoded samples, because the header of an MP3
    often declares too many. Whether a file gives a clip depends on the file and `seconds`, and never on
    `sample_rate`.

    Parameters
    ----------
    path : a file that libsndfile decodes (MP3, FLAC, WAV, OGG, Opus, AIFF ...), or else FFmpeg (M4A, WMA ...)
    sample_rate : int, in Hz
    seconds : float

    Returns
    -------
    np.ndarray [shape=(round(seconds * sample_rate),), dtype=float32]

    Raises
    ------
    AudioError
        if the file is missing, unreadable, empty, not audio, broken, cut off, too short or too long; if it is silent
        where the clip is; or if it has samples that are not finite or are larger than `MAX_LEVEL`
    """
    return load_clips(path, [sample_rate], seconds)[sample_rate]


def load_clips(path: Path | str, sample_rates: Iterable[int], seconds: float = CLIP_SECONDS) -> dict[int, np.ndarray]:
    """Load the clip of a file at several sample rates, and decode the file only once; see `load_clip`."""
    centre = _centre(Path(path), seconds)
    return {rate: _resample(centre, rate, seconds) for rate in sample_rates}


def load_all(path: Path | str, sample_rate: int) -> np.ndarray:
    """Load a whole audio file as mono at `sample_rate`. It is resampled while it is decoded.

    Parameters
    ----------
    path, sample_rate : see `load_clip`

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]

    Raises
    ------
    AudioError
        for the same reasons as `load_clip`, except that a file may have any length up to `MAX_SAMPLES`
    """
    path = Path(path)
    source = open_audio(path)
    signal = np.concatenate(list(_resample_blocks(_checked_blocks(path, source), source.sample_rate, sample_rate)))
    if not signal.any():
        raise AudioError(path, "all-silent" if len(signal) else "has no samples")
    return signal


def _resample_blocks(blocks: Iterable[np.ndarray], native_hz: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Resample consecutive blocks of samples. The last block is yielded even if it is empty."""
    if native_hz == sample_rate:
        yield from blocks
        yield np.empty(0, np.float32)
        return
    stream = soxr.ResampleStream(native_hz, sample_rate, 1, dtype="float32", quality=RESAMPLER)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _resample(centre: _Centre, sample_rate: int, seconds: float) -> np.ndarray:
    if sample_rate == centre.sample_rate:
        start, signal = centre.margin, centre.samples
    else:
        # The margin is shortened to a whole number of samples at both rates, so that both crops start together.
        step = centre.sample_rate // gcd(centre.sample_rate, sample_rate)
        margin = centre.margin // step * step
        unused = centre.margin - margin
        part = centre.samples[unused : len(centre.samples) - unused]
        signal = soxr.resample(part, centre.sample_rate, sample_rate, quality=RESAMPLER)
        start = margin * sample_rate // centre.sample_rate
    return np.ascontiguousarray(signal[start : start + n_samples(sample_rate, seconds)])


def _centre(path: Path, seconds: float) -> _Centre:
    """Decode a file and keep its middle. Samples that can no longer be part of it are dropped while decoding."""
    source = open_audio(path)
    native = source.sample_rate
    length = ceil(seconds * native - 1e-6)  # enough for the clip at any rate
    kept: deque[np.ndarray] = deque()
    start = total = 0  # position of the first kept sample; number of decoded samples
    for block in _checked_blocks(path, source):
        kept.append(block)
        total += len(block)
        first_needed = (total - length) // 2 - native
        while start + len(kept[0]) <= first_needed:
            start += len(kept.popleft())
    if total < length:
        raise AudioError(path, f"shorter than {seconds} s ({total / native:.2f} s)")
    crop = (total - length) // 2
    margin = min(crop, ceil(_MARGIN_S * native))
    end = crop + length + margin
    while total - len(kept[-1]) >= end:
        total -= len(kept.pop())
    samples = np.concatenate(kept)[crop - margin - start : end - start]
    if not samples[margin : margin + length].any():
        raise AudioError(path, f"all-silent in its centred {seconds} s")
    return _Centre(samples, margin, native)


def _checked_blocks(path: Path, source: Source) -> Iterator[np.ndarray]:
    """Yield the blocks of a file, and refuse samples that are not sound, too many, or fewer than declared."""
    native = source.sample_rate
    total = 0
    for block in source.blocks:
        peak = max(block.max(initial=0), -block.min(initial=0))  # NaN if any sample is NaN
        if not np.isfinite(peak):
            raise AudioError(path, "has samples that are not finite")
        if peak > MAX_LEVEL:
            raise AudioError(path, f"has a sample of {peak:.3g}, which is not sound: full scale is 1")
        total += len(block)
        if total > MAX_SAMPLES:
            raise AudioError(path, f"longer than {MAX_SAMPLES / native:.0f} s")
        yield block
    declared = source.declared_samples or 0
    if declared - total > _TRUNCATED_S * native:
        raise AudioError(path, f"truncated: {total / native:.2f} s of {declared / native:.2f} s")
