"""Tagging gives the same probabilities as training, for files of any length, and so does ONNX."""

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest
import torch
from conftest import HOWLOW, ROOT, run_command, run_script, runtime_only
from trained import LENGTH, MUSICNN, N_MELS, PUBLISHED, RATE, SECONDS, SPEC, TAGS, noise, write_audio, write_model

from howlow import files, networks, provenance, tagging
from howlow.data.tracks import Tracks
from howlow.features import arrays, audio, mel


def expected(content, signal):
    """The probabilities of one window, computed step by step."""
    spec = content["spec"]
    keys = ("sample_rate", "n_mels", "hop_factor", "seconds", "width")
    model = networks.build(spec["model"], n_tags=len(TAGS), **{key: spec[key] for key in keys}, **spec["options"])
    model.load_state_dict(content["weights"])
    power = mel.mel_power(signal, RATE, N_MELS, content["window"])[:, :: spec["hop_factor"]]
    spectrogram = torch.from_numpy(mel.compress(power, spec["log_type"]))
    with torch.no_grad():
        return torch.sigmoid(model.eval()(spectrogram[None, None]))[0].numpy()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pt"
    write_model(path)
    return path


def command(name, *arguments):
    """Run a program; returns its exit status, output and errors."""
    process = run_command(name, *arguments)
    return process.returncode, process.stdout, process.stderr


def tag_file(tagger, path):
    return tagging.tag(tagger, audio.load_all(path, RATE), path)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"log_type": "log"},
        {"hop_factor": 2},
        MUSICNN,
        PUBLISHED | {"hop_factor": 2, "log_type": "log", "options": PUBLISHED["options"] | {"segment_frames": 30}},
    ],
)
@pytest.mark.parametrize("window", mel.WINDOWS)
def test_a_file_of_one_window_has_the_networks_probabilities(tmp_path, spec, window):
    content = write_model(tmp_path / "model.pt", window, **spec)
    signal = noise(SECONDS)
    tagger = tagging.load(tmp_path / "model.pt")
    tagged = tag_file(tagger, write_audio(tmp_path / "a.wav", signal))
    assert tagged.seconds == SECONDS
    assert not tagged.is_repeated
    tolerance = 1e-6 if tagger.cell.log_type == "db" else 5e-6  # `log` goes through dB, as from a store
    np.testing.assert_allclose(tagged.probabilities, expected(content, signal), atol=tolerance)
    assert np.ptp(tagged.probabilities) > 0.01  # otherwise the comparison says nothing


LOW_DB = np.linspace(-60, -20, N_MELS)
LEVELS = {"low_db": LOW_DB.tolist(), "high_db": (LOW_DB + 35).tolist()}


@pytest.mark.parametrize("log_type", ["db", "log"])
def test_a_model_of_three_bits_gets_values_of_three_bits(tmp_path, log_type):
    """Its levels are 5 dB apart, and each band has its own."""
    content = write_model(tmp_path / "model.pt", log_type=log_type, bits=3)
    torch.save(content | {"levels": LEVELS}, tmp_path / "model.pt")
    signal, low = noise(SECONDS), LOW_DB[:, np.newaxis]
    decibels = mel.compress(mel.mel_power(signal, RATE, N_MELS), "db")
    rounded = low + 5 * np.clip(np.round((decibels - low) / 5), 0, 7)
    fed = rounded if log_type == "db" else np.log10(1 + 1e4 * 10 ** (rounded / 10))
    model = networks.build(
        "vgg", sample_rate=RATE, n_mels=N_MELS, hop_factor=1, n_tags=len(TAGS), seconds=SECONDS, width=1 / 64
    )
    model.load_state_dict(content["weights"])
    with torch.no_grad():
        probabilities = torch.sigmoid(model.eval()(torch.from_numpy(fed.astype(np.float32))[None, None]))[0].numpy()
    tagger = tagging.load(tmp_path / "model.pt")
    found = tag_file(tagger, write_audio(tmp_path / "a.wav", signal)).probabilities
    np.testing.assert_allclose(found, probabilities, atol=1e-5)
    bounds = [json.loads(tagging.metadata(tagger)[f"{end}_level_db"]) for end in ("lowest", "highest")]
    np.testing.assert_allclose(bounds, [LEVELS["low_db"], LEVELS["high_db"]], atol=1e-5)


def test_the_spectrograms_window_is_the_models(tmp_path):
    path = write_audio(tmp_path / "a.wav", noise(SECONDS))
    found = []
    for window in mel.WINDOWS:
        content = write_model(tmp_path / "model.pt")
        torch.save(content | {"window": window}, tmp_path / "model.pt")
        found.append(tag_file(tagging.load(tmp_path / "model.pt"), path).probabilities)
    assert not np.array_equal(*found)


