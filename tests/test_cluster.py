"""What jobs ask for, whose jobs are in the queue, and why jobs failed: without a cluster."""

import os

import pytest
from conftest import ROOT

from howlow import cluster, config, failures, needs, specs
from howlow.config import representations

SQUEUE = """#!/bin/sh
cat "$0.txt"
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A `squeue` that prints given rows, first on the PATH; with a `scancel` that empties it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("squeue", SQUEUE), ("scancel", '#!/bin/sh\n: > "${0%/*}/squeue.txt"\n')):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return (folder / "squeue.txt").write_text


def test_only_jobs_of_this_folder_count(queue, tmp_path):
    queue(f"7|howlow_ab-c|{tmp_path}\n8|howlow_ab-c|{tmp_path}/other\n9|mine|{tmp_path}\n")
    assert cluster.queued_jobs(tmp_path) == ["7"]
    with pytest.raises(cluster.ClusterError, match=r"1 SLURM jobs of an earlier run still work in this folder \(7\)"):
        cluster.refuse_second_writer(tmp_path)
    cluster.refuse_second_writer(tmp_path / "third")
    assert cluster.cancel(tmp_path) == ["7"]
    assert cluster.cancel(tmp_path) == []


def test_jobs_that_do_not_end_are_named(queue, tmp_path):
    (tmp_path / "bin" / "scancel").write_text("#!/bin/sh\n")
    queue(f"7|howlow_ab-c|{tmp_path}\n")
    with pytest.raises(cluster.ClusterError, match="still in the queue after 0 s: 7"):
        cluster.cancel(tmp_path, patience_s=0)


def test_slurm_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster.refuse_second_writer(tmp_path)
    with pytest.raises(cluster.ClusterError, match="there is no `squeue` here"):
        cluster.queued_jobs(tmp_path)


LOG = """Error in rule train:
    message: SLURM-job '5' failed, SLURM status is: 'FAILED'.
    jobid: 0
    output: results/d/vgg/c/seed1/model.pt, results/d/vgg/c/seed1/run.json
    log: {folder}/cell.log, {folder}/slurm.log (check log file(s) for error details)
    external_jobid: 5
Error in rule mel:
    jobid: 3
    output: results/d/mel/12000/8/00.npy
    log: {folder}/mel.log (check log file(s) for error details)
"""


@pytest.mark.parametrize(
    ("own", "slurm", "why"),
    [
        ("howlow train: it went wrong\n", "", "howlow train: it went wrong"),
        ("", "slurmstepd: error: Detected 1 oom_kill event in StepId=5.0.", "killed, because it needed more memory"),
        ("", "error: StepId=5.0 exceeded memory limit (3 > 2), being killed", "killed, because it needed more memory"),
        ("", "slurmstepd: error: *** JOB 5 CANCELLED AT 2026 DUE TO TIME LIMIT ***", "stopped at its time limit"),
        ("Traceback (most recent call last):\nValueError: no\n", "", "an error of the program: ValueError: no"),
        ("", "", "ended without a word; was it killed"),
    ],
)
def test_reasons_of_failures(tmp_path, own, slurm, why):
    (tmp_path / "cell.log").write_text(own)
    (tmp_path / "slurm.log").write_text(slurm)
    (tmp_path / "mel.log").write_text("howlow mel: other\n")
    (tmp_path / "run.log").write_text(LOG.format(folder=tmp_path) * 2)  # tried twice
    first, second = failures.reasons(tmp_path / "run.log")
    assert first.startswith(f"results/d/vgg/c/seed1: {why}")
    assert first.endswith(f"; log: {tmp_path}/cell.log, SLURM job 5: {tmp_path}/slurm.log")
    assert second == f"results/d/mel/12000/8/00.npy: howlow mel: other; log: {tmp_path}/mel.log"


def test_memory_of_trainings():
    """Measured of one step of each: VGG 1.9 GB with 8 clips, MUSICNN 2.2 GB with 32, both at 12 kHz, 96 bands, x1."""
    paper = config.load(ROOT / "config" / "paper.yaml")
    vgg, musicnn = (e for e in paper["experiments"] if e["dataset"] == "mtat")
    cell = next(cell for cell in representations(vgg) if cell.name == "12k_mel96_x1_db")
    vgg["training"]["batch_size"] = 8
    assert 1_900 < needs.training_mb(specs.train(paper, vgg, cell, 1)) < 2.5 * 1_900
    assert musicnn["training"]["batch_size"] == 32
    assert 2_200 < needs.training_mb(specs.train(paper, musicnn, cell, 1)) < 2.5 * 2_200
