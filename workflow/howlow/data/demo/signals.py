"""The signals that the sounds of the demo are made of."""

import numpy as np
from scipy.fft import irfft


def rms(signal: np.ndarray) -> np.float32:
    return np.sqrt(np.mean(signal**2))


def sine(phase: np.ndarray) -> np.ndarray:
    """The sine in single precision of a phase in double precision, which may be large."""
    return np.sin(np.remainder(phase, 2 * np.pi).astype(np.float32))


def band_noise(length: int, band_hz: tuple[float, float], rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Gaussian noise of power 1 with nothing outside the band, made in the frequency domain."""
    spectrum = np.zeros(length // 2 + 1, np.complex64)
    low, high = (round(hz * length / sample_rate) for hz in band_hz)
    normal = rng.standard_normal((high - low, 2), dtype=np.float32)
    spectrum[low:high] = normal[:, 0] + 1j * normal[:, 1]
    noise = irfft(spectrum, length)
    return noise / rms(noise)
