"""Messages of drivers, clusters and full GPUs, one case per line."""

import os
import stat
import time

import pytest
import torch
from small_training import SPEC, make_data, train

from howlow import files
from howlow.planning import timing
from howlow.training import batches, checkpoints, devices, gpus, loop

A, B = "GPU-aaaaaaaa-1111", "GPU-bbbbbbbb-2222"
BOTH = f"{A}, 24564\n{B}, 16384\n"
GPU_A, GPU_B = gpus.Gpu(A, 25_757), gpus.Gpu(B, 17_180)


@pytest.fixture
def data(tmp_path):
    """A folder with a small store and its tracks, and the tracks themselves."""
    return tmp_path, make_data(tmp_path)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Replaces `nvidia-smi` by a shell script with a given text; without a text, there is no `nvidia-smi`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "_pytorch_has_cuda", lambda: True)
    monkeypatch.setattr(gpus, "_TIMEOUT_S", 0.5)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def write(text):
        if text is not None:
            path = tmp_path / "nvidia-smi"
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        gpus.visible.cache_clear()

    yield write
    gpus.visible.cache_clear()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(None, (), id="there is no nvidia-smi"),
        pytest.param("exit 9", (), id="it fails"),
        pytest.param(f"echo '{A}, 24564'; exit 1", (), id="it fails after a line"),
        pytest.param("exec /bin/sleep 60", (), id="it hangs, with a broken driver"),
        pytest.param("echo 'No devices were found'", (), id="it finds none"),
        pytest.param("echo 'Unable to determine the device handle for GPU0: Unknown Error'", (), id="a broken GPU"),
        pytest.param(f"echo '{A}, [N/A]'", (gpus.Gpu(A, 0),), id="memory that is not told"),
        pytest.param(f"echo '{A}'", (gpus.Gpu(A, 0),), id="no memory at all"),
        pytest.param("/usr/bin/printf '\\377\\376\\n'", (), id="not UTF-8"),
        pytest.param(f"echo '{A}, 24564'; echo '{B}, 16384'", (GPU_A, GPU_B), id="two GPUs"),
    ],
)
def test_what_nvidia_smi_says(driver, script, expected):
    driver(script)
    assert gpus.visible() == expected


def test_an_nvidia_smi_that_can_not_even_be_killed(driver, monkeypatch):
    """A broken driver can hold it like this."""
    driver("exec /bin/sleep 4")
    monkeypatch.setattr("subprocess.Popen.kill", lambda process: None)
    start = time.monotonic()
    assert gpus.visible() == ()
    assert time.monotonic() - start < 3


def test_gpus_that_pytorch_can_not_use(driver, monkeypatch):
    """Many users install its CPU build. Trainings then run on all cores, and not one at a time."""
    driver(f"echo '{A}, 24564'")
    monkeypatch.setattr(gpus, "_pytorch_has_cuda", lambda: False)
    assert gpus.visible() == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("", (), id="empty"),
        pytest.param("-1", (), id="none"),
        pytest.param("NoDevFiles", (), id="SLURM without a GPU"),
        pytest.param("1", (gpus.Gpu("1", 17_180),), id="a number"),
        pytest.param(" 1 , 0 ", (gpus.Gpu("1", 17_180), gpus.Gpu("0", 25_757)), id="blanks and another order"),
        pytest.param("0,9,1", (gpus.Gpu("0", 25_757),), id="CUDA stops at what is not there"),
        pytest.param("0,-1,1", (gpus.Gpu("0", 25_757),), id="CUDA stops at a negative number"),
        pytest.param("GPU-bbbb", (GPU_B,), id="the beginning of a UUID"),
        pytest.param("GPU-cccc", (), id="another machine's UUID"),
        pytest.param("MIG-4f3a", (gpus.Gpu("MIG-4f3a", 0),), id="a part of a GPU"),
        pytest.param("²", (), id="a digit that is no number"),
        pytest.param("'; touch broken; '", (), id="a command"),
    ],
)
def test_what_cuda_visible_devices_says(driver, monkeypatch, value, expected):
    driver(f"echo '{A}, 24564'; echo '{B}, 16384'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert gpus.visible() == expected


@pytest.mark.parametrize(("text", "has_cuda"), [("cuda = None", False), ("cuda = '13.0'", True), (None, False)])
def test_pytorch_that_was_built_without_cuda_has_no_gpu(tmp_path, monkeypatch, text, has_cuda):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    if text:
        (tmp_path / "torch" / "version.py").write_text(text)
    monkeypatch.delitem(os.sys.modules, "torch")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert gpus._pytorch_has_cuda() == has_cuda


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of"),
            ", PyTorch wanted 20.00 GiB more;",
            id="PyTorch",
        ),
        pytest.param(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), " clips;", id="CUDA"),
        pytest.param(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), " clips;", id="cuDNN"),
        pytest.param(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), " clips;", id="cuBLAS"),
    ],
)
@pytest.mark.parametrize(
    ("module", "function"),
    [(devices, "prepare"), (devices, "lay_out"), (batches, "feed"), (loop, "_pass"), (loop, "score")],
    ids=["start", "network", "loading", "training", "scoring"],
)
def test_a_full_gpu_gets_one_line(data, monkeypatch, tmp_path, module, function, error, words):
    def full(*_, **__):
        raise error

    folder, _ = data
    monkeypatch.setattr(module, function, full)
    process = train(folder / "a", folder)
    assert process.returncode == 1
    message = f"howlow train: {folder / 'a'}: the memory of the GPU does not suffice for batches of 8 clips"
    assert process.stderr.startswith(message)
    assert words in process.stderr
    assert process.stderr.count("\n") == 1


