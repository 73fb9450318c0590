"""Files that are no clip, or are clips in odd surroundings. Each gets a reason, and its shard continues without it."""

import json
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import run_script
from encoded import encode

from howlow import files
from howlow.data import tracks
from howlow.features import audio, decoders, mel

RATES = (12_000, 16_000)
SECONDS = 1.0
NOISE = 0.1 * np.random.default_rng(0).standard_normal(16_000 * 2)


def sound(name: str, samples: np.ndarray = NOISE, **settings: str) -> Callable[[Path], Path]:
    """Writes a sound file of two seconds."""

    def make(folder: Path) -> Path:
        soundfile.write(folder / name, samples, 16_000, **settings)
        return folder / name

    return make


def changed(name: str, change: Callable[[bytes], bytes], **settings: str) -> Callable[[Path], Path]:
    """Writes a sound file with some of its bytes changed."""

    def make(folder: Path) -> Path:
        path = sound(name, **settings)(folder)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def beside(name: str, companion: bytes) -> Callable[[Path], Path]:
    """Writes an MP3 and, beside it, a file such as a Mac leaves on the disks of other systems."""

    def make(folder: Path) -> Path:
        (folder / f"._{name}").write_bytes(companion)
        return sound(name)(folder)

    return make


def one_sample(value: float) -> Callable[[Path], Path]:
    """Writes a float WAV with one sample of this value, in its first quarter, which is in no clip."""
    samples = NOISE.astype(np.float32)
    samples = np.where(np.arange(len(samples)) == 100, np.float32(value), samples)
    return sound("a.wav", samples, subtype="FLOAT")


def linked(target: str) -> Callable[[Path], Path]:
    """Makes a symbolic link."""

    def make(folder: Path) -> Path:
        (folder / "link.mp3").symlink_to(target)
        return folder / "link.mp3"

    return make


def named(name: str) -> Callable[[Path], Path]:
    """Names a file without making it."""
    return lambda folder: folder / name


def of_size(n_bytes: int) -> Callable[[bytes], bytes]:
    """Sets the size of the samples in the header of a WAV."""
    return lambda content: content[:40] + struct.pack("<I", n_bytes) + content[44:]


def pipe(folder: Path) -> Path:
    """Makes a named pipe to which nobody writes."""
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


NOT_AUDIO = "not decodable audio (Format not recognised.)"
ODD_FILES = {
    # name: what is made, and the reason why it gives no clip; None if it gives one
    "link-to-itself": (linked("link.mp3"), "can't be opened: too many levels of symbolic links"),
    "link-to-nothing": (linked("nothing.mp3"), "missing file"),
    "link-out-of-the-root": (linked("/etc/hosts"), "a symbolic link leads out of the dataset's root"),
    "name-of-300": (named("n" * 300), "can't be opened: file name too long"),
    "path-of-5000": (named("d/" * 2500), "can't be opened: file name too long"),
    "null-character": (named("a\0b.mp3"), "missing file: there is a null character in its path"),
    "file-for-a-folder": (lambda folder: sound("a.wav")(folder) / "b.wav", "can't be opened: not a directory"),
    "folder": (named(""), "not a file"),
    "pipe": (pipe, "not a file"),
    "mac-junk": (beside("a.mp3", b"\0\5\x16\7" + b"junk" * 20), None),
    "mac-empty": (beside("a.mp3", b""), None),
    "mp3-after-junk": (changed("a.mp3", lambda content: b"\0" * 3000 + content), None),
    "mp3-cut-within-a-frame": (changed("a.mp3", lambda content: content[77:]), None),
    "text-as-mp3": (changed("a.mp3", lambda content: b"no sound\n" * 999), NOT_AUDIO),
    "sample-of-3e38": (one_sample(3e38), "has a sample of 3e+38, which is not sound: full scale is 1"),
    "sample-of-minus-1e20": (one_sample(-1e20), "has a sample of 1e+20, which is not sound: full scale is 1"),
    "sample-is-infinite": (one_sample(np.inf), "has samples that are not finite"),
    "sample-is-nan": (one_sample(np.nan), "has samples that are not finite"),
    "32-bit-integers-as-floats": (one_sample(-(2.0**31)), None),
    "wav-says-twice-its-size": (changed("a.wav", of_size(2 * 64_000)), "truncated: 2.00 s of 4.00 s"),
    "wav-cut-off": (changed("a.wav", lambda content: content[:48_000]), "truncated: 1.50 s of 2.00 s"),
    "aiff-cut-off": (changed("a.aiff", lambda content: content[:48_000]), "truncated: 1.50 s of 2.00 s"),
    "au-cut-off": (changed("a.au", lambda content: content[:48_000]), "truncated: 1.50 s of 2.00 s"),
    "wav-lacks-a-few-samples": (changed("a.wav", lambda content: content[:-1000]), None),
    "wav-of-a-stream-0xffffffff": (changed("a.wav", of_size(0xFFFF_FFFF)), None),
    "wav-of-a-stream-0x80000000": (changed("a.wav", of_size(0x8000_0000)), None),
    "wav-of-a-stream-0x7ffff000": (changed("a.wav", of_size(0x7FFF_F000)), None),
}

