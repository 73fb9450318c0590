"""Mel-spectrograms equal those of Essentia's own chain and, except for one frame, LibROSA's; and known answers."""

import os
from pathlib import Path

import exactness
import librosa
import numpy as np
import pytest

from howlow.features import audio, mel

MUSIC = sorted(Path(os.environ.get("HOWLOW_REAL_MUSIC", "/nowhere")).glob("mp3/*/*.mp3"))


@pytest.fixture(scope="module", params=["noise", "tones", "impulse", "music"])
def signals(request):
    """Three seconds of a signal for each sample rate."""
    if request.param == "music" and not MUSIC:
        pytest.skip("HOWLOW_REAL_MUSIC names no folder of real music")
    made = {rate: exactness.signals(rate, MUSIC and MUSIC[0])[request.param] for rate in (12_000, 16_000)}
    return {rate: signal[len(signal) // 2 - rate :][: 3 * rate] for rate, signal in made.items()}


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


@pytest.mark.parametrize(("rate", "n_mels"), exactness.PAIRS)
def test_filters_equal_librosas(rate, n_mels):
    theirs = librosa.filters.mel(sr=rate, n_fft=512, n_mels=n_mels, fmin=0, fmax=rate / 2, htk=False, norm="slaney")
    ours = mel.filter_bank(rate, n_mels)
    assert ours.shape == (n_mels, 257)
    assert exactness.difference(ours, theirs) < 1.5e-4


@pytest.mark.parametrize(("rate", "n_mels"), [pair for pair in exactness.PAIRS if pair[1] <= 24])
def test_area_of_a_filter_is_one(rate, n_mels):
    """Slaney's normalization: the area under each triangle, in Hz, is 1. These filters are wide enough to be summed."""
    np.testing.assert_allclose(mel.filter_bank(rate, n_mels).sum(axis=1) * rate / 512, 1, atol=0.06)


@pytest.mark.parametrize("window", mel.WINDOWS)
def test_power_of_a_tone(window):
    """A tone of amplitude A in the middle of a bin has the power (A / 2 x the sum of the window) squared there."""
    tone = 0.5 * np.cos(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    power = mel.power_spectrum(tone, window)
    assert power.shape == (64, 257)
    assert power.dtype == np.float32
    total = {"periodic": 256, "symmetric": 255.5}[window]
    np.testing.assert_allclose(power[1:-2].max(axis=1), (0.5 / 2 * total) ** 2, rtol=1e-5)
    np.testing.assert_array_equal(power[1:-2].argmax(axis=1), 1_000 / 16_000 * 512)


@pytest.mark.parametrize("position", [0, 100, 256, 300])
@pytest.mark.parametrize("hop_factor", [1, 2])
def test_frames_are_centred_on_multiples_of_the_hop(position, hop_factor):
    """A sample of 1 has in each frame the squared value of the window where it lies, in every bin."""
    impulse = np.zeros(2_000, np.float32)
    impulse[position] = 1
    power = mel.power_spectrum(impulse, hop_factor=hop_factor)
    for frame in range(len(power)):
        within = position - frame * 256 * hop_factor + 256
        expected = (0.5 - 0.5 * np.cos(2 * np.pi * within / 512)) ** 2 if 0 <= within < 512 else 0
        np.testing.assert_allclose(power[frame], expected, atol=1e-6)


def test_silence_has_no_power():
    assert not mel.mel_power(np.zeros(16_000, np.float32), 16_000, 96).any()


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
    power = np.array([0, 1e-12, 1e-10, 1e-4, 1, 100], np.float32)
    before = power.copy()
    decibels, logarithms = mel.compress(power, "db"), mel.compress(power, "log")
    np.testing.assert_allclose(decibels, [-100, -100, -100, -40, 0, 20], atol=1e-4)
    # log10(1 + 10,000 p): of 1, of 1.00000001, of 1.000001, of 2, of 10,001 and of 1,000,001
    np.testing.assert_allclose(logarithms, [0, 4.3e-9, 4.3e-7, 0.301030, 4.000043, 6.0000004], atol=1e-6)
    np.testing.assert_array_equal(power, before)
    assert decibels.dtype == logarithms.dtype == np.float32
    with pytest.raises(ValueError, match="log_type is 'db' or 'log', not 'ln'"):
        mel.compress(power, "ln")


def test_log_of_what_is_stored_in_db():
    decibels = np.array([-100, -40, 0, 20], np.float32)
    np.testing.assert_allclose(mel.from_db(decibels, "log"), [4.3e-7, 0.301030, 4.000043, 6.0000004], atol=1e-6)
    np.testing.assert_array_equal(mel.from_db(decibels, "db"), [-100, -40, 0, 20])
    with pytest.raises(ValueError, match="log_type is 'db' or 'log', not 'ln'"):
        mel.from_db(decibels, "ln")


def test_log_follows_from_stored_db():
    power = np.geomspace(1e-10, 1e6, 1000, dtype=np.float32)
    stored = mel.compress(power, "db").astype(np.float16).astype(np.float32)
    assert (
        1 / 64 < np.abs(stored - mel.compress(power, "db")).max() <= 1 / 32
    )  # float16 from 64 to 128 has steps of 1/16
    # The error of log10(1 + 10^4 p) is at most that of log10(p), a tenth of the error in dB.
    assert np.abs(mel.from_db(stored, "log") - mel.compress(power, "log")).max() <= 1 / 320 + 1e-5


def test_too_many_bands_for_a_sample_rate_get_one_line():
    with pytest.raises(mel.MelError, match=r"96 mel bands are too many at 44100 Hz: .* use fewer bands"):
        mel.filter_bank(44_100, 96)
    assert mel.filter_bank(44_100, 64).shape == (64, 257)
