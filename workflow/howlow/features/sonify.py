"""Mel-spectrograms turned back into sound, to hear what a representation keeps (paper, section V).

A mel-spectrogram has neither phases nor the single bins of a spectrum. The bins are estimated from the mel bands
(`invert_mel`), and a frame lasts as long as its hop. The phases are those of noise, as in the authors' code (`noise`),
or they are estimated so that overlapping frames agree (`griffin_lim`).
"""

from functools import cache

import numpy as np

from howlow.features import mel
from howlow.features.representation import HOP_SIZE, Representation, n_frames, n_samples

METHODS = ("noise", "griffin_lim")

_MEL_ITERATIONS = 8  # they match the bands to 0.2 dB
_PHASE_ITERATIONS = 10  # 32 would halve the error of the magnitudes, but raise correlations by only 0.001
_MOMENTUM = 0.99
_TINY = np.float32(1e-30)


def sonify(spectrogram: np.ndarray, representation: Representation, method: str) -> np.ndarray:
    """Turn a mel-spectrogram into audio whose own mel-spectrogram is close to it.

    The level is that of the spectrogram. If the audio would clip, all of it is scaled to a peak of 1.

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(n_mels, n_frames)], as training reads it: compressed, at the representation's hop
    representation : that of the spectrogram
    method : `noise` or `griffin_lim`, see the functions of these names

    Returns
    -------
    np.ndarray [shape=(n_samples(sample_rate, seconds),), dtype=float32], at the representation's sample rate

    Raises
    ------
    ValueError
        if there is no such method, or if the shape of the spectrogram does not fit the representation
    """
    if method not in METHODS:
        raise ValueError(f"method is {' or '.join(map(repr, METHODS))}, not {method!r}")
    expected = (representation.n_mels, representation.n_frames)
    if spectrogram.shape != expected:
        raise ValueError(f"a clip at {representation} has the shape {expected}, not {spectrogram.shape}")
    length = n_samples(representation.sample_rate, representation.seconds)
    spectrum = invert_mel(expand(spectrogram, representation.log_type), representation.sample_rate)
    spectrum = np.repeat(spectrum, representation.hop_factor, axis=0)[: n_frames(length)]
    return limit(noise(spectrum, length) if method == "noise" else griffin_lim(spectrum, length))


def correlation(
    spectrogram: np.ndarray, audio: np.ndarray, representation: Representation, window: str = "periodic"
) -> float:
    """Pearson correlation of a compressed mel-spectrogram with the same representation of an audio signal.

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(n_mels, n_frames)]
    audio : np.ndarray [shape=(n_samples,), dtype=float32]
    representation : that of the spectrogram
    window : see `mel.power_spectrum`

    Returns
    -------
    float, NaN if one of the two is constant, as for silence
    """
    rate, n_mels = representation.sample_rate, representation.n_mels
    power = mel.mel_power(audio, rate, n_mels, window, representation.hop_factor)
    again = mel.compress(power, representation.log_type)
    if not (np.ptp(spectrogram) and np.ptp(again)):
        return np.nan
    return float(np.corrcoef(spectrogram.ravel(), again.ravel())[0, 1])


def expand(spectrogram: np.ndarray, log_type: str) -> np.ndarray:
    """Undo `mel.compress`; the power is never negative.

    Raises
    ------
    ValueError
        if `log_type` is neither `db` nor `log`
    """
    if log_type == "db":
        return np.power(10, spectrogram / 10, dtype=np.float32)
    if log_type == "log":
        return np.maximum(np.power(10, spectrogram, dtype=np.float32) - 1, 0) / 10_000
    raise ValueError(f"log_type is 'db' or 'log', not {log_type!r}")


