"""Decoding gives the central part of the samples that are in a file, at any rate, or says why it cannot.

The expected samples are worked out here: positions by counting, and tones by their formula.
"""

import struct
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import soundfile
from encoded import add_picture, encode, tones

from howlow.features import audio, decoders

RATE = 16_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """Write a WAV of 32-bit floats, which holds the samples as they are."""
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def level_db(signal: np.ndarray) -> float:
    """The level of a signal against that of a tone with an amplitude of 0.1."""
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)) / 0.005)


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


# Formats


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.m4a", "a.wma", "a.aac", "a.mkv", "a.caf"])
def test_formats(name, tmp_path):
    """A tone of 440 Hz has its frequency and its level, whatever the format; and the length is that of the header."""
    codecs = {".m4a": "aac", ".wma": "wmav2", ".aac": "aac", ".mkv": "aac", ".caf": "alac"}
    path = tmp_path / name
    if path.suffix in codecs:
        encode(path, codecs[path.suffix])
    else:
        signal = tones([440], np.arange(2 * 44_100) / 44_100)
        soundfile.write(path, np.stack([signal, signal], axis=1), 44_100)
    clip = audio.load_clip(path, 16_000, 1.0)
    spectrum = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)  # bins of 1 Hz
    assert level_db(clip) == pytest.approx(0, abs=0.1)
    assert decoders.declared_seconds(path) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a"])
def test_what_is_no_audio_is_called_that_whatever_its_name(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_text("no audio at all\n" * 1000)
    assert decoders.declared_seconds(path) == reason_of(path) == "not decodable audio (Format not recognised.)"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nclip.aac\n#EXT-X-ENDLIST\n"),
        ("a.m4a", "ffconcat version 1.0\nfile clip.aac\n"),
    ],
)
def test_playlists_are_not_followed(name, text, tmp_path):
    """FFmpeg itself would open the file that the playlist names."""
    encode(tmp_path / "clip.aac", "aac")
    path = tmp_path / name
    path.write_text(text)
    with av.open(str(path)) as container:
        assert len(list(container.decode(audio=0))) > 80
    assert reason_of(path) == "not decodable audio (Format not recognised.)"


def test_films(tmp_path):
    """Of a film, the sound is taken; many an M4A is one, because its cover is a picture."""
    clip = audio.load_clip(encode(tmp_path / "a.mp4", "alac"), 44_100, 1.0)
    np.testing.assert_allclose(clip, tones([440], (22_050 + np.arange(44_100)) / 44_100), atol=5e-5)
    with av.open(str(tmp_path / "b.mp4"), "w") as container:
        add_picture(container)
    assert decoders.declared_seconds(tmp_path / "b.mp4") == reason_of(tmp_path / "b.mp4") == "has no audio stream"


def test_the_estimated_length_of_an_aac_is_no_reason_to_refuse_it(tmp_path):
    """FFmpeg estimates it by the bit rate of the first frames, which are silent here."""
    path = encode(tmp_path / "a.aac", "aac", seconds=4, silent_s=1.5)
    assert decoders.declared_seconds(path) > 4.5
    assert level_db(audio.load_clip(path, 16_000, 1.0)) == pytest.approx(0, abs=0.1)


# What gives no clip


def reason_of(path: Path, load=audio.load_clip, **options) -> str:
    """Why a file gives no clip of a second; the message must name the file as well."""
    if load is audio.load_clip:
        options = {"seconds": 1.0} | options
    with pytest.raises(audio.AudioError) as caught:
        load(path, RATE, **options)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def replaced(samples: np.ndarray, position: int, value: float) -> np.ndarray:
    """The samples with one of them replaced."""
    return np.where(np.arange(len(samples)) == position, np.float32(value), samples)


SILENCE = np.zeros(4 * RATE, np.float32)
SAMPLES = {
    # name: samples, why they give no clip of a second, and why not as a whole; None where they do
    "silent": (SILENCE, "all-silent in its centred 1.0 s", "all-silent"),
    "silent but before the clip": (replaced(SILENCE, 23_999, 0.1), "all-silent in its centred 1.0 s", None),
    "silent but at its first sample": (replaced(SILENCE, 24_000, 0.1), None, None),
    "silent but at its last sample": (replaced(SILENCE, 39_999, 0.1), None, None),
    "silent but after the clip": (replaced(SILENCE, 40_000, 0.1), "all-silent in its centred 1.0 s", None),
    "not a number": (replaced(NOISE, 7, np.nan), *["has samples that are not finite"] * 2),
    "infinite": (replaced(NOISE, 7, -np.inf), *["has samples that are not finite"] * 2),
    "the loudest": (replaced(NOISE, 7, -(2.0**31)), None, None),
    "too loud": (replaced(NOISE, 7, 2.2e9), *["has a sample of 2.2e+09, which is not sound: full scale is 1"] * 2),
    "short": (NOISE[:15_840], "shorter than 1.0 s (0.99 s)", None),
    "no samples": (NOISE[:0], "shorter than 1.0 s (0.00 s)", "has no samples"),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_give_no_clip(case, tmp_path):
    samples, *reasons = SAMPLES[case]
    path = write(tmp_path / "a.wav", samples)
    for load, reason in zip((audio.load_clip, audio.load_all), reasons, strict=True):
        if reason:
            assert reason_of(path, load) == reason
        else:
            assert (load(path, RATE, 1.0) if load is audio.load_clip else load(path, RATE)).any()


def cut_off(name: str, share: float):
    """Writes the first part of a file of four seconds."""

    def make(folder: Path) -> Path:
        soundfile.write(folder / name, NOISE, RATE)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])
        return folder / name

    return make


