"""Mel-spectrograms as the paper's Essentia configuration computes them, compatible with LibROSA."""

from functools import cache

import numpy as np

from howlow.errors import HowlowError
from howlow.features.representation import FRAME_SIZE, HOP_SIZE, n_frames

WINDOWS = ("periodic", "symmetric")
POWER_FLOOR = 1e-10
"""Floor of the power under `db`: -100 dB."""

_BLOCK_FRAMES = 256


class MelError(HowlowError):
    """The requested mel filters do not exist. The message says why, and what to do."""


@cache
def filter_bank(sample_rate: int, n_mels: int) -> np.ndarray:
    """Essentia's mel filters, on Slaney's scale from 0 Hz to the Nyquist frequency and with Slaney's normalization.

    Each column is the response of Essentia's algorithm to a spectrum that is 1 in one bin and 0 elsewhere.

    Returns
    -------
    np.ndarray [shape=(n_mels, FRAME_SIZE // 2 + 1), dtype=float32]

    Raises
    ------
    MelError
        if there are too many bands for the sample rate
    """
    import essentia
    from essentia import _essentia

    essentia.log.warningActive = False  # it would warn of bands that are narrower than a bin
    n_bins = FRAME_SIZE // 2 + 1
    # Importing essentia.standard would create all of its 300 algorithms, which takes 1.1 s.
    mel_bands = _essentia.Algorithm("MelBands")
    try:
        mel_bands.__configure__(
            inputSize=n_bins,
            sampleRate=float(sample_rate),
            numberBands=n_mels,
            lowFrequencyBound=0.0,
            highFrequencyBound=sample_rate / 2,
            warpingFormula="slaneyMel",
            weighting="linear",
            normalize="unit_tri",
            type="power",
        )
    except RuntimeError:
        raise MelError(
            f"{n_mels} mel bands are too many at {sample_rate} Hz: some would be narrower than a bin of the spectrum of"
            f" {FRAME_SIZE} samples; use fewer bands or a lower sample rate"
        ) from None
    return np.stack([mel_bands.__compute__(unit) for unit in np.eye(n_bins, dtype=np.float32)], axis=1)


def power_spectrum(signal: np.ndarray, window: str = "periodic", hop_factor: int = 1) -> np.ndarray:
    """Power of the short-time Fourier transform: frames of 512 samples every 256, Hann window, magnitude squared.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=float32]
    window : `periodic` as LibROSA's, or `symmetric` as Essentia's default
    hop_factor : int, the hop in units of 256 samples

    Returns
    -------
    np.ndarray [shape=(n_frames, FRAME_SIZE // 2 + 1), dtype=float32]
    """
    from scipy.fft import rfft  # imported here, because it takes 0.4 s and training does not need it

    n = n_frames(len(signal), hop_factor)
    half = FRAME_SIZE // 2
    hop = HOP_SIZE * hop_factor
    padded = np.zeros((n - 1) * hop + FRAME_SIZE, np.float32)
    padded[half : half + len(signal)] = signal[: len(padded) - half]
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SIZE)[::hop]
    weights = _hann(window)
    power = np.empty((n, half + 1), np.float32)
    for start in range(0, n, _BLOCK_FRAMES):  # in blocks that fit the processor's cache
        block = slice(start, start + _BLOCK_FRAMES)
        spectrum = rfft(frames[block] * weights, overwrite_x=True)
        np.square(spectrum.real, out=power[block])
        power[block] += np.square(spectrum.imag)
    return power


def _hann(window: str) -> np.ndarray:
    if window not in WINDOWS:
        raise ValueError(f"window is 'periodic' or 'symmetric', not {window!r}")
    points = FRAME_SIZE + (window == "periodic")
    return np.hanning(points)[:FRAME_SIZE].astype(np.float32)


def mel_power(
    signal: np.ndarray, sample_rate: int, n_mels: int, window: str = "periodic", hop_factor: int = 1
) -> np.ndarray:
    """Mel-spectrogram of the power of a signal: `power_spectrum` through Essentia's mel filters.

    It agrees with `librosa.feature.melspectrogram(n_fft=512, hop_length=256, pad_mode='constant')` to a relative 1e-4,
    and has one more frame at the end, as Essentia does.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=float32]
    sample_rate : int, in Hz
    n_mels : int
    window, hop_factor : see `power_spectrum`

    Returns
    -------
    np.ndarray [shape=(n_mels, n_frames), dtype=float32]
    """
    return mel_bands(power_spectrum(signal, window, hop_factor), sample_rate, n_mels)


def mel_bands(power: np.ndarray, sample_rate: int, n_mels: int) -> np.ndarray:
    """The mel-spectrogram of a power spectrum [shape=(n_frames, FRAME_SIZE // 2 + 1)], as `mel_power` computes it."""
    spectrogram = np.empty((n_mels, len(power)), np.float32)
    for bands, bins in _filter_groups(sample_rate, n_mels):
        np.matmul(filter_bank(sample_rate, n_mels)[bands, bins], power[:, bins].T, out=spectrogram[bands])
    return spectrogram


@cache
def _filter_groups(sample_rate: int, n_mels: int) -> list[tuple[slice, slice]]:
    """Groups of neighbouring filters, each with the bins where they are not zero."""
    nonzero = filter_bank(sample_rate, n_mels) > 0
    edges = np.linspace(0, n_mels, min(n_mels, 8) + 1).astype(int)
    groups = []
    for bands in map(slice, edges[:-1], edges[1:]):
        bins = np.flatnonzero(nonzero[bands].any(axis=0))
        groups.append((bands, slice(bins[0], bins[-1] + 1) if len(bins) else slice(0)))
    return groups


def compress(power: np.ndarray, log_type: str) -> np.ndarray:
    """Compress power logarithmically (paper, section V).

    `db` is 10 log10(power), floored at `POWER_FLOOR`; `log` is log10(1 + 10000 power).

    Raises
    ------
    ValueError
        if `log_type` is neither `db` nor `log`
    """
    if log_type == "db":
        return _log(np.maximum(power, np.float32(POWER_FLOOR)), 10)
    if log_type == "log":
        return _log(1 + 10_000 * power, 1)
    raise ValueError(f"log_type is 'db' or 'log', not {log_type!r}")


def _log(x: np.ndarray, factor: float) -> np.ndarray:
    """Compute `factor` log10(x) in place, by way of `log`, because NumPy does not vectorize `log10`."""
    np.log(x, out=x)
    x *= np.float32(factor / np.log(10))
    return x


def from_db(decibels: np.ndarray, log_type: str) -> np.ndarray:
    """Convert a spectrogram that is stored in dB to the compression `log_type`."""
    if log_type == "db":
        return decibels
    return compress(np.exp(decibels * np.float32(np.log(10) / 10)), log_type)
