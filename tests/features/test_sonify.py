"""Known sounds come back from their mel-spectrograms, and the program's page plays them."""

import base64
import csv
import io
import json
import re
from html import escape

import numpy as np
import pytest
import soundfile
import soxr
from conftest import run_script

from howlow import files
from howlow.data import tracks
from howlow.data.demo import synthesis
from howlow.features import arrays, audio, mel, sonify
from howlow.features.representation import Cell, Representation, n_frames
from howlow.results import soundpage

SECONDS = 3.0
RATES = (12_000, 16_000)
# The plain part of a clip's id, and the first digits of its SHA-256, from `printf %s "sub/4" | sha256sum`.
FOLDERS = {"<3>": "3-c559014c", "sub/4": "sub-4-5bf0e86e"}
CELLS = ["12k_mel8_x2_log", "16k_mel48_x1_db", "12k_mel48_x10_db"]


@pytest.fixture(scope="module")
def music():
    """`SECONDS` of synthetic music of two instruments, for each sample rate."""
    clip = synthesis.render({"piano", "flute", "drums"}, np.random.default_rng(1), 29.2, probes=["air"])[:, 0]
    return {16_000: clip[: round(SECONDS * 16_000)], 12_000: soxr.resample(clip, 16_000, 12_000)[: 12_000 * 3]}


def spectrogram(signal, representation):
    power = mel.mel_power(signal, representation.sample_rate, representation.n_mels, "periodic")
    return mel.compress(power[:, :: representation.hop_factor], representation.log_type)


def there_and_back(signal, representation, method):
    before = spectrogram(signal, representation)
    samples = sonify.sonify(before, representation, method)
    return samples, sonify.correlation(before, samples, representation)


@pytest.mark.parametrize("method", sonify.METHODS)
@pytest.mark.parametrize("name", ["12k_mel96_x1_db", "16k_mel48_x3_log", "44.1k_mel64_x1_db"])
def test_a_tone_comes_back_where_it_was(name, method):
    representation = Cell.parse(name, SECONDS, 1.0)
    rate = representation.sample_rate
    tone = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(SECONDS * rate) / rate)).astype(np.float32)
    samples, _ = there_and_back(tone, representation, method)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    near = np.abs(hz - 1000) < 2.5 * rate / mel.FRAME_SIZE  # the main lobe of a Hann window and half a bin
    assert power[near].sum() > 0.9 * power.sum()
    assert np.mean(samples**2) == pytest.approx(np.mean(tone**2), rel=0.25)


@pytest.mark.parametrize("method", sonify.METHODS)
@pytest.mark.parametrize("log_type", ["db", "log"])
def test_silence_stays_silent(log_type, method):
    representation = Representation(12_000, 48, 1, log_type, seconds=SECONDS)
    samples, correlation = there_and_back(np.zeros(36_000, np.float32), representation, method)
    assert np.abs(samples).max() < 1e-4
    assert np.isnan(correlation)


@pytest.mark.parametrize("method", sonify.METHODS)
@pytest.mark.parametrize("log_type", ["db", "log"])
@pytest.mark.parametrize("n_mels", [48, 96, 128])
@pytest.mark.parametrize("rate", RATES)
def test_sound_has_the_spectrogram_that_it_was_made_from(music, rate, n_mels, log_type, method):
    _, correlation = there_and_back(music[rate], Representation(rate, n_mels, 1, log_type, seconds=SECONDS), method)
    assert 0.9 <= correlation <= 1


@pytest.mark.parametrize("rate", RATES)
def test_sound_of_real_music_has_its_spectrogram(real_music, rate):
    path = sorted(real_music.glob("mp3/*/*.mp3"))[100]
    clip = audio.load_clip(path, rate)
    for n_mels in (48, 96, 128):
        for log_type in ("db", "log"):
            _, correlation = there_and_back(clip, Representation(rate, n_mels, 1, log_type), "noise")
            assert correlation >= 0.9, (n_mels, log_type)


def test_griffin_lim_is_nearer_than_noise(music):
    representation = Representation(16_000, 96, 1, "db", seconds=SECONDS)
    noise, griffin_lim = (there_and_back(music[16_000], representation, method)[1] for method in sonify.METHODS)
    assert noise < griffin_lim - 0.005


