"""Decoding gives the central part of the samples that are in a file, at any rate, or says why it cannot.

The expected samples are worked out here: positions by counting, and tones by their formula.
"""

import tracemalloc

import numpy as np
import pytest
import scipy.signal
import soundfile
from encoded import NOISE, RATE, encode, level_db, tones, write

from howlow.features import audio, decoders

# The crop


@pytest.mark.parametrize(("rate", "expected"), [(12_000, 349_200), (16_000, 465_600)])
def test_clip_has_the_papers_length(rate, expected, tone):
    clip = audio.load_clip(tone(), rate)
    assert clip.shape == (expected,)
    assert clip.dtype == np.float32
    assert clip.flags.c_contiguous


@pytest.mark.parametrize("block", [1 << 18, 1000, 7])
@pytest.mark.parametrize(
    ("native", "n_samples", "first", "length"),
    [
        # Of an odd number of samples that are not needed, one more lies after the clip than before it.
        (8_000, 1000, 0, 1000),
        (8_000, 1001, 0, 1000),
        (8_000, 1002, 1, 1000),
        (8_000, 1003, 1, 1000),
        (16_000, 2005, 2, 2000),
        (48_000, 6007, 3, 6000),
        # 0.125 s are 5512.5 samples: 5513 are needed, and 5512 are given.
        (44_100, 5513, 0, 5512),
        (44_100, 5515, 1, 5512),
        (44_100, 5520, 3, 5512),
        (8_000, 30_999, 14_999, 1000),  # the first samples are no longer held when the last are decoded
    ],
)
def test_crop_by_counting(native, n_samples, first, length, block, tmp_path, monkeypatch):
    """Each sample of the file is its own number."""
    monkeypatch.setattr(decoders, "_BLOCK_SAMPLES", block)
    path = write(tmp_path / "a.wav", np.arange(1, n_samples + 1, dtype=np.float32), native)
    np.testing.assert_array_equal(audio.load_clip(path, native, 0.125), np.arange(first + 1, first + 1 + length))


@pytest.mark.parametrize("native", [8_000, 11_025, 22_050, 44_101, 96_000])
def test_a_file_of_just_the_length_is_enough_at_any_rate(native, tmp_path):
    seconds = 1.1
    n_samples = int(np.ceil(seconds * native - 1e-6))
    enough = write(tmp_path / "a.wav", np.full(n_samples, 0.1, np.float32), native)
    for rate in (12_000, 16_000):
        assert len(audio.load_clip(enough, rate, seconds)) == round(seconds * rate)
    short = write(tmp_path / "b.wav", np.full(n_samples - 1, 0.1, np.float32), native)
    with pytest.raises(audio.AudioError) as caught:
        audio.load_clip(short, 12_000, seconds)
    assert caught.value.reason == f"shorter than 1.1 s ({(n_samples - 1) / native:.2f} s)"


# Mono


@pytest.mark.parametrize("levels", [(1, 0), (0, 1), (1, -0.5), (1, 1), (0.1, 0.4, 1)])
def test_channels_are_mixed_by_their_mean(levels, tmp_path):
    path = write(tmp_path / "a.wav", np.outer(NOISE, levels))
    expected = sum(levels) / len(levels) * NOISE
    np.testing.assert_allclose(audio.load_clip(path, RATE, 1.0), expected[24_000:40_000], atol=1e-7)
    whole = audio.load_all(path, RATE)
    np.testing.assert_allclose(whole, expected, atol=1e-7)
    assert whole.dtype == np.float32


@pytest.mark.parametrize("levels", [(1, 0), (0, 1), (1, -0.5), (1, 1)])
def test_channels_of_ffmpeg_are_mixed_by_their_mean_too(levels, tmp_path):
    """ALAC is lossless, with 16 bits, and libsndfile can't open an M4A."""
    path = encode(tmp_path / "a.m4a", "alac", levels)
    clip = audio.load_clip(path, 44_100, 1.0)  # the centred 44,100 of 88,200 samples
    expected = sum(levels) / 2 * tones([440], (22_050 + np.arange(44_100)) / 44_100)
    np.testing.assert_allclose(clip, expected, atol=5e-5)
    assert len(audio.load_all(path, 44_100)) == 88_200


