"""The tables of an experiment hold what its files hold, and no result of another configuration, code or input."""

import copy
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import run_script

from howlow import files, provenance
from howlow.data.tracks import Tracks
from howlow.evaluation.scores import METRICS
from howlow.results import aggregation

SEEDS = [1, 2, 4]
CELLS = {
    # cell: test ROC AUC and PR AUC, and validation ROC AUC and PR AUC, of the three seeds
    "12k_mel8_x1_db": ([0.80, 0.82, 0.87], [0.30, 0.30, 0.36], [0.70, 0.75, 0.71], [0.20, 0.22, 0.21]),
    "16k_mel8_x10_log": ([0.60, 0.60, 0.60], [0.10, 0.14, 0.12], [0.90, 0.92, 0.94], [0.50, 0.40, 0.60]),
    "12k_mel8_x2_log": ([0.50, 0.70, 0.60], [0.12, 0.11, 0.10], [0.61, 0.62, 0.66], [0.33, 0.31, 0.35]),
}
CODE = {stage: {f"{stage}.py": f"code of {stage}"} for stage in aggregation.STAGES}
TRAININGS = {"model": "vgg", "options": {}, "quantizer": "global", "training": {"epochs": 13, "keep": "last"}}


def store_spec(rate):
    return {
        "decode": {"sample_rate": rate, "seconds": 29.1},
        "spectrum": {"window": "periodic"},
        "mel": {"dtype": "float16", "n_mels": 8, "sample_rate": rate},
    }


SPEC = {
    "cells": list(CELLS),
    "dataset": "mine",
    "model": "vgg",
    "seconds": 29.1,
    "seeds": SEEDS,
    "width": 1.0,
    "stores": {f"{rate}/8": store_spec(rate) for rate in (12_000, 16_000)},
    "trainings": TRAININGS,
}
TRACKS = Tracks(
    ["a", "b"], ["a.wav", "b.wav"], ["train", "test"], ["00", "01"], ["a", "b"], ("x",), np.array([[1], [0]], bool)
)


def manifest_of(rate):
    """A store of five clips at 12 kHz, and of four at 16 kHz."""
    clips = [["a", "b", "c"], ["d", "e"] if rate == 12_000 else ["d"]]
    origin = {stage: {"spec": spec, "code": CODE[stage]} for stage, spec in store_spec(rate).items()}
    # Audio that the workflow generates has further settings.
    origin["decode"]["spec"] = origin["decode"]["spec"] | {"n_channels": 2}
    shards = [{"file": f"0{n}.npy", "clip_ids": ids, "sha256": f"{rate}-{n}"} for n, ids in enumerate(clips)]
    content = {"n_mels": 8, "n_frames": 1366, "dtype": "float16", "shards": shards}
    return content | {"origin": origin, "n_excluded": 2 if rate == 12_000 else 3, "outputs": {}}


def run_of(cell, seed):
    rate, hop = int(cell[:2]) * 1000, int(cell.split("_x")[1].split("_")[0])
    spec = {key: TRAININGS[key] for key in ("model", "options", "training")}
    spec |= {"sample_rate": rate, "n_mels": 8, "hop_factor": hop, "log_type": cell.split("_")[-1], "seed": seed}
    spec |= {"bits": 16, "seconds": 29.1, "width": 1.0}
    manifest = aggregation.content_digest(manifest_of(rate))
    return {
        "spec": spec,
        "code": CODE["train"],
        "inputs": {"manifest": manifest, "tracks": TRACKS.digest()},
        "outputs": {},
        "best_epoch": 10 + seed,
        "train_seconds": 100.5 * seed,
        "device": "NVIDIA A100" if seed == 2 else "cpu",
        "versions": {"torch": "2.13.0" if cell.startswith("12k") else f"2.{seed}.0"},
    }


@pytest.fixture
def results(experiment, tmp_path):
    """The files of a finished experiment of three cells and three seeds, to be changed."""
    return shutil.copytree(experiment, tmp_path / "results")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiment")
    folder = root / "mine"
    TRACKS.write(folder / "tracks.parquet", "mine")
    for rate in (12_000, 16_000):
        files.write_json(folder / "mel" / str(rate) / "8" / "manifest.json", manifest_of(rate))
    for cell, (roc, pr, val_roc, val_pr) in CELLS.items():
        rows = []
        for number in (2, 0, 1):  # the rows of the seeds are in another order
            for split, areas in (("test", (roc, pr)), ("validation", (val_roc, val_pr))):
                rows.append([SEEDS[number], split, "x", "0.99", "0.98", 1, 2])
                rows.append([SEEDS[number], split, "(macro)", areas[0][number], areas[1][number], "", 2])
        files.write_csv(folder / "vgg" / cell / "metrics.csv", METRICS, rows)
        for seed in SEEDS:
            files.write_json(folder / "vgg" / cell / f"seed{seed}" / "run.json", run_of(cell, seed))
    costs = [[cell, 10.0 * number + 1, 7 * number] for number, cell in enumerate(CELLS)]
    files.write_csv(folder / "vgg" / "cost.csv", ["cell", "gmac", "bytes_per_clip"], reversed(costs))
    return root


