"""Decoding gives the central part of the samples that are in a file, at any rate, or says why it cannot."""

import re
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
import soxr

from howlow import audio


@pytest.mark.parametrize(("rate", "expected"), [(12_000, 349_200), (16_000, 465_600)])
def test_clip_has_the_papers_length(rate, expected, tone):
    clip = audio.load_clip(tone(), rate)
    assert clip.shape == (expected,)
    assert clip.dtype == np.float32


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


@pytest.mark.parametrize("hz", [6_100, 7_000])
def test_resampling_leaves_no_alias(hz, tmp_path):
    """HQ of soxr has 20 bits, about 120 dB. MQ, with 16 bits, leaves more of a tone just above the new Nyquist rate."""
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(16_000 * 2) / 16_000)
    soundfile.write(tmp_path / "a.wav", tone, 16_000, subtype="FLOAT")
    left = audio.load_clip(tmp_path / "a.wav", 12_000, 1.0)
    assert 20 * np.log10(np.sqrt(np.mean(left**2)) / np.sqrt(np.mean(tone**2))) < -125


def _bad(tmp_path, name):
    path = tmp_path / "clip.wav"
    samples = {
        "silent": np.zeros(16_000 * 30, np.float32),
        "not finite": np.full(16_000 * 30, np.nan, np.float32),
        "short": np.full(16_000 * 29, 0.1, np.float32),
        "no samples": np.zeros(0, np.float32),
    }
    if name in samples:
        soundfile.write(path, samples[name], 16_000, subtype="FLOAT")
    elif name == "zero bytes":
        path.touch()
    elif name.startswith("cut off"):
        path = path.with_suffix(name.removeprefix("cut off"))
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000 * 40), 16_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    elif name == "not audio":
        path.write_text("no audio at all\n" * 1000)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "missing file"),
        ("cut off.flac", "lost sync|truncated: .* of 40.00 s"),
        ("cut off.mp3", r"shorter than 29.1 s \(\d+"),
        ("cut off.ogg", r"shorter than 29.1 s \(\d+|truncated"),
        ("cut off.wav", r"shorter than 29.1 s \(\d+|truncated"),
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


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a"])
def test_what_is_no_audio_is_called_that_whatever_its_name(suffix, tmp_path):
    path = _bad(tmp_path, "not audio").rename(tmp_path / f"a{suffix}")
    assert audio.declared_seconds(path) == "not decodable audio (Format not recognised.)"
    with pytest.raises(audio.AudioError, match=re.escape("not decodable audio (Format not recognised.)")):
        audio.load_clip(path, 16_000)


def test_length_is_bounded(tone, monkeypatch):
    monkeypatch.setattr(audio, "MAX_SAMPLES", 10 * 16_000)
    with pytest.raises(audio.AudioError, match="longer than 10 s"):
        audio.load_clip(tone(), 16_000)


@pytest.mark.parametrize(("native", "rate"), [(44_100, 16_000), (44_100, 12_000), (48_000, 16_000), (16_000, 12_000)])
def test_crop_of_a_long_file_is_that_of_the_whole_resampled(native, rate, tmp_path):
    signal = 0.1 * np.random.default_rng(0).standard_normal(native * 5).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", signal, native, subtype="FLOAT")
    whole = soxr.resample(signal, native, rate, quality=audio.RESAMPLER)
    length = audio.n_samples(rate, 2.0)
    start = (len(whole) - length) // 2
    np.testing.assert_allclose(audio.load_clip(tmp_path / "a.wav", rate, 2.0), whole[start : start + length], atol=1e-5)


@pytest.mark.parametrize("native", [8_000, 11_025, 22_050, 44_101, 96_000])
def test_a_file_of_just_the_length_is_enough_at_any_rate(native, tmp_path):
    seconds = 1.1
    samples = int(np.ceil(seconds * native - 1e-6))
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(samples), native)
    for rate in (12_000, 16_000):
        assert len(audio.load_clip(tmp_path / "a.wav", rate, seconds)) == audio.n_samples(rate, seconds)
    soundfile.write(tmp_path / "b.wav", 0.1 * np.ones(samples - 1), native)
    with pytest.raises(audio.AudioError, match="shorter"):
        audio.load_clip(tmp_path / "b.wav", 12_000, seconds)


