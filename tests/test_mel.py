"""Mel-spectrograms: equal to Essentia's own chain and, but for one frame, to LibROSA's."""

import essentia.standard as es
import librosa
import numpy as np
import pytest

from howlow import audio, mel

PAIRS = [(rate, n_mels) for rate in (12_000, 16_000) for n_mels in (128, 96, 48, 32, 24, 16, 8)]


def signal(kind: str, rate: int) -> np.ndarray:
    n = audio.n_samples(rate)
    rng = np.random.default_rng(0)
    made = {
        "noise": 0.1 * rng.standard_normal(n),
        "tones": sum(np.sin(2 * np.pi * hz * np.arange(n) / rate) for hz in (110, 1_000, 4_321)) / 10,
        "impulse": np.eye(1, n, n // 2)[0],
        "silence": np.zeros(n),
    }
    return made[kind].astype(np.float32)


def essentia_mel(clip: np.ndarray, rate: int, n_mels: int) -> np.ndarray:
    window = es.Windowing(type="hann", size=512, symmetric=False, zeroPhase=False, normalized=False)
    spectrum = es.Spectrum(size=512)
    bands = es.MelBands(
        inputSize=257,
        sampleRate=rate,
        numberBands=n_mels,
        lowFrequencyBound=0,
        highFrequencyBound=rate / 2,
        type="power",
        weighting="linear",
        warpingFormula="slaneyMel",
        normalize="unit_tri",
    )
    frames = es.FrameGenerator(clip, frameSize=512, hopSize=256, startFromZero=False)
    return np.array([bands(spectrum(window(frame))) for frame in frames]).T


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    norm = np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / norm) if norm else float(np.linalg.norm(ours))


@pytest.mark.parametrize(("rate", "n_mels"), PAIRS)
@pytest.mark.parametrize("kind", ["noise", "tones", "impulse", "silence"])
def test_equals_essentia_and_librosa(kind, rate, n_mels):
    clip = signal(kind, rate)
    ours = mel.mel_power(clip, rate, n_mels)
    assert difference(ours, essentia_mel(clip, rate, n_mels)) < 1e-5
    theirs = librosa.feature.melspectrogram(
        y=clip, sr=rate, n_fft=512, hop_length=256, n_mels=n_mels, pad_mode="constant"
    )
    assert difference(ours[:, : theirs.shape[1]], theirs) < 1e-4


@pytest.mark.parametrize(("rate", "n_mels"), PAIRS)
def test_equals_essentia_on_music(rate, n_mels, real_music):
    path = sorted(real_music.glob("mp3/*/*.mp3"))[0]
    clip = audio.load_clip(path, rate)
    assert difference(mel.mel_power(clip, rate, n_mels), essentia_mel(clip, rate, n_mels)) < 1e-5


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
    theirs = essentia_mel(clip, 16_000, 24)
    ours = mel.mel_power(clip, 16_000, 24)
    assert ours.shape == theirs.shape
    assert difference(ours, theirs) < 1e-5


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