def test_correlation_is_that_of_the_same_sound_and_falls_with_another(music):
    representation = Representation(16_000, 48, 2, "db")
    before = spectrogram(music[16_000], representation)
    assert sonify.correlation(before, music[16_000], representation) == pytest.approx(1)
    assert sonify.correlation(before, music[16_000][::-1], representation) < 0.9


@pytest.mark.parametrize("log_type", ["db", "log"])
def test_expand_undoes_compress(log_type):
    power = np.array([0, 1e-4, 0.5, 1000], np.float32)
    np.testing.assert_allclose(sonify.expand(mel.compress(power, log_type), log_type), power, rtol=1e-4, atol=1e-9)


def test_expand_refuses_an_unknown_log_type():
    with pytest.raises(ValueError, match="log_type is 'db' or 'log', not 'ln'"):
        sonify.expand(np.zeros((2, 2)), "ln")


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_mels", [8, 48, 128])
def test_inverted_spectrum_has_the_mel_bands(music, rate, n_mels):
    power = mel.mel_power(music[rate], rate, n_mels)
    spectrum = sonify.invert_mel(power, rate)
    assert spectrum.shape == (power.shape[1], mel.FRAME_SIZE // 2 + 1)
    assert (spectrum >= 0).all()
    # It is exact to a fraction of a decibel even here, where silent bands lie next to loud ones.
    difference_db = mel.compress(mel.mel_bands(spectrum, rate, n_mels), "db") - mel.compress(power, "db")
    assert np.sqrt(np.mean(difference_db**2)) < 0.5


@pytest.mark.parametrize("n_samples", [1, 255, 256, 257, 5000])
def test_consistent_frames_give_the_signal_back(n_samples):
    signal = np.random.default_rng(0).standard_normal(n_samples, np.float32)
    frames = sonify._frames(signal)
    assert len(frames) == n_frames(n_samples)
    np.testing.assert_allclose(np.abs(frames) ** 2, mel.power_spectrum(signal), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(sonify._overlap_add(frames, n_samples), signal, atol=1e-5)


@pytest.mark.parametrize("method", sonify.METHODS)
@pytest.mark.parametrize("hop_factor", [1, 3, 10])
@pytest.mark.parametrize("seconds", [1.0, 1.0123])
def test_length_and_determinism(seconds, hop_factor, method):
    representation = Representation(12_000, 16, hop_factor, "db", seconds=seconds)
    signal = np.random.default_rng(0).standard_normal(round(12_000 * seconds), np.float32)
    first, _ = there_and_back(signal, representation, method)
    second, _ = there_and_back(signal, representation, method)
    assert first.shape == signal.shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


def test_level_is_kept_unless_it_would_clip():
    representation = Representation(12_000, 16, 1, "db", seconds=1.0)
    signal = 0.1 * np.random.default_rng(0).standard_normal(12_000, np.float32)
    soft, _ = there_and_back(signal, representation, "noise")
    assert np.mean(soft**2) == pytest.approx(np.mean(signal**2), rel=0.25)
    loud, _ = there_and_back(100 * signal, representation, "noise")
    assert np.abs(loud).max() == pytest.approx(1)


def test_refuses_an_unknown_method_and_another_shape():
    representation = Representation(12_000, 16, 2, "db", seconds=1.0)
    with pytest.raises(ValueError, match="method is 'noise' or 'griffin_lim', not 'vocoder'"):
        sonify.sonify(np.zeros((16, 24)), representation, "vocoder")
    with pytest.raises(ValueError, match=r"n_mels=16, hop_factor=2, .* has the shape \(16, 24\), not \(16, 48\)"):
        sonify.sonify(np.zeros((16, 48)), representation, "noise")


@pytest.fixture
def collection(tmp_path, music):
    """Five clips. Three of them are test clips, and one of these is in no store."""
    clip_ids = ["1", "2", "<3>", "sub/4", "5"]
    splits = ["train", "validation", "test", "test", "test"]
    held = [0, 1, 2, 3]
    for number in range(5):
        soundfile.write(tmp_path / f"{number}.wav", (0.2 + 0.1 * number) * music[16_000], 16_000)
    paths = [f"{number}.wav" for number in range(5)]
    labels = np.ones((5, 1), bool)
    tracks.Tracks(clip_ids, paths, splits, ["00"] * 5, clip_ids, ("x",), labels).write(
        tmp_path / "tracks.parquet", "mine"
    )
    for rate, n_mels in ((12_000, 8), (12_000, 48), (16_000, 48)):
        folder = tmp_path / "mel" / str(rate) / str(n_mels)
        clips = [audio.load_clip(tmp_path / paths[number], rate, SECONDS) for number in held]
        rows = [spectrogram(clip, Representation(rate, n_mels, 1, "db")) for clip in clips]
        arrays.write_rows(folder / "00.npy", rows, rows[0].shape, "float16")
        shard = {"file": "00.npy", "clip_ids": [clip_ids[number] for number in held]}
        manifest = {"n_mels": n_mels, "n_frames": rows[0].shape[1], "dtype": "float16", "shards": [shard]}
        files.write_json(folder / "manifest.json", manifest)
    return tmp_path


def run_sonify(root, clips=2, cells=CELLS, threads=1, audio="flac"):
    spec = {
        "cells": cells,
        "clips": clips,
        "methods": list(sonify.METHODS),
        "seconds": SECONDS,
        "width": 1.0,
        "quantizer": "global",
        "fold": None,
        "window": "periodic",
    }
    paths = json.dumps({"root": str(root)})
    inputs = ["--tracks", root / "tracks.parquet", "--paths", paths, "--mel", root / "mel", "--threads", threads]
    outputs = ["--page", root / "page.html", "--correlations", root / "r.csv", "--audio", root / audio]
    return run_script("sonify", *inputs, *outputs, spec=spec)


def test_page_plays_the_original_and_every_cell(collection):
    process = run_sonify(collection)
    assert process.returncode == 0, process.stderr
    page = (collection / "page.html").read_text()
    players = re.findall(r'<audio [^>]*aria-label="([^"]+)" src="data:audio/flac;base64,([^"]+)"></audio>', page)
    assert len(players) == page.count("<audio") == 2 * (1 + len(CELLS) * 2)
    for label, content in players:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate == (12_000 if "12 kHz" in label else 16_000)
        assert len(samples) == SECONDS * rate
        assert samples.any()
    assert len({content for _, content in players}) == len(players)
    assert [label for label, _ in players[:3]] == [
        "original of clip &lt;3&gt;",
        "16 kHz, 48 bands, x1 hop, dB, Noise",
        "16 kHz, 48 bands, x1 hop, dB, Griffin-Lim",
    ]
    assert f"{48 * 189 * 2:,}" in page  # the bytes of a clip at 16 kHz
    assert not re.search(r"https?:|<link[^>]+href=\"(?!data:)", page)


def test_excerpt_is_the_middle_and_shrinks_as_far_as_the_page_needs(tmp_path):
    assert soundpage.excerpt_seconds(1_000_000, 29.1) == 10
    assert soundpage.excerpt_seconds(1_000_000, 5.0) == 5
    assert soundpage.excerpt_seconds(90_000_000, 29.1) == 4.8  # 4.1 MB a second in base64
    assert soundpage.excerpt_seconds(900_000_000, 29.1) == 3
    ramp = np.arange(-4000, 4000, dtype=np.int16)
    soundfile.write(tmp_path / "ramp.flac", ramp, 1000, subtype="PCM_16")
    samples, _ = soundfile.read(io.BytesIO(soundpage._excerpt(tmp_path / "ramp.flac", 2.0)), dtype="int16")
    np.testing.assert_array_equal(samples, ramp[3000:5000])


def test_bits_and_seconds_are_heard_and_named(collection):
    cells = [f"16k_mel48_x1_db{further}" for further in ("", "_4bit", "_1s")]
    process = run_sonify(collection, clips=1, cells=cells)
    assert process.returncode == 0, process.stderr
    page = (collection / "page.html").read_text()
    players = re.findall(r'<audio [^>]*aria-label="([^"]+)" src="data:audio/flac;base64,([^"]+)"></audio>', page)
    names = [f"16 kHz, 48 bands, x1 hop, dB{further}, Noise" for further in ("", ", 1 s", ", 4 bits")]
    assert sorted(label for label, _ in players if label.endswith("Noise")) == sorted(names)
    assert len({content for _, content in players}) == len(players)
    for label, content in players:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert len(samples) == (1 if "1 s" in label else SECONDS) * rate
        assert samples.any()


def test_correlations_and_flac_files_of_whole_clips(collection):
    assert run_sonify(collection).returncode == 0
    with (collection / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sorted_cells = ["16k_mel48_x1_db", "12k_mel48_x10_db", "12k_mel8_x2_log"]
    expected = [(clip, cell, method) for clip in ("<3>", "sub/4") for cell in sorted_cells for method in sonify.METHODS]
    assert [(row["clip_id"], row["cell"], row["method"]) for row in rows] == expected
    assert all(0.8 < float(row["correlation"]) <= 1 for row in rows)
    for clip_id, cell, method in expected:
        info = soundfile.info(collection / "flac" / FOLDERS[clip_id] / f"{cell}_{method}.flac")
        assert (info.frames, info.subtype) == (SECONDS * info.samplerate, "PCM_16")
        assert info.samplerate == Cell.parse(cell, SECONDS, 1.0).sample_rate
    original, rate = soundfile.read(collection / "flac" / FOLDERS["sub/4"] / "original.flac")
    np.testing.assert_allclose(original, audio.load_clip(collection / "3.wav", rate, SECONDS), atol=1e-4)


def test_all_files_are_the_same_whatever_the_number_of_processes(collection):
    digests = []
    for threads in (1, 2):
        assert run_sonify(collection, threads=threads).returncode == 0
        written = [collection / "page.html", collection / "r.csv", *sorted((collection / "flac").rglob("*.flac"))]
        digests.append([files.sha256(path) for path in written])
    assert digests[0] == digests[1]


def test_a_failure_leaves_what_was_there(collection):
    assert run_sonify(collection).returncode == 0
    before = sorted(collection.rglob("*"))
    (collection / "2.wav").write_bytes(b"RIFF, but broken")
    process = run_sonify(collection)
    assert process.returncode == 1
    assert re.search(r"^howlow sonify: .*2\.wav: not decodable audio", process.stderr)
    assert sorted(collection.rglob("*")) == before


@pytest.mark.parametrize("threads", [1, 2])
def test_the_disk_is_full(collection, small_disk, threads):
    path = collection / "results" / "flac"
    process = run_sonify(collection, audio=path, threads=threads)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow sonify: {path}: no space left on its disk; make room and start again")
    assert len(process.stderr.splitlines()) == 1
    assert list(path.parent.iterdir()) == []


def test_no_test_clip_in_the_store(collection):
    manifest = collection / "mel" / "16000" / "48" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["shards"][0]["clip_ids"][2:] = ["8", "9"]
    manifest.write_text(json.dumps(content))
    process = run_sonify(collection)
    assert process.returncode == 1
    assert "none of the clips in" in process.stderr


@pytest.mark.parametrize(
    "odd",
    ["../../4", "/etc/passwd", "..", ".", "rock/loud/4.mp3", "x" * 400, "a b", "-rf", "ü", "CON\\4", "4/original.flac"],
)
def test_any_clip_id_has_a_folder_of_its_own(odd, collection):
    listed = tracks.read(collection / "tracks.parquet")
    changed = tracks.Tracks(**(listed.__dict__ | {"clip_ids": ["1", "2", "4", odd, "5"]}))
    changed.write(collection / "tracks.parquet", "mine")
    for manifest in collection.rglob("manifest.json"):
        content = files.read_json(manifest)
        content["shards"][0]["clip_ids"] = ["1", "2", "4", odd]
        files.write_json(manifest, content)
    process = run_sonify(collection, cells=CELLS[:1])
    assert process.returncode == 0, process.stderr
    folders = sorted(folder.name for folder in (collection / "flac").iterdir())
    assert len(folders) == 2
    assert all(re.fullmatch("[A-Za-z0-9.-]{1,64}", name) for name in folders)
    assert len(list((collection / "flac").glob("*/*.flac"))) == 2 * (1 + len(sonify.METHODS))
    assert {row["clip_id"] for row in files.read_csv(collection / "r.csv")} == {"4", odd}
    assert escape(odd) in (collection / "page.html").read_text()
