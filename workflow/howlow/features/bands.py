"""The numbers of mel bands that a filter bank can have, computed without building it."""

import math

from howlow.features.representation import FRAME_SIZE

_LINEAR_HZ = 200 / 3
"""Width of one mel below 1 kHz on Slaney's scale, in Hz."""


def max_mel_bands(sample_rate: int) -> int:
    """The largest number of mel bands each of which has a bin of the spectrum: 232 at 12 kHz and 192 at 16 kHz.

    The lowest bands are the narrowest. They span two of n + 1 equal steps in mel, which must be wider than a bin.
    """
    nyquist_hz = sample_rate / 2
    mels = min(nyquist_hz, 1000) / _LINEAR_HZ + 27 * math.log(max(nyquist_hz, 1000) / 1000, 6.4)
    steps = 2 * mels * _LINEAR_HZ / (sample_rate / FRAME_SIZE)
    return math.ceil(steps - 1e-6) - 2