def test_results_of_this_configuration_and_code_are_taken(results):
    aggregation.check(SPEC, results, CODE)


def changed(content, keys, value):
    """A copy of nested dictionaries with one value replaced."""
    content = copy.deepcopy(content)
    part = content
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    return content


MANIFEST, RUN = "mel/16000/8/manifest.json", "vgg/12k_mel8_x2_log/seed4/run.json"


@pytest.mark.parametrize(
    ("record", "keys", "value", "told"),
    [
        (MANIFEST, ("origin", "decode", "spec", "seconds"), 30, "seconds is 29.1 now and was 30"),
        (MANIFEST, ("origin", "decode", "code", "decode.py"), "old", "the code of decode.py has changed since"),
        (MANIFEST, ("origin", "spectrum", "spec", "window"), "hann", "window is 'periodic' now and was 'hann'"),
        (MANIFEST, ("origin", "spectrum", "code", "spectrum.py"), "old", "the code of spectrum.py has changed since"),
        (MANIFEST, ("origin", "mel", "spec", "n_mels"), 9, "n_mels is 8 now and was 9"),
        (MANIFEST, ("origin", "mel", "code", "mel.py"), "old", "the code of mel.py has changed since"),
        (RUN, ("spec", "training", "epochs"), 12, "training.epochs is 13 now and was 12"),
        (RUN, ("spec", "seed"), 3, "seed is 4 now and was 3"),
        (RUN, ("spec", "hop_factor"), 3, "hop_factor is 2 now and was 3"),
        (RUN, ("code", "train.py"), "old", "the code of train.py has changed since"),
        (RUN, ("inputs", "manifest"), "old", "manifest has changed since"),
        (RUN, ("inputs", "tracks"), "old", "tracks has changed since"),
        (RUN, ("outputs",), {"scores.parquet": 7}, "scores.parquet is missing"),
    ],
)
def test_other_results_are_refused_by_name(record, keys, value, told, results):
    path = results / "mine" / record
    files.write_json(path, changed(files.read_json(path), keys, value))
    with pytest.raises(aggregation.StaleError) as error:
        aggregation.check(SPEC, results, CODE)
    assert str(error.value) == f"{path.parent}: {told}. Start the workflow again to make it anew"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_training_is_checked(cell, seed, results):
    path = results / "mine" / "vgg" / cell / f"seed{seed}" / "run.json"
    path.unlink()
    with pytest.raises(aggregation.StaleError) as error:
        aggregation.check(SPEC, results, CODE)
    assert str(error.value) == f"{path.parent}: run.json is missing. Start the workflow again to make it anew"


@pytest.mark.parametrize("rate", [12_000, 16_000])
@pytest.mark.parametrize("changes", [{"clip_ids": ["a"]}, {"sha256": "other"}])
def test_trainings_on_another_content_of_the_store_are_refused(rate, changes, results):
    path = results / "mine" / "mel" / str(rate) / "8" / "manifest.json"
    content = files.read_json(path)
    content["shards"][0] |= changes
    files.write_json(path, content)
    with pytest.raises(aggregation.StaleError, match=rf"/{rate // 1000}k_mel8_.*/seed1: manifest has changed since"):
        aggregation.check(SPEC, results, CODE)


def test_trainings_with_other_labels_are_refused(results):
    Tracks(**(vars(TRACKS) | {"labels": ~TRACKS.labels})).write(results / "mine" / "tracks.parquet", "mine")
    with pytest.raises(aggregation.StaleError, match=r"12k_mel8_x1_db/seed1: tracks has changed since"):
        aggregation.check(SPEC, results, CODE)


KEYS = {
    "dataset": ["mine"] * 3,
    "model": ["vgg"] * 3,
    "sample_rate_hz": [12_000, 16_000, 12_000],
    "n_mels": [8] * 3,
    "hop_factor": [1, 10, 2],
    "log_type": ["db", "log", "log"],
    "bits": [16] * 3,
    "seconds": [29.1] * 3,
    "width": [1.0] * 3,
}


def test_runs_have_the_macro_averages_of_each_seed(results):
    columns = list(zip(*CELLS.values(), strict=True))  # by metric, and within it by cell
    expected = {key: np.repeat(values, 3) for key, values in KEYS.items()}
    expected |= {
        "seed": SEEDS * 3,
        "roc_auc": np.concatenate(columns[0]),
        "pr_auc": np.concatenate(columns[1]),
        "best_epoch": [11, 12, 14] * 3,
        "train_seconds": [100.5, 201, 402] * 3,
        "device": ["cpu", "NVIDIA A100", "cpu"] * 3,
        "torch": ["2.13.0"] * 3 + ["2.1.0", "2.2.0", "2.4.0"] + ["2.13.0"] * 3,
        "val_roc_auc": np.concatenate(columns[2]),
        "val_pr_auc": np.concatenate(columns[3]),
        "cell": np.repeat(list(CELLS), 3),
    }
    pd.testing.assert_frame_equal(aggregation.runs(SPEC, results), pd.DataFrame(expected))


