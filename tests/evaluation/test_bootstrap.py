"""The program bootstrap resamples the songs of the test clips, with the scores of every cell and seed."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_script
from sklearn.metrics import average_precision_score, roc_auc_score

from howlow.data.tracks import Tracks
from howlow.evaluation import resampling

CELLS, SEEDS = ["12k_mel8_x1_db", "12k_mel8_x2_db"], [1, 2]
N_CLIPS = 60


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A folder with tracks and scores in different orders; validation and test clips are mixed."""
    folder, rng = tmp_path_factory.mktemp("experiment"), np.random.default_rng(0)
    clip_ids = [f"clip{i}" for i in range(N_CLIPS)]
    splits = ["test" if i % 3 else "validation" for i in range(N_CLIPS)]
    labels = rng.random((N_CLIPS, 2)) < [0.2, 0.5]
    groups = [f"song{i // 4}" for i in range(N_CLIPS)]
    Tracks(clip_ids, clip_ids, splits, ["00"] * N_CLIPS, groups, ("a", "b"), labels).write(folder / "t.parquet", "d")
    order = rng.permutation(N_CLIPS)
    scores = {}
    for cell in CELLS:
        for seed in SEEDS:
            scores[cell, seed] = labels + rng.normal(size=labels.shape)
            columns = {"clip_id": [clip_ids[i] for i in order], "split": [splits[i] for i in order]}
            columns |= {tag: scores[cell, seed][order, number] for number, tag in enumerate("ab")}
            path = folder / cell / f"seed{seed}" / "scores.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.table(columns), path)
    spec = {"cells": CELLS, "seeds": SEEDS, "dataset": "d", "model": "vgg", "seconds": 29.1, "width": 1.0}
    arguments = ("--tracks", folder / "t.parquet", "--folder", folder, "--resampled", folder / "b.npz")
    for threads in (1, 2):
        process = run_script("bootstrap", *arguments, "--threads", threads, spec=spec)
        assert process.returncode == 0, process.stderr
        (folder / f"{threads}.npz").write_bytes((folder / "b.npz").read_bytes())
    is_test = np.array(splits)[order] == "test"
    on_test = {key: of_run[order][is_test] for key, of_run in scores.items()}
    return folder, labels[order][is_test], on_test, np.array(groups)[order][is_test]


def test_areas_are_of_the_test_clips_of_each_cell_and_seed(experiment):
    folder, labels, scores, groups = experiment
    resampled = resampling.read(folder / "b.npz")
    assert (resampled.cells, resampled.n_groups) == (CELLS, 15)
    assert resampled.areas.shape == (2, 2, 2, 2000)
    weights = resampling.draw(groups)
    for place, (cell, seed) in enumerate(scores):
        for metric, function in enumerate((roc_auc_score, average_precision_score)):
            for resample in (0, 7):
                weight = weights[:, resample]
                expected = function(labels, scores[cell, seed], average="macro", sample_weight=weight)
                assert resampled.areas[place // 2, place % 2, metric, resample] == pytest.approx(expected, abs=1e-5)


def test_number_of_processes_changes_nothing(experiment):
    folder = experiment[0]
    assert (folder / "1.npz").read_bytes() == (folder / "2.npz").read_bytes()


def test_effects_are_of_the_cells_that_they_name(experiment, tmp_path):
    """The program of the rule statistics reads the metrics of the cells by name."""
    folder, labels, scores, _ = experiment
    columns = "sample_rate_hz,n_mels,hop_factor,log_type,bits,seconds,width,cell,seed,roc_auc,pr_auc,device,torch"
    rows = [f"dataset,model,{columns}"]
    means = {key: roc_auc_score(labels, s, average="macro") for key, s in scores.items()}
    for cell, seed in reversed(list(scores)):  # in another order than the resampled ones
        rows.append(f"d,vgg,12000,8,{cell[10]},db,16,29.1,1.0,{cell},{seed},{means[cell, seed]},0.5,cpu,2")
    (tmp_path / "runs.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "vgg").symlink_to(folder)
    (folder / "bootstrap.npz").write_bytes((folder / "b.npz").read_bytes())
    spec = {"experiments": [{"dataset": "d", "model": "vgg"}], "margin_points": 0.5, "pr_auc_margin_points": 1}
    names = {"effects": "e.csv", "table": "s.csv", "text": "s.md", "page": "s.html"}
    outputs = [word for name, file in names.items() for word in (f"--{name}", tmp_path / file)]
    process = run_script("compare", "--results", tmp_path, "--runs", tmp_path / "runs.csv", *outputs, spec=spec)
    assert process.returncode == 0, process.stderr
    row = pd.read_csv(tmp_path / "e.csv").query("metric == 'roc_auc'").iloc[0]
    effect = 100 * np.mean([means[CELLS[1], seed] - means[CELLS[0], seed] for seed in SEEDS])
    assert row["difference_points"] == pytest.approx(effect)
    on_resamples = resampling.read(folder / "b.npz").areas[:, :, 0].mean(1)
    deviation = 100 * (on_resamples[1] - on_resamples[0]).std(ddof=1) * np.sqrt(15 / 14)
    assert row["error_clips_points"] == pytest.approx(deviation, rel=1e-4)
    assert f"{effect:+.2f} points" in (tmp_path / "s.md").read_text()
