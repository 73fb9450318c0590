"""Mel-spectrograms equal those of Essentia's own chain and, except for one frame, LibROSA's."""

import os
from pathlib import Path

import exactness
import numpy as np
import pytest

from howlow import audio, mel

MUSIC = sorted(Path(os.environ.get("HOWLOW_REAL_MUSIC", "/nowhere")).glob("mp3/*/*.mp3"))


@pytest.fixture(scope="module", params=["noise", "tones", "impulse", "silence", "music"])
def signals(request):
    """A signal of 29.1 s for each sample rate."""
    if request.param == "music" and not MUSIC:
        pytest.skip("HOWLOW_REAL_MUSIC names no folder of real music")
    return {rate: exactness.signals(rate, MUSIC and MUSIC[0])[request.param] for rate in (12_000, 16_000)}


@pytest.mark.parametrize(("rate", "n_mels"), exactness.PAIRS)
@pytest.mark.parametrize("window", mel.WINDOWS)
def test_equals_essentia(window, rate, n_mels, signals):
    ours = mel.mel_power(signals[rate], rate, n_mels, window)
    theirs = exactness.essentia_mel(signals[rate], rate, n_mels, symmetric=window == "symmetric")
    assert exactness.difference(ours, theirs) < 1e-5


@pytest.mark.parametrize(("rate", "n_mels"), exactness.PAIRS)
def test_equals_librosa(rate, n_mels, signals):
    ours = mel.mel_power(signals[rate], rate, n_mels)
    assert exactness.difference(ours, exactness.librosa_mel(signals[rate], rate, n_mels)) < 1e-4


def test_symmetric_window_is_not_librosas():
    """It is the window of the authors' published extraction. The difference is measured on noise."""
    clip = exactness.noise(16_000)
    ours = mel.mel_power(clip, 16_000, 96, window="symmetric")
    assert 1e-3 < exactness.difference(ours, exactness.librosa_mel(clip, 16_000, 96)) < 1e-2
    with pytest.raises(ValueError, match="'periodic' or 'symmetric', not 'hamming'"):
        mel.mel_power(clip, 16_000, 96, window="hamming")


@pytest.mark.parametrize(
    ("rate", "frames"),
    [(12_000, [1366, 683, 456, 342, 274, 137]), (16_000, [1820, 910, 607, 455, 364, 182])],
)
def test_number_of_frames(rate, frames):
    n = audio.n_samples(rate)
    assert [mel.n_frames(n, hop) for hop in (1, 2, 3, 4, 5, 10)] == frames
    spectrogram = mel.mel_power(np.zeros(n, np.float32), rate, 8)
    assert spectrogram.shape == (8, frames[0])
    assert spectrogram.dtype == np.float32


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 1000, 262_144 + 3])
def test_any_length_equals_essentia(length):
    clip = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    theirs = exactness.essentia_mel(clip, 16_000, 24)
    ours = mel.mel_power(clip, 16_000, 24)
    assert ours.shape == theirs.shape
    assert exactness.difference(ours, theirs) < 1e-5


@pytest.mark.parametrize("hop_factor", [2, 3, 5, 10])
def test_larger_hops_are_every_kth_frame(hop_factor):
    clip = exactness.noise(12_000)
    every = mel.mel_power(clip, 12_000, 24)[:, ::hop_factor]
    np.testing.assert_allclose(mel.mel_power(clip, 12_000, 24, hop_factor=hop_factor), every, rtol=1e-5)


def test_compression():
    power = np.array([0, 1e-12, 1e-10, 1, 100], np.float32)
    np.testing.assert_allclose(mel.compress(power, "db"), [-100, -100, -100, 0, 20], atol=1e-4)
    np.testing.assert_allclose(mel.compress(power, "log"), np.log10(1 + 1e4 * power.astype(float)), atol=1e-6)
    with pytest.raises(ValueError, match="'db' or 'log', not 'ln'"):
        mel.compress(power, "ln")


def test_log_follows_from_stored_db():
    power = np.geomspace(1e-10, 1e6, 1000, dtype=np.float32)
    stored = mel.compress(power, "db").astype(np.float16).astype(np.float32)
    assert np.abs(stored - mel.compress(power, "db")).max() <= 1 / 32  # float16 below 128
    # The error of log10(1 + 10^4 p) is at most that of log10(p), a tenth of the error in dB.
    assert np.abs(mel.from_db(stored, "log") - mel.compress(power, "log")).max() <= 1 / 320 + 1e-5


def test_too_many_bands_for_a_sample_rate_get_one_line():
    with pytest.raises(mel.MelError, match=r"96 mel bands are too many at 44100 Hz: .* use fewer bands"):
        mel.filter_bank(44_100, 96)
    assert mel.filter_bank(44_100, 64).shape == (64, 257)