@pytest.mark.parametrize("n_samples", [LENGTH + RATE, 2 * LENGTH, 2 * LENGTH + 1, 5 * LENGTH - 7, 50 * LENGTH + 11_111])
def test_windows_cover_a_file_evenly(n_samples):
    starts = tagging.starts(n_samples, LENGTH, RATE)
    assert starts[0] == 0
    assert starts[-1] == n_samples - LENGTH
    steps = np.diff(starts)
    assert steps.max() <= LENGTH
    assert np.ptp(steps) <= 1
    assert len(starts) == int(np.ceil(n_samples / LENGTH))


@pytest.mark.parametrize("spare", [0, 1, RATE - 1])
def test_a_file_hardly_longer_than_a_window_has_its_centre(spare):
    assert tagging.starts(LENGTH + spare, LENGTH, RATE) == [spare // 2]


def test_a_long_file_has_the_mean_of_its_windows(model, tmp_path):
    content = torch.load(model, weights_only=True)
    signal = noise(10.5 * SECONDS)
    starts = np.linspace(0, len(signal) - LENGTH, 11).round().astype(int)
    windows = [expected(content, signal[start : start + LENGTH]) for start in starts]
    tagged = tag_file(tagging.load(model), write_audio(tmp_path / "a.wav", signal))
    np.testing.assert_allclose(tagged.probabilities, np.mean(windows, axis=0), atol=1e-6)
    assert np.ptp(windows, axis=0).max() > 0.01


def test_silent_windows_do_not_count(model, tmp_path):
    signal = noise(SECONDS)
    tagger = tagging.load(model)
    one = tag_file(tagger, write_audio(tmp_path / "a.wav", signal))
    padded = np.concatenate([np.zeros(3 * LENGTH), signal, np.zeros(2 * LENGTH)]).astype(np.float32)
    several = tag_file(tagger, write_audio(tmp_path / "b.wav", padded))
    np.testing.assert_allclose(several.probabilities, one.probabilities, atol=1e-6)


def test_a_short_file_is_repeated_and_reported(model, tmp_path):
    signal = noise(0.3 * SECONDS)
    path = write_audio(tmp_path / "short.wav", signal)
    repeated = np.tile(signal, 4)[:LENGTH]
    tagged = tag_file(tagging.load(model), path)
    content = torch.load(model, weights_only=True)
    np.testing.assert_allclose(tagged.probabilities, expected(content, repeated), atol=1e-6)
    code, _, errors = command("tag", "--model", model, path)
    assert code == 0
    assert errors == f"howlow tag: {path}: 0.60 s, repeated to the 2 s that the model needs\n"


def without(key):
    def change(content):
        del content[key]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("window"), "has no window: not a model of this version of howlow; train it again"),
        (lambda content: content.update(window=None), "has no window"),
        (lambda content: content.clear(), "has no spec, tags, window, digest, weights: not a model"),
        (without("digest"), "has no digest"),
        (lambda content: content["spec"].update(model="resnet"), r"'resnet' is not one of \['vgg', 'musicnn'\]"),
        (lambda content: content["spec"].pop("hop_factor"), "'hop_factor'.*; train it again"),
        (lambda content: content["spec"]["options"].update(depth=3), r"options\.depth: unknown key"),
        (lambda content: content["tags"].pop(), r"size mismatch for classifier\.weight.*; train it again"),
    ],
)
def test_models_of_another_version_are_refused(tmp_path, change, message):
    path = tmp_path / "model.pt"
    content = write_model(path)
    content = content | {"spec": SPEC | {"options": dict(SPEC["options"])}, "tags": list(TAGS)}
    change(content)
    torch.save(content, path)
    with pytest.raises(tagging.ModelError, match=message) as caught:
        tagging.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "tensor", "pickle", "cut off", "damaged"])
def test_files_that_are_no_models_are_refused(model, kind):
    whole = model.read_bytes()
    model.unlink()
    if kind == "folder":
        model.mkdir()
    elif kind == "tensor":
        torch.save(torch.zeros(3), model)
    elif kind == "pickle":
        torch.save(torch.nn.Linear(1, 1), model)  # this is a class, which could run code
    elif kind != "missing":
        at = len(whole) // 2
        damaged = whole[:at] + bytes(255 - byte for byte in whole[at : at + 4]) + whole[at + 4 :]
        model.write_bytes({"empty": b"", "text": b"no\n" * 99, "cut off": whole[:-500], "damaged": damaged}[kind])
    reason = "missing file" if kind in ("missing", "folder") else "is not a model file, or is damaged"
    with pytest.raises(tagging.ModelError, match=f"^{re.escape(str(model))}: {reason}; training writes one named"):
        tagging.load(model)