HEADERS = {
    # what the header says where it is not two seconds
    "link-out-of-the-root": NOT_AUDIO,
    "mp3-cut-within-a-frame": 1.07,  # the first frame holds the length, and is cut
    "wav-cut-off": 1.5,
    "aiff-cut-off": 1.5,
    "au-cut-off": 1.5,
    "wav-lacks-a-few-samples": 1.97,
}


def decode(folder: Path, paths: list[Path], rate: int):
    """Run `decode` on one shard of these files."""
    n = len(paths)
    ids, labels = [str(number) for number in range(n)], np.ones((n, 1), bool)
    listed = [os.path.relpath(path, folder) for path in paths]
    tracks.Tracks(ids, listed, ["train"] * n, ["00"] * n, ids, ("a",), labels).write(folder / "t.parquet", "mine")
    spec = {"sample_rate": rate, "seconds": SECONDS}
    outputs = ["--audio", folder / "a.npy", "--record", folder / "clips.json"]
    inputs = ["--tracks", folder / "t.parquet", "--shard", "00", "--root", folder]
    return run_script("decode", *inputs, *outputs, spec=spec)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("case", ODD_FILES)
def test_a_shard_goes_on_without_an_odd_file(case, rate, tmp_path):
    make, reason = ODD_FILES[case]
    path = make(tmp_path)
    good = sound("good.flac")(tmp_path)
    process = decode(tmp_path, [path, good], rate)
    assert process.returncode == 0, process.stderr
    record = files.read_json(tmp_path / "clips.json")
    if reason is None:
        assert record["clip_ids"] == ["0", "1"]
        assert record["excluded"] == []
    else:
        assert record["clip_ids"] == ["1"]
        assert record["excluded"] == [["0", reason]]


@pytest.mark.parametrize("case", ODD_FILES)
def test_what_check_says_of_an_odd_file(case, tmp_path):
    """A header knows nothing of the samples; what can't be opened has the same reason as above."""
    make, reason = ODD_FILES[case]
    expected = HEADERS.get(case, 2.0)
    if reason and reason.startswith(("can't be opened", "missing", "not ")):
        expected = reason
    assert decoders.declared_seconds(make(tmp_path)) == pytest.approx(expected, abs=0.01)


def test_a_clip_does_not_depend_on_what_lies_beside_it(tmp_path):
    path = sound("a.mp3")(tmp_path)
    alone, whole = audio.load_clip(path, 16_000, SECONDS), audio.load_all(path, 16_000)
    (tmp_path / "._a.mp3").write_bytes(b"\0\5\x16\7" + b"junk" * 20)
    np.testing.assert_array_equal(audio.load_clip(path, 16_000, SECONDS), alone)
    np.testing.assert_array_equal(audio.load_all(path, 16_000), whole)
    assert isinstance(decoders.declared_seconds(path), float)


@pytest.mark.parametrize("log_type", ["db", "log"])
def test_the_loudest_samples_that_are_taken_have_a_finite_spectrogram(log_type):
    signal = np.full(16_000, audio.MAX_LEVEL, np.float32)
    spectrogram = mel.compress(mel.mel_power(signal, 16_000, 8), log_type)
    assert np.isfinite(spectrogram.astype(np.float16)).all()


def test_opening_a_file_leaves_no_descriptor_open(tmp_path):
    path = changed("a.mp3", lambda content: b"no sound\n" * 999)(tmp_path)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        assert isinstance(decoders.declared_seconds(path), str)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_an_m4a_may_be_named_like_a_protocol(tmp_path, monkeypatch):
    """FFmpeg would take the text before a colon for the name of a protocol."""
    encode(tmp_path / "clip.m4a", "aac").rename(tmp_path / "http:clip.m4a")
    monkeypatch.chdir(tmp_path)
    assert len(audio.load_clip("http:clip.m4a", 16_000, SECONDS)) == 16_000


@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_may_not_be_read_is_said_to_be_that(which):
    with tempfile.TemporaryDirectory() as name:  # not in pytest's folder, which only one user may enter
        Path(name).chmod(0o755)
        folder = Path(name, "folder")
        folder.mkdir()
        path = sound("a.wav")(folder)
        assert as_nobody(decoders.declared_seconds, path) == 2
        (path if which == "file" else folder).chmod(0)
        for function in (audio.load_clip, audio.load_all):
            assert as_nobody(_reason, function, path) == "can't be opened: permission denied"
        assert as_nobody(decoders.declared_seconds, path) == "can't be opened: permission denied"
        folder.chmod(0o755)


def _reason(function: Callable, path: Path) -> str:
    with pytest.raises(audio.AudioError) as caught:
        function(path, 16_000)
    return caught.value.reason


def as_nobody(function: Callable[..., object], *arguments: object) -> object:
    """Call a function as a user other than root, whom no permission stops, and return its result."""
    if os.getuid():
        return function(*arguments)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.setuid(65_534)
        try:
            os.write(writer, json.dumps(function(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return json.load(answer)
