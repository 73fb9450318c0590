"""Trainings on a real GPU, where there is one."""

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import SCRIPTS
from test_training import SPEC, changed, data, scores, train  # noqa: F401  (a fixture)

from howlow import files

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")


def test_two_at_once_share_a_gpu_and_give_what_one_gives(data, monkeypatch):  # noqa: F811
    """Each in a process of its own, as jobs are; the third one waits for one of them."""
    folder, _ = data
    monkeypatch.setenv("TMPDIR", str(folder))
    assert train(folder / "alone", folder, device="cuda").returncode == 0

    def start(name):
        command = [
            sys.executable, SCRIPTS / "train.py", "--spec", json.dumps(SPEC), "--code", "test", "--device", "cuda",
            "--gpus", os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0], "--sharing", 2,
            "--tracks", folder / "tracks.parquet", "--manifest", folder / "manifest.json", "--folder", folder / name,
        ]  # fmt: skip
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    processes = [start(name) for name in "abc"]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], printed
    assert [scores(folder / name) == scores(folder / "alone") for name in "abc"] == [True] * 3
    assert files.read_json(folder / "a" / "run.json")["device"] == torch.cuda.get_device_name()


def test_a_full_gpu_gets_one_line(data):  # noqa: F811
    """Of a GPU's memory this process may have next to nothing."""
    folder, _ = data
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        process = train(folder / "a", folder, changed(batch_size=40), device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert process.returncode == 1
    assert "a: the memory of the GPU does not suffice for batches of 40 clips" in process.stderr
    assert process.stderr.count("\n") == 1