def test_formats(model, tmp_path):
    paths = [write_audio(tmp_path / name, noise(SECONDS, seed)) for seed, name in enumerate(["a, b.wav", "ж.wav"])]
    tagger = tagging.load(model)
    truth = {str(path): dict(zip(TAGS, tag_file(tagger, path).probabilities.tolist(), strict=True)) for path in paths}

    code, text, errors = command("tag", "--model", model, *paths, "--format", "json")
    assert (code, errors) == (0, "")
    results = json.loads(text)
    assert [result["path"] for result in results] == list(map(str, paths))
    for result in results:
        assert result["tags"] == pytest.approx(truth[result["path"]], abs=1e-6)
        assert list(result["tags"].values()) == sorted(result["tags"].values(), reverse=True)
        representation = {"network": "vgg", "representation": "12k_mel8_x1_db", "seconds": 2.0}
        assert result["model"] == representation | {"digest": "0123456789abcdef"}

    _, text, _ = command("tag", "--model", model, *paths, "--format", "csv", "--top", 2)
    header, *rows = csv.reader(io.StringIO(text))
    assert header == ["path", "tag", "probability"]
    in_json = [(r["path"], tag, str(p)) for r in results for tag, p in list(r["tags"].items())[:2]]
    assert [tuple(row) for row in rows] == in_json

    _, text, _ = command("tag", "--model", model, *paths, "--top", 1)
    lines = text.splitlines()
    assert lines[::2] == list(map(str, paths))
    for line, result in zip(lines[1::2], results, strict=True):
        (best, probability), *_ = result["tags"].items()
        assert line.startswith(f"  {best}  {probability:.3f}  #")


def test_a_bad_file_does_not_stop_the_others(model, tmp_path):
    folder = tmp_path / "music" / "deep"
    folder.mkdir(parents=True)
    write_audio(folder / "b.WAV", noise(SECONDS))
    write_audio(folder.parent / "a.flac.wav", noise(SECONDS))
    (folder / "cover.jpg").touch()
    (folder / "._b.wav").touch()
    (folder / "zero.mp3").touch()
    output = tmp_path / "new" / "tags.csv"
    arguments = ["--model", model, "--format", "csv", "--top", 1, "--output", output]
    code, text, errors = command("tag", *arguments, folder.parent, tmp_path / "none.mp3")
    assert (code, text) == (1, "")
    assert errors.splitlines() == [
        f"howlow tag: {folder / 'zero.mp3'}: zero bytes",
        f"howlow tag: {tmp_path / 'none.mp3'}: missing file",
        "howlow tag: 2 of 4 files could not be tagged",
    ]
    assert [row["path"] for row in files.read_csv(output)] == [str(folder.parent / "a.flac.wav"), str(folder / "b.WAV")]


def test_names_that_are_no_text(model, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    write_audio(tmp_path / "a.wav", noise(SECONDS)).rename(path)
    code, text, _ = command("tag", "--model", model, path, "--format", "json")
    assert code == 0
    assert json.loads(text)[0]["path"].endswith("/caf\\xe9.wav")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "none.pt", "a.wav"], "howlow tag: none.pt: missing file"),
        (["--model", "{model}", "{folder}/nothing"], "nothing: there is no audio file in this folder"),
        (["--model", "{model}", "a.wav", "--top", "0"], "--top: must be a whole number of at least 1, not '0'"),
        (["--model", "{model}", "a.wav", "--output", "{folder}"], ": is a folder; name a file to write"),
    ],
)
def test_mistakes_get_one_line(model, tmp_path, arguments, message):
    (tmp_path / "nothing").mkdir()
    code, text, errors = command("tag", *(part.format(model=model, folder=tmp_path) for part in arguments))
    assert code in (1, 2)
    assert text == ""
    assert message in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 5e-3)])