def header_of_wav(n_bytes: int):
    """Writes a WAV of 16 bits and four seconds whose header has this size of the samples."""

    def make(folder: Path) -> Path:
        soundfile.write(folder / "a.wav", NOISE, RATE)
        content = (folder / "a.wav").read_bytes()
        assert content[40:44] == struct.pack("<I", 8 * RATE)
        (folder / "a.wav").write_bytes(content[:40] + struct.pack("<I", n_bytes) + content[44:])
        return folder / "a.wav"

    return make


def m4a_without_its_last_packets(folder: Path) -> Path:
    """Writes an M4A of two seconds that ends after its 12th packet of 4,096 samples, as a broken download may."""
    path = encode(folder / "a.m4a", "alac", options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
    path.write_bytes(path.read_bytes()[: packets[11].pos + packets[11].size])
    return path


FILES = {
    # Each has enough samples for a clip of a second, or would have.
    "missing": (lambda folder: folder / "a.wav", "missing file"),
    "zero bytes": (cut_off("a.wav", 0), "zero bytes"),
    "wav": (cut_off("a.wav", 3 / 4), "truncated: 3.00 s of 4.00 s"),
    "aiff": (cut_off("a.aiff", 3 / 4), "truncated: 3.00 s of 4.00 s"),
    "au": (cut_off("a.au", 3 / 4), "truncated: 3.00 s of 4.00 s"),
    "flac": (cut_off("a.flac", 3 / 4), "not decodable audio (Error : flac decoder lost sync.)"),
    "mp3": (cut_off("a.mp3", 1 / 10), "shorter than 1.0 s (0.18 s)"),
    "ogg": (cut_off("a.ogg", 1 / 2), "shorter than 1.0 s (0.87 s)"),
    "wav whose header says just too much": (header_of_wav(8 * RATE + 8_002), "truncated: 4.00 s of 4.25 s"),
    "wav whose header says 0.25 s more": (header_of_wav(8 * RATE + 8_000), None),
    "wav whose header says more": (header_of_wav(12 * RATE), "truncated: 4.00 s of 6.00 s"),
    "wav whose header says nothing": (header_of_wav(0x7FF0_0000), None),
    "wav whose header says almost nothing": (header_of_wav(0x7FEF_FFFE), "truncated: 4.00 s of 67076.10 s"),
    "m4a": (m4a_without_its_last_packets, "truncated: 1.11 s of 2.00 s"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_give_no_clip(case, tmp_path):
    make, reason = FILES[case]
    path = make(tmp_path)
    if reason is None:
        assert len(audio.load_clip(path, RATE, 1.0)) == RATE
        assert len(audio.load_all(path, RATE)) == 4 * RATE
        return
    assert reason_of(path) == reason
    if not reason.startswith("shorter"):
        assert reason_of(path, audio.load_all) == reason


def test_an_m4a_that_ends_within_a_packet(tmp_path):
    path = m4a_without_its_last_packets(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    assert reason_of(path).startswith("not decodable audio ([Errno 1094995529] Invalid data found when processing inp")


@pytest.mark.parametrize("load", [audio.load_clip, audio.load_all])
def test_length_is_bounded(load, tmp_path, monkeypatch):
    assert audio.MAX_SAMPLES == 172_800_000  # an hour at 48 kHz
    path = write(tmp_path / "a.wav", NOISE)
    monkeypatch.setattr(audio, "MAX_SAMPLES", 4 * RATE - 1)
    assert reason_of(path, load) == "longer than 4 s"
    monkeypatch.setattr(audio, "MAX_SAMPLES", 4 * RATE)
    assert len(audio.load_all(path, RATE)) == 4 * RATE


def test_sample_rates_are_bounded(tmp_path):
    samples = np.full(800_000, 0.1, np.float32)
    assert len(audio.load_clip(write(tmp_path / "a.wav", samples, 768_000), 12_000, 1.0)) == 12_000
    assert reason_of(write(tmp_path / "b.wav", samples, 768_001)) == "has a sample rate of 768001 Hz"


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
