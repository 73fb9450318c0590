"""Decoding: the centred crop of what is really in a file, at any rate, or a reason why not."""

import numpy as np
import pytest
import soundfile

from howlow import audio


@pytest.mark.parametrize(("rate", "expected"), [(12_000, 349_200), (16_000, 465_600)])
def test_clip_has_the_papers_length(rate, expected, tone):
    clip = audio.load_clip(tone(), rate)
    assert clip.shape == (expected,)
    assert clip.dtype == np.float32


def test_crop_is_centred():
    assert audio.crop(np.arange(10), 4).tolist() == [3, 4, 5, 6]
    assert audio.crop(np.arange(11), 4).tolist() == [3, 4, 5, 6]


def test_crop_is_of_the_decoded_samples(tmp_path):
    signal = np.zeros(16_000 * 31, np.float32)
    signal[16_000 * 15 + 8_000] = 0.5  # the very middle
    soundfile.write(tmp_path / "click.wav", signal, 16_000, subtype="FLOAT")
    clip = audio.load_clip(tmp_path / "click.wav", 16_000)
    assert np.argmax(clip) == len(clip) // 2


def test_channels_are_mixed_by_their_mean(tmp_path):
    left = np.full(16_000, 0.5, np.float32)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, -left / 2], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load_clip(tmp_path / "stereo.wav", 16_000, 0.5), 0.125, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_formats_and_rates(name, rate, tone):
    clip = audio.load_clip(tone(name, rate=rate, n_channels=2), 16_000)
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    assert np.argmax(spectrum) * 16_000 / len(clip) == pytest.approx(440, abs=1)


def test_resampling_leaves_no_alias(tone):
    original = audio.load_clip(tone(hz=7_000), 16_000)
    resampled = audio.load_clip(tone(hz=7_000), 12_000)
    inner = slice(1_000, -1_000)  # the tone's abrupt ends are no aliases
    ratio = np.sqrt(np.mean(resampled[inner] ** 2) / np.mean(original[inner] ** 2))
    assert 20 * np.log10(ratio) < -80


def _bad(tmp_path, name):
    path = tmp_path / "clip.wav"
    samples = {
        "silent": np.zeros(16_000 * 30, np.float32),
        "not finite": np.full(16_000 * 30, np.nan, np.float32),
        "short": np.full(16_000 * 29, 0.1, np.float32),
    }
    if name in samples:
        soundfile.write(path, samples[name], 16_000, subtype="FLOAT")
    elif name == "zero bytes":
        path.touch()
    elif name == "not audio":
        path.write_text("no audio at all\n" * 1000)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "missing file"),
        ("zero bytes", "zero bytes"),
        ("not audio", "not decodable audio"),
        ("silent", "all-silent"),
        ("not finite", "not finite"),
        ("short", r"shorter than 29.1 s \(29.00 s\)"),
    ],
)
@pytest.mark.parametrize("rate", [12_000, 16_000])
def test_bad_files_are_named_with_their_reason(name, reason, rate, tmp_path):
    path = _bad(tmp_path, name)
    with pytest.raises(audio.AudioError, match=reason) as caught:
        audio.load_clip(path, rate)
    assert str(path) in str(caught.value)


def test_length_is_bounded(tone, monkeypatch):
    monkeypatch.setattr(audio, "_MAX_SECONDS", 10)
    with pytest.raises(audio.AudioError, match="longer than 10 s"):
        audio.decode(tone())
