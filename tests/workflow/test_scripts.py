"""What the programs of workflow/scripts write and what they refuse, when they run from their command lines."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import run_script

from howlow import files
from howlow.data import tracks
from howlow.features import mel as howlow_mel

ROWS = [[1, 1, 0, "0/a.wav"], [2, 0, 1, "0/b.wav"], [3, 1, 0, "c/c.wav"], [4, 0, 1, "d/d.wav"], [5, 1, 0, "e/e.wav"]]
RATES = (12_000, 16_000)


@pytest.fixture
def collection(annotations):
    """Five clips, of which `2` is broken. The programs up to `decode` have run."""
    root = annotations(ROWS)
    rng = np.random.default_rng(0)
    for *_, path in ROWS:
        (root / path).parent.mkdir(exist_ok=True)
        soundfile.write(root / path, 0.1 * rng.standard_normal(16_000 * 2), 16_000)
    (root / "0" / "b.wav").write_bytes(b"RIFF, but broken")
    spec = {"dataset": "mine", "kind": "mtat", "shards": 1}
    outputs = ["--tracks", root / "tracks.parquet", "--left-out", root / "left_out.csv"]
    assert run_script("tracks", "--paths", json.dumps({"root": str(root)}), *outputs, spec=spec).returncode == 0
    for rate in RATES:
        decoded = decode(root, rate)
        assert decoded.returncode == 0, decoded.stderr
        assert "excluded: 2: not decodable audio" in decoded.stdout
    return root


def decode(root, rate):
    spec = {"sample_rate": rate, "seconds": 1.0}
    outputs = ["--audio", root / f"{rate}.npy", "--record", root / "clips" / str(rate) / "00.json"]
    inputs = ["--tracks", root / "tracks.parquet", "--shard", "00", "--root", root]
    return run_script("decode", *inputs, *outputs, spec=spec)


def mel(root, rate=12_000, n_mels=8, dtype="float16", threads=1):
    spectra = ["--spectra", root / "spectra.npy"]
    audio = ["--audio", root / f"{rate}.npy", "--clips", root / "clips" / str(rate) / "00.json"]
    arguments = [*audio, *spectra, "--record", root / "spectra.json", "--threads", threads]
    assert run_script("spectrum", *arguments, spec={"window": "periodic"}).returncode == 0
    outputs = ["--mel", root / "mel" / "00.npy", "--record", root / "mel" / "00.json", "--threads", threads]
    spec = {"dtype": dtype, "n_mels": n_mels, "sample_rate": rate}
    inputs = [*spectra, "--spectra-record", root / "spectra.json"]
    return run_script("mel", *inputs, *outputs, spec=spec)


def store(root, max_excluded=0.2):
    spec = {"max_excluded": max_excluded, "shards": ["00"]}
    manifest = root / "mel" / "manifest.json"
    return run_script("store", "--tracks", root / "tracks.parquet", "--record", manifest, spec=spec)


def test_decode_keeps_the_good_clips_and_names_the_bad_one(collection):
    for rate in RATES:
        assert np.load(collection / f"{rate}.npy").shape == (4, rate)
        record = json.loads((collection / "clips" / str(rate) / "00.json").read_text())
        assert record["clip_ids"] == ["1", "3", "4", "5"]
        assert [clip_id for clip_id, _ in record["excluded"]] == ["2"]


def test_mel_and_store(collection):
    assert mel(collection).returncode == 0
    assert store(collection).returncode == 0
    manifest = json.loads((collection / "mel" / "manifest.json").read_text())
    assert (manifest["n_mels"], manifest["n_frames"], manifest["dtype"]) == (8, 48, "float16")
    (shard,) = manifest["shards"]
    assert shard["clip_ids"] == ["1", "3", "4", "5"]
    assert shard["sha256"] == files.sha256(collection / "mel" / "00.npy")
    spectrograms = np.load(collection / "mel" / "00.npy")
    assert spectrograms.dtype == np.float16
    expected = [howlow_mel.mel_power(clip, 12_000, 8) for clip in np.load(collection / "12000.npy")]
    np.testing.assert_allclose(spectrograms, howlow_mel.compress(np.array(expected), "db"), atol=1 / 32)
    assert set(manifest["origin"]) == {"decode", "spectrum", "mel"}
    assert manifest["window"] == "periodic"
    assert {"essentia", "soxr"} <= set(manifest["versions"])


def test_spectrograms_do_not_depend_on_the_number_of_processes(collection):
    digests = []
    for threads in (1, 3):
        assert mel(collection, threads=threads).returncode == 0
        digests.append(files.sha256(collection / "mel" / "00.npy"))
    assert digests[0] == digests[1]


def test_store_of_float32_holds_what_float16_rounds(collection):
    assert mel(collection).returncode == 0
    rounded = np.load(collection / "mel" / "00.npy").astype(np.float32)
    assert mel(collection, dtype="float32").returncode == 0
    exact = np.load(collection / "mel" / "00.npy")
    assert exact.dtype == np.float32
    assert 0 < np.abs(rounded - exact).max() <= 1 / 32


def test_too_many_bad_clips_stop_the_run(collection):
    assert mel(collection).returncode == 0
    process = store(collection, max_excluded=0.1)
    assert process.returncode == 1
    message = (
        r"1 of 5 clips are unusable, more than max_excluded 0.1 allows: 2: not decodable audio .* or raise max_exc"
    )
    assert re.search(message, process.stderr)
    assert not (collection / "mel" / "manifest.json").exists()
    assert "1 of 5 clips excluded" in store(collection).stdout


def test_store_refuses_other_clips_than_the_tracks_list(collection):
    assert mel(collection).returncode == 0
    listed = tracks.read(collection / "tracks.parquet")
    changed = tracks.Tracks(**(listed.__dict__ | {"clip_ids": ["1", "2", "3", "4", "99"]}))
    changed.write(collection / "tracks.parquet", "mine")
    process = store(collection)
    assert process.returncode == 1
    assert "the clips of shard 00 are not those that were decoded, so this file was changed" in process.stderr
    assert not (collection / "mel" / "manifest.json").exists()


def excluded(root):
    arguments = ["--left-out", root / "left_out.csv", "--clips", root / "clips", "--excluded", root / "excluded.csv"]
    arguments += ["--page", root / "excluded.html"]
    return run_script("excluded", *arguments, spec={"sample_rates": RATES, "shards": ["00"]})


def test_excluded_lists_every_stage(collection):
    files.write_csv(collection / "left_out.csv", ["clip_id", "stage", "reason"], [("7", "tracks", "known")])
    assert excluded(collection).returncode == 0
    rows = files.read_csv(collection / "excluded.csv")
    assert [(row["clip_id"], row["stage"]) for row in rows] == [("7", "tracks"), ("2", "decode")]


def test_excluded_refuses_sample_rates_that_disagree(collection):
    path = collection / "clips" / "16000" / "00.json"
    files.write_json(path, files.read_json(path) | {"excluded": []})
    process = excluded(collection)
    assert process.returncode == 1
    assert "shard 00 excludes other clips at one sample rate than at another" in process.stderr


def test_cost(collection):
    cells = ["12k_mel96_x1_db", "16k_mel8_x1_log"]
    spec = {"cells": cells, "dtype": "float16", "model": "vgg", "options": {}, "seconds": 29.1, "width": 1.0}
    arguments = ["--tracks", collection / "tracks.parquet", "--cost", collection / "cost.csv"]
    assert run_script("cost", *arguments, spec=spec).returncode == 0
    table = pd.read_csv(collection / "cost.csv").set_index("cell")
    assert table["gmac"].round(2).tolist() == [10.01, 1.45]
    assert table["bytes_per_clip"].tolist() == [96 * 1366 * 2, 8 * 1820 * 2]


def test_figure1_of_one_seed_and_an_incomplete_grid(tmp_path):
    """A reduced grid with one seed has no deviation, and may miss cells."""
    keys = {
        "dataset": "d",
        "model": "vgg",
        "hop_factor": 1,
        "bits": 16,
        "seconds": 29.1,
        "width": 1.0,
        "n_seeds": 1,
        "n_folds": 0,
        "roc_auc_std": None,
        "pr_auc_std": None,
    }
    rows = [
        keys | {"sample_rate_hz": rate, "n_mels": n_mels, "log_type": "db", "roc_auc_mean": 0.9, "pr_auc_mean": 0.4}
        for rate, n_mels in ((16_000, 96), (12_000, 48))
    ]
    pd.DataFrame(rows).assign(gmac=1.0).to_csv(tmp_path / "summary.csv", index=False)
    outputs = ["--figures", tmp_path / "a.pdf", tmp_path / "a.png"]
    arguments = ["--summary", tmp_path / "summary.csv", *outputs]
    process = run_script("figure1", *arguments, spec={})
    assert process.returncode == 0, process.stderr
    first = (tmp_path / "a.pdf").read_bytes()
    assert run_script("figure1", *arguments).returncode == 0
    assert (tmp_path / "a.pdf").read_bytes() == first