def test_only_half_of_a_long_file_is_held(tmp_path):
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8_000, 1, subtype="PCM_16") as file:
        for _ in range(60):
            file.write(0.1 * rng.standard_normal(8_000 * 20).astype(np.float32))
    tracemalloc.start()
    audio.load_clip(tmp_path / "long.wav", 8_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole = 8_000 * 20 * 60 * 4
    assert peak < 0.75 * whole


def test_many_channels_do_not_make_blocks_large(tmp_path):
    soundfile.write(tmp_path / "wide.wav", np.full((8_000, 200), 0.1), 8_000)
    np.testing.assert_allclose(audio.load_clip(tmp_path / "wide.wav", 8_000, 0.5), 0.1, atol=1e-4)


@pytest.mark.parametrize("codec", [("clip.m4a", "aac"), ("clip.wma", "wmav2"), ("clip.m4a", "alac")])
def test_what_libsndfile_lacks_is_decoded_by_ffmpeg(codec, tmp_path):
    path = encode(tmp_path / codec[0], codec[1])
    clip = audio.load_clip(path, 16_000)
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    assert len(clip) == audio.n_samples(16_000)
    assert np.argmax(spectrum) * 16_000 / len(clip) == pytest.approx(440, abs=1)


def test_m4a_cut_off(tmp_path):
    path = encode(tmp_path / "clip.m4a", "aac", options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(audio.AudioError, match=r"truncated: .* of 3\d\.\d\d s|not decodable audio"):
        audio.load_clip(path, 16_000)


def test_playlists_are_not_followed(tmp_path, tone):
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:30,\n{tone()}\n#EXT-X-ENDLIST\n")
    with pytest.raises(audio.AudioError, match="not decodable audio"):
        audio.load_clip(tmp_path / "list.m3u8", 16_000)


def test_channels_of_ffmpeg_are_mixed_by_their_mean_too(tmp_path):
    left = audio.load_clip(encode(tmp_path / "a.m4a", "alac", levels=(1, 0)), 44_100, 1.0)
    both = audio.load_clip(encode(tmp_path / "b.m4a", "alac"), 44_100, 1.0)
    np.testing.assert_allclose(left, both / 2, atol=1e-4)
    assert np.abs(both).max() == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(("n_samples", "first"), [(1000, 0), (1001, 0), (1002, 1), (1003, 1), (2001, 500)])
def test_an_odd_sample_that_is_not_needed_is_the_last(n_samples, first, tmp_path):
    ramp = (1 + np.arange(n_samples, dtype=np.float32)) / 4096
    soundfile.write(tmp_path / "ramp.wav", ramp, 8_000, subtype="FLOAT")
    clip = audio.load_clip(tmp_path / "ramp.wav", 8_000, 0.125)
    np.testing.assert_array_equal(clip, ramp[first : first + 1000])


def encode(path, codec, levels=(1, 1), **settings):
    """Encode a stereo tone of 30 s at 44.1 kHz with FFmpeg; `levels` are the levels of the channels."""
    t = np.arange(44_100 * 30) / 44_100
    signal = np.outer(levels, 0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    with av.open(str(path), "w", **settings) as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        resampler = av.AudioResampler(stream.format, "stereo", 44_100, frame_size=stream.frame_size or 4096)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("native", [8_000, 11_025, 16_000, 44_100, 96_000])
def test_a_whole_file_is_resampled_while_it_is_decoded(native, tmp_path):
    signal = 0.1 * np.random.default_rng(0).standard_normal(native * 31 + 7).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", signal, native, subtype="FLOAT")
    for rate in (12_000, 16_000):
        expected = soxr.resample(signal, native, rate, quality=audio.RESAMPLER)
        whole = audio.load_all(tmp_path / "a.wav", rate)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_a_whole_file_of_a_clips_length_is_the_clip(tmp_path):
    signal = 0.1 * np.random.default_rng(0).standard_normal((44_100 * 3, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", signal, 44_100)
    whole = audio.load_all(tmp_path / "a.flac", 16_000)
    np.testing.assert_allclose(whole, audio.load_clip(tmp_path / "a.flac", 16_000, 3.0), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "missing file"),
        ("cut off.flac", "lost sync|truncated: .* of 40.00 s"),
        ("zero bytes", "zero bytes"),
        ("not audio", "not decodable audio"),
        ("silent", "all-silent"),
        ("not finite", "not finite"),
        ("no samples", "has no samples"),
    ],
)
def test_bad_whole_files_are_named_with_their_reason(name, reason, tmp_path):
    path = _bad(tmp_path, name)
    with pytest.raises(audio.AudioError, match=reason) as caught:
        audio.load_all(path, 16_000)
    assert str(path) in str(caught.value)


def test_length_of_a_whole_file_is_bounded(tone, monkeypatch):
    monkeypatch.setattr(audio, "MAX_SAMPLES", 10 * 16_000)
    with pytest.raises(audio.AudioError, match="longer than 10 s"):
        audio.load_all(tone(), 12_000)


def test_a_whole_file_is_held_at_the_new_rate_only(tmp_path):
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 96_000, 1, subtype="PCM_16") as file:
        for _ in range(60):
            file.write(0.1 * rng.standard_normal(96_000 * 2).astype(np.float32))
    tracemalloc.start()
    audio.load_all(tmp_path / "long.wav", 12_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 96_000 * 2 * 60 * 4
