"""Audio files to clips: decode, mix to mono, resample, crop to the centre."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from howlow.errors import HowlowError
from howlow.representation import CLIP_SECONDS

RESAMPLER = "HQ"
"""soxr's quality: LibROSA's default (`soxr_hq`), 20 bits, passband to 91 % of the Nyquist frequency."""

_BLOCK_SAMPLES = 1 << 20
_MAX_SECONDS = 3600


class AudioError(HowlowError):
    """A file that gives no clip. `str` names the file and the reason, `reason` only the latter."""

    def __init__(self, path: Path | str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.reason = reason


def n_samples(sample_rate: int, seconds: float = CLIP_SECONDS) -> int:
    """Number of samples of a clip: 349,200 at 12 kHz and 465,600 at 16 kHz for 29.1 s."""
    return round(seconds * sample_rate)


def decode(path: Path | str) -> tuple[np.ndarray, int]:
    """Decode a whole audio file and mix it down to mono by the mean of its channels.

    The length is that of the decoded samples; a header's claim is never used (MP3 headers over-report).

    Returns
    -------
    signal : np.ndarray [shape=(n_samples,), dtype=float32]
    sample_rate : int, in Hz, as in the file

    Raises
    ------
    AudioError
        if the file is missing, empty, not audio, broken, too long, silent or not finite
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(path, "missing file")
    if path.stat().st_size == 0:
        raise AudioError(path, "zero bytes")
    try:
        with soundfile.SoundFile(path) as file:
            sample_rate = file.samplerate
            blocks: list[np.ndarray] = []
            while len(block := file.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
                if sum(map(len, blocks)) > _MAX_SECONDS * sample_rate:
                    raise AudioError(path, f"longer than {_MAX_SECONDS} s")
    except soundfile.LibsndfileError as error:
        raise AudioError(path, f"not decodable audio ({error.error_string})") from None
    signal = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not np.isfinite(signal).all():
        raise AudioError(path, "has samples that are not finite")
    if not signal.any():
        raise AudioError(path, "all-silent" if len(signal) else "no samples")
    return signal, sample_rate


def crop(signal: np.ndarray, length: int) -> np.ndarray:
    """The centred `length` samples of a signal: from `(len(signal) - length) // 2` on."""
    start = (len(signal) - length) // 2
    return signal[start : start + length]


def load_clip(path: Path | str, sample_rate: int, seconds: float = CLIP_SECONDS) -> np.ndarray:
    """Load the centred `seconds` of an audio file as mono at `sample_rate`.

    Whether a file gives a clip depends on the file alone, never on `sample_rate`: its decoded length
    is compared with `seconds` at its own rate.

    Parameters
    ----------
    path : path of a file in a format that libsndfile decodes (MP3, FLAC, WAV, OGG, ...)
    sample_rate : int, in Hz
    seconds : float

    Returns
    -------
    np.ndarray [shape=(round(seconds * sample_rate),), dtype=float32]

    Raises
    ------
    AudioError
        see `decode`; also if the file is shorter than `seconds`
    """
    signal, native_rate = decode(path)
    if len(signal) < n_samples(native_rate, seconds):
        raise AudioError(path, f"shorter than {seconds} s ({len(signal) / native_rate:.2f} s)")
    if native_rate != sample_rate:
        signal = soxr.resample(signal, native_rate, sample_rate, quality=RESAMPLER)
    length = n_samples(sample_rate, seconds)
    # Resampling may round the last sample away: at most one, and inaudible.
    return crop(np.pad(signal, (0, max(0, length - len(signal)))), length)