def test_a_full_gpu_gets_one_line_from_times(data, monkeypatch):
    from conftest import run_script

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")

    folder, _ = data
    monkeypatch.setattr(timing, "inference", full)
    spec = {key: SPEC[key] for key in ("model", "options", "seconds", "width")} | {"threads": 1, "window": "periodic"}
    spec |= {"batch_size": 8, "cells": ["12k_mel8_x10_db"], "dtype": "float16"}
    arguments = ["--tracks", folder / "tracks.parquet", "--times", folder / "times.csv", "--device", "cpu"]
    process = run_script("times", *arguments, spec=spec)
    assert process.returncode == 1
    assert process.stderr.startswith("howlow times: the memory of the GPU does not suffice for batches of 64 clips")
    assert process.stderr.count("\n") == 1


def test_other_errors_of_the_program_stay(data, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("shape mismatch")

    folder, _ = data
    monkeypatch.setattr(loop, "score", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        train(folder / "a", folder)


def test_too_small_a_gpu_is_refused_before_training(data, monkeypatch):
    """On a cluster, the GPU is not known before the job has it."""
    folder, _ = data
    properties = type("", (), {"total_memory": 512 << 20})
    monkeypatch.setattr(devices, "prepare", lambda threads, device: torch.device("cuda"))
    monkeypatch.setattr(devices, "lay_out", lambda model, device: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    process = train(folder / "a", folder)
    assert process.returncode == 1
    assert f"{folder / 'a'}: training in batches of 8 clips needs at least 1.0 GB of a GPU's memory" in process.stderr


@pytest.mark.parametrize("broken", ["a file", "no permission"])
def test_locks_that_can_not_be_written(data, monkeypatch, broken):
    folder, _ = data
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    locks = folder / f"howlow-gpus-{os.getuid()}"
    if broken == "a file":
        locks.touch()
    else:
        monkeypatch.setattr(gpus, "_free_place", lambda *_: (_ for _ in ()).throw(PermissionError(13, "No permission")))
    with pytest.raises(gpus.GpuError, match="set TMPDIR to a folder where files can be written"), gpus.place([A], 1):
        pass


def test_a_training_that_goes_on_on_another_device_says_so(data, monkeypatch):
    """On a mixed partition, a retry continues where the first attempt was stopped, and gives the same result."""
    folder, _ = data
    assert train(folder / "whole", folder).returncode == 0
    write = checkpoints.write

    def stop_after_two(path, identity, model, optimizer, history, kept):
        write(path, identity, model, optimizer, history, kept)
        if len(history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr(checkpoints, "write", stop_after_two)
        first.setattr(devices, "device_name", lambda device: "NVIDIA A100")
        assert train(folder / "a", folder).returncode == 130
    monkeypatch.setattr(devices, "device_name", lambda device: "NVIDIA V100")
    process = train(folder / "a", folder)
    assert process.returncode == 0, process.stderr
    assert "going on after epoch 2\nthe device has changed from NVIDIA A100 to NVIDIA V100\n" in process.stdout
    assert files.read_json(folder / "a" / "run.json")["device"] == "NVIDIA A100, NVIDIA V100"
    history = files.read_csv(folder / "a" / "history.csv")
    assert [row["device"] for row in history] == ["NVIDIA A100", "NVIDIA A100", "NVIDIA V100"]
    assert (folder / "a" / "scores.parquet").read_bytes() == (folder / "whole" / "scores.parquet").read_bytes()