def test_summary_has_means_and_deviations_with_n_minus_1(results):
    """The deviations of 0.80, 0.82 and 0.87 from 0.83 are 3, 1 and 4 points: the square root of (9 + 1 + 16) / 2."""
    table = aggregation.summary(SPEC, results, aggregation.runs(SPEC, results))
    expected = KEYS | {
        "n_seeds": [3, 3, 3],
        "n_folds": [0, 0, 0],
        "roc_auc_mean": [0.83, 0.60, 0.60],
        "roc_auc_std": [np.sqrt(13) / 100, 0, 0.1],
        "pr_auc_mean": [0.32, 0.12, 0.11],
        "pr_auc_std": [np.sqrt(12) / 100, 0.02, 0.01],
        "gmac": [1.0, 11.0, 21.0],
        "bytes_per_clip": [0, 7, 14],
        "n_clips": [5, 4, 5],
        "n_excluded": [2, 3, 2],
        "device": ["NVIDIA A100, cpu"] * 3,
        "torch": ["2.13.0", "2.1.0, 2.2.0, 2.4.0", "2.13.0"],
        "val_roc_auc_mean": [0.72, 0.92, 0.63],
        "val_roc_auc_std": [np.sqrt(7) / 100, 0.02, np.sqrt(7) / 100],
        "val_pr_auc_mean": [0.21, 0.50, 0.33],
        "val_pr_auc_std": [0.01, 0.1, 0.02],
        "cell": list(CELLS),
    }
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected), atol=1e-12, check_exact=False)


def test_deviations_leave_out_what_folds_differ_by(results):
    """The standard deviations of two cells, times the square root of 2, are that of the difference between them."""
    spec = SPEC | {"folds": 3}
    runs = aggregation.runs(spec, results)
    runs = runs.iloc[:6].copy()  # two cells of three seeds
    values = np.array([[0.80, 0.82, 0.87], [0.70, 0.71, 0.79]])
    runs["roc_auc"] = values.ravel()
    table = aggregation.summary(spec, results, runs)
    assert table["n_folds"].tolist() == [3, 3]
    np.testing.assert_allclose(table["roc_auc_mean"], values.mean(1))
    expected = (values[0] - values[1]).std(ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(table["roc_auc_std"], [expected, expected])
    harder = runs.assign(roc_auc=(values - [0, 0, 0.3]).ravel())
    np.testing.assert_allclose(aggregation.summary(spec, results, harder)["roc_auc_std"], table["roc_auc_std"])


def test_one_cell_has_the_deviation_of_its_folds(results):
    """There is no other cell that says how hard a fold is."""
    spec = SPEC | {"folds": 3}
    runs = aggregation.runs(spec, results).iloc[:3]
    assert aggregation.summary(spec, results, runs)["roc_auc_std"].tolist() == pytest.approx([np.sqrt(13) / 100])


def test_the_program_writes_both_tables_of_checked_results(results, monkeypatch):
    tables = results / "runs.csv", results / "summary.csv"
    arguments = ["--results", results, "--runs", tables[0], "--summary", tables[1]]
    process = run_script("aggregate", *arguments, spec=SPEC)  # with the code that is here, and not that of `CODE`
    assert process.returncode == 1
    assert "/mine/mel/12000/8: the code of decode.py has changed since. Start the workflow again" in process.stderr
    assert not any(path.exists() for path in tables)
    monkeypatch.setattr(provenance, "code", lambda program, spec: CODE.get(program.stem, {}))
    process = run_script("aggregate", *arguments, spec=SPEC)
    assert process.returncode == 0, process.stderr
    runs = aggregation.runs(SPEC, results)
    pd.testing.assert_frame_equal(pd.read_csv(tables[0]), runs)
    pd.testing.assert_frame_equal(pd.read_csv(tables[1]), aggregation.summary(SPEC, results, runs))


def test_one_seed_has_no_deviation(results):
    spec = SPEC | {"seeds": [2]}
    table = aggregation.summary(spec, results, aggregation.runs(spec, results))
    assert table["n_seeds"].tolist() == [1] * 3
    assert table["roc_auc_mean"].tolist() == [0.82, 0.6, 0.7]
    assert table[["roc_auc_std", "val_pr_auc_std"]].isna().all(axis=None)


def test_files_of_single_cells(results):
    listed = aggregation.of_cells(SPEC, results)
    assert len(listed) == 12
    assert all(path.is_file() for path in listed)
    assert [str(path.relative_to(results)) for path in listed[:4]] == [
        "mine/vgg/12k_mel8_x1_db/metrics.csv",
        "mine/vgg/12k_mel8_x1_db/seed1/run.json",
        "mine/vgg/12k_mel8_x1_db/seed2/run.json",
        "mine/vgg/12k_mel8_x1_db/seed4/run.json",
    ]
