"""Which formats are read, which files give no clip, the reasons that are given, and what is at the bounds."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from encoded import NOISE, RATE, add_picture, encode, level_db, tones, write

from howlow.features import audio, decoders


def reason_of(path: Path, load=audio.load_clip, **options) -> str:
    """Why a file gives no clip of a second; the message must name the file as well."""
    if load is audio.load_clip:
        options = {"seconds": 1.0} | options
    with pytest.raises(audio.AudioError) as caught:
        load(path, RATE, **options)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


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


def test_remarks_of_libraries_are_left_out_and_those_of_python_are_not():
    code = (
        "import os, sys\nfrom howlow.features import decoders\n"
        "with decoders.without_remarks():\n"
        "    os.write(2, b'a remark in C\\n'); print('of Python', file=sys.stderr)\n"
        "os.write(2, b'afterwards\\n'); print('again', file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stderr == "of Python\nafterwards\nagain\n"
