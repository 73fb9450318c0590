"""What jobs ask for, and whose jobs are in the queue. No cluster is needed."""

import os

import pytest
from conftest import ROOT

from howlow import config
from howlow.config import cells, specs
from howlow.networks import memory
from howlow.planning import cluster

SQUEUE = """#!/bin/sh
cat "$0.txt"
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Put a `squeue` that prints given rows, and a `scancel` that empties it, first on the PATH."""
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
    with pytest.raises(cluster.ClusterError, match=r"jobs of an earlier run still work in this folder, 1 in all \(7\)"):
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


def test_memory_of_trainings():
    """One step took 1.9 GB with 8 clips for VGG, and 2.2 GB with 32 for MUSICNN, both at 12 kHz, 96 bands, x1."""
    paper = config.load(ROOT / "config" / "paper.yaml")
    vgg, musicnn = (e for e in paper["experiments"] if e["dataset"] == "mtat")
    cell = cells(paper, vgg)["12k_mel96_x1_db"]
    vgg["training"]["batch_size"] = 8
    assert 1_900 < memory.training_mb(specs.train(paper, vgg, cell, 1)) < 2.5 * 1_900
    assert musicnn["training"]["batch_size"] == 32
    assert 2_200 < memory.training_mb(specs.train(paper, musicnn, cell, 1)) < 2.5 * 2_200