def test_many_channels_do_not_make_blocks_large(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", np.ones((800, 200), np.float32), 8_000)
    monkeypatch.setattr(decoders, "_BLOCK_SAMPLES", 1000)
    file = decoders._open_with_libsndfile(path)
    assert {len(block) for block in decoders._libsndfile_blocks(path, file)} == {5}
    monkeypatch.setattr(decoders, "_BLOCK_SAMPLES", 100)  # fewer than the channels
    np.testing.assert_array_equal(audio.load_all(path, 8_000), np.ones(800))


# Resampling

RATES = [
    (16_000, 12_000),
    (44_100, 16_000),
    (44_100, 12_000),
    (48_000, 16_000),
    (22_050, 16_000),
    (8_000, 16_000),
    (11_025, 12_000),
]


@pytest.mark.parametrize(("native", "rate"), RATES)
@pytest.mark.parametrize(
    ("shares", "error_db"),
    [
        # Shares of the lower Nyquist frequency. soxr's MQ misses the first by 112 dB, and LQ the second by 7 dB.
        ((0.02, 0.2, 0.4), -120),
        ((0.7, 0.85), -60),
    ],
)
def test_resampled_tones_keep_their_amplitudes_and_times(shares, error_db, native, rate, tmp_path):
    passband = [share * min(native, rate) / 2 for share in shares]
    n_samples = native * 3 // 2 + 1
    path = write(tmp_path / "a.wav", tones(passband, np.arange(n_samples) / native), native)
    clip = audio.load_clip(path, rate, 0.5)
    first = (n_samples - -(-native // 2)) // 2
    assert level_db(clip - tones(passband, first / native + np.arange(rate // 2) / rate)) < error_db
    whole = audio.load_all(path, rate)
    times = np.arange(len(whole)) / rate
    inner = (times > 0.2) & (times < 1.3)  # at its ends, a tone is switched on and off
    assert len(whole) == pytest.approx(n_samples * rate / native, abs=1)
    assert clip.dtype == whole.dtype == np.float32
    assert level_db((whole - tones(passband, times))[inner]) < error_db


@pytest.mark.parametrize(("native", "rate"), [(n, r) for n, r in RATES if n > r])
@pytest.mark.parametrize("above_nyquist", [1.02, 1.2])
def test_tones_that_the_new_rate_cannot_hold_vanish(above_nyquist, native, rate, tmp_path):
    """HQ of soxr has 20 bits, about 120 dB. MQ has 16, and leaves more of a tone just above the Nyquist frequency."""
    path = write(tmp_path / "a.wav", tones([above_nyquist * rate / 2], np.arange(native * 2) / native), native)
    assert level_db(audio.load_clip(path, rate, 1.0)) < -125


def test_resampling_equals_another_implementation(tmp_path):
    """Noise below 4 kHz, by SciPy's polyphase filter: 2,401 taps, 140 dB."""
    filtered = scipy.signal.sosfiltfilt(scipy.signal.butter(12, 4_000, fs=16_000, output="sos"), NOISE)
    path = write(tmp_path / "a.wav", filtered)
    taps = scipy.signal.firwin(2_401, 1 / 4, window=("kaiser", 14))
    expected = scipy.signal.resample_poly(filtered, 3, 4, window=taps)[18_000:30_000]  # the centred second of four
    np.testing.assert_allclose(audio.load_clip(path, 12_000, 1.0), expected, atol=3e-7)


def test_a_file_is_decoded_once_for_several_rates(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", NOISE)
    expected = {rate: audio.load_clip(path, rate, 1.0) for rate in (12_000, 16_000)}
    opened = []
    monkeypatch.setattr(decoders, "check_file", opened.append)
    clips = audio.load_clips(path, (12_000, 16_000), 1.0)
    assert opened == [path]
    assert list(clips) == [12_000, 16_000]
    for rate, clip in clips.items():
        np.testing.assert_array_equal(clip, expected[rate])


# Memory


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