def invert_mel(power: np.ndarray, sample_rate: int) -> np.ndarray:
    """Find one of the many power spectra that have the given mel bands.

    Each iteration multiplies every bin by the ratio of the wanted to the present power of its bands, averaged with the
    filters as weights (W. H. Richardson, "Bayesian-Based Iterative Method of Image Restoration", 1972). Unlike least
    squares, this never gives negative power, and it matches soft bands as closely as loud ones.

    Parameters
    ----------
    power : np.ndarray [shape=(n_mels, n_frames)], not compressed
    sample_rate : int, in Hz

    Returns
    -------
    np.ndarray [shape=(n_frames, mel.FRAME_SIZE // 2 + 1), dtype=float32]
        zero in the bins that no filter covers: 0 Hz, and in some filter banks the Nyquist frequency
    """
    filters = mel.filter_bank(sample_rate, len(power))
    shares = filters / np.maximum(filters.sum(axis=0), _TINY)
    target = power.T.astype(np.float32)
    level = np.maximum(target / filters.sum(axis=1), _TINY)
    # Between a loud and a silent band the harmonic mean starts low, because going down takes many more iterations.
    spectrum = 1 / np.maximum((1 / level) @ shares, _TINY)
    for _ in range(_MEL_ITERATIONS):
        spectrum *= (target / np.maximum(spectrum @ filters.T, _TINY)) @ shares
    return spectrum


def noise(power: np.ndarray, n_samples: int) -> np.ndarray:
    """Give Gaussian noise the magnitudes of a power spectrum, frame by frame, as the authors did.

    The magnitudes of the noise are replaced and not multiplied, which would keep more of its own fluctuation.

    Parameters
    ----------
    power : np.ndarray [shape=(n_frames, mel.FRAME_SIZE // 2 + 1)], at a hop of 256 samples
    n_samples : int, of which `n_frames` is the number of frames

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32], always the same for the same power
    """
    return _overlap_add(np.sqrt(power) * _noise_phases(n_samples), n_samples)


def griffin_lim(power: np.ndarray, n_samples: int) -> np.ndarray:
    """Turn a power spectrum into audio, with phases that make overlapping frames agree.

    This is the algorithm of Griffin and Lim with momentum (N. Perraudin, P. Balazs, P. L. Søndergaard, "A Fast
    Griffin-Lim Algorithm", 2013). It starts from the phases of `noise`.

    Parameters
    ----------
    power : np.ndarray [shape=(n_frames, mel.FRAME_SIZE // 2 + 1)], at a hop of 256 samples
    n_samples : int, of which `n_frames` is the number of frames

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32], always the same for the same power
    """
    magnitudes = np.sqrt(power)
    spectrum = magnitudes * _noise_phases(n_samples)
    previous = np.zeros_like(spectrum)
    for _ in range(_PHASE_ITERATIONS):
        consistent = _frames(_overlap_add(spectrum, n_samples))
        # The extrapolation by `_MOMENTUM` times the last step, divided by 1 + _MOMENTUM, which changes no phase.
        spectrum = magnitudes * _phases(consistent - np.float32(_MOMENTUM / (1 + _MOMENTUM)) * previous)
        previous = consistent
    return _overlap_add(spectrum, n_samples)


def limit(audio: np.ndarray) -> np.ndarray:
    """Scale audio down to a peak of 1 if its peak is higher."""
    return audio / max(1, np.abs(audio).max())


@cache
def _noise_phases(n_samples: int) -> np.ndarray:
    return _phases(_frames(np.random.default_rng(0).standard_normal(n_samples, np.float32)))


def _phases(spectrum: np.ndarray) -> np.ndarray:
    return spectrum / np.maximum(np.abs(spectrum), _TINY)


# SciPy's short-time transforms are not used, because they take 5 to 25 times as long.


def _frames(audio: np.ndarray) -> np.ndarray:
    """Complex spectra (n_frames, n_bins) of the frames that `mel.power_spectrum` takes at a hop of half a frame."""
    from scipy.fft import rfft  # imported here, because it takes 0.4 s

    halves = np.zeros((n_frames(len(audio)) + 1, HOP_SIZE), np.float32)
    halves.reshape(-1)[HOP_SIZE : HOP_SIZE + len(audio)] = audio
    return rfft(np.hstack([halves[:-1], halves[1:]]) * _hann(), overwrite_x=True)


def _overlap_add(spectrum: np.ndarray, n_samples: int) -> np.ndarray:
    """The audio whose `_frames` are closest to the given ones, by least squares."""
    from scipy.fft import irfft

    first, second = np.split(_hann() ** 2, 2)
    frames = irfft(spectrum, mel.FRAME_SIZE) * (_hann() / np.tile(first + second, 2))
    return (frames[:-1, HOP_SIZE:] + frames[1:, :HOP_SIZE]).reshape(-1)[:n_samples]


def _hann() -> np.ndarray:
    return np.hanning(mel.FRAME_SIZE + 1)[:-1].astype(np.float32)