def test_a_trained_model_tags_as_training_scored(tmp_path, dtype, tolerance):
    """A store rounds to `dtype`, and tagging does not."""
    clip_ids = [str(number) for number in range(16)]
    paths = [write_audio(tmp_path / f"{clip_id}.wav", noise(SECONDS, int(clip_id))) for clip_id in clip_ids]
    powers = [mel.mel_power(audio.load_clip(path, RATE, SECONDS), RATE, N_MELS) for path in paths]
    spectrograms = mel.compress(np.stack(powers), "db")
    arrays.write_rows(tmp_path / "00.npy", spectrograms, spectrograms.shape[1:], dtype)
    manifest = {"n_mels": N_MELS, "n_frames": spectrograms.shape[2], "dtype": dtype, "window": "periodic"}
    shard = {"file": "00.npy", "clip_ids": clip_ids, "sha256": files.sha256(tmp_path / "00.npy")}
    files.write_json(tmp_path / "manifest.json", manifest | {"shards": [shard]})
    splits = ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    labels = np.random.default_rng(0).random((16, 2)) < 0.5
    Tracks(clip_ids, clip_ids, splits, ["00"] * 16, clip_ids, ("a", "b"), labels).write(
        tmp_path / "tracks.parquet", "made-up"
    )
    arguments = ["--tracks", tmp_path / "tracks.parquet", "--manifest", tmp_path / "manifest.json"]
    assert run_script("train", *arguments, "--folder", tmp_path, "--device", "cpu", spec=SPEC).returncode == 0

    code, text, _ = command("tag", "--model", tmp_path / "model.pt", *paths[8:], "--format", "json")
    assert code == 0
    scores = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    for score, result in zip(scores, json.loads(text), strict=True):
        assert result["path"].endswith(f"/{score['clip_id']}.wav")
        assert result["tags"] == pytest.approx({tag: score[tag] for tag in "ab"}, abs=tolerance)
    run = files.read_json(tmp_path / "run.json")
    assert tagging.load(tmp_path / "model.pt").digest == provenance.digest(
        {key: run[key] for key in ("spec", "code", "inputs")}
    )


@pytest.mark.parametrize("spec", [{}, MUSICNN], ids=["vgg", "musicnn"])
def test_onnx_gives_the_same_probabilities(tmp_path, spec):
    content = write_model(tmp_path / "model.pt", log_type="log", **spec)
    path = tmp_path / "new" / "model.onnx"
    code, text, errors = command("export", "--model", tmp_path / "model.pt", "--onnx", path)
    assert (code, errors) == (0, "")
    assert "12k_mel8_x1_log, 8 bands and 95 frames to 5 tags" in text

    tagger = tagging.load(tmp_path / "model.pt")
    session = onnxruntime.InferenceSession(path)
    for n in (1, 3):
        windows = [noise(SECONDS, seed) for seed in range(n)]
        batch = np.stack([tagging.spectrogram(window, tagger.cell, tagger.window) for window in windows])
        (probabilities,) = session.run(["probabilities"], {"spectrogram": batch})
        np.testing.assert_allclose(probabilities, tagging.probabilities(tagger, windows), atol=1e-5, rtol=0)
        np.testing.assert_allclose(probabilities[0], expected(content, windows[0]), atol=1e-5, rtol=0)

    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata.pop("tags")) == TAGS
    assert metadata == {
        "network": content["spec"]["model"],
        "representation": "12k_mel8_x1_log",
        "sample_rate_hz": "12000",
        "n_mels": "8",
        "hop_factor": "1",
        "log_type": "log",
        "bits": "16",
        "seconds": "2.0",
        "width": "0.015625",
        "window": "periodic",
        "digest": "0123456789abcdef",
    }
    onnx.checker.check_model(path, full_check=True)
    assert str(ROOT).encode() not in path.read_bytes()  # the file reveals nothing about the machine that wrote it
    _check_example(path, tmp_path)


def _check_example(onnx_path, tmp_path):
    """Check that the example of docs/tagging.md prints the same as `tag.py`."""
    text = (ROOT / "docs" / "tagging.md").read_text()
    (example,) = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    song = write_audio(tmp_path / "song.wav", noise(SECONDS))
    example = example.replace("model.onnx", str(onnx_path)).replace("song.mp3", str(song))
    result = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(example, result)
    _, text, _ = command("tag", "--model", tmp_path / "model.pt", song, "--format", "json")
    assert result["tags"] == pytest.approx(json.loads(text)[-1]["tags"], abs=1e-5)


def test_packages_of_the_runtime_suffice(model, tmp_path):
    song, onnx_path = write_audio(tmp_path / "song.wav", noise(SECONDS)), tmp_path / "model.onnx"
    for name, *arguments in (("tag", song), ("export", "--onnx", onnx_path)):
        words = [*HOWLOW, name, "--model", model, *arguments]
        process = subprocess.run(words, capture_output=True, text=True, env=os.environ | runtime_only())
        assert process.returncode == 0, process.stderr
    assert onnx_path.exists()


def test_onnx_without_its_package(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, errors = command("export", "--model", model, "--onnx", tmp_path / "model.onnx")
    assert code == 1
    assert "model.onnx: the export to ONNX needs another package; run pip install onnxscript" in errors
    assert not (tmp_path / "model.onnx").exists()
