"""How trainings share the GPUs of a machine. No GPU is needed: `nvidia-smi` and PyTorch's build are simulated."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, TINY, copy_project, library_of, run_command, snakemake

from howlow import config
from howlow.config import specs
from howlow.features.store import Store
from howlow.networks import memory
from howlow.training import batches, gpus

A, B = "GPU-aaaaaaaa-1111", "GPU-bbbbbbbb-2222"
TWO_GPUS = f"{A}, 24564\n{B}, 24564\n"
TRAINING = "results/tiny/vgg/12k_mel8_x10_db/seed1/run.json"

# It takes the place of scripts/train.py, and notes which GPU it had and when. The first one fails at its first attempt.
STUB = """
import os, time
from pathlib import Path
from howlow import program
from howlow.training import gpus

def main(args):
    with gpus.place(args.gpus, args.sharing):
        start = time.time()
        time.sleep(1)
        with open("runs.csv", "a") as file:
            print(os.environ["CUDA_VISIBLE_DEVICES"], start, time.time(), sep=",", file=file)
    try:
        Path("failed").touch(exist_ok=False)
    except FileExistsError:
        for name in ("model.pt", "history.csv", "scores.parquet", "run.json"):
            (args.folder / name).touch()
    else:
        raise SystemExit(1)

options = program.parser(None)
for name in ("tracks", "manifest", "folder"):
    options.add_argument(f"--{name}", type=Path)
program.add_device_options(options)
program.run(main, options)
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Runs the workflow in `tmp_path` as if `nvidia-smi` printed some text, with a PyTorch that was built for CUDA."""
    for name, text in (
        ("fake/torch/__init__.py", ""),
        ("fake/torch/version.py", 'cuda = "13.0"'),
        ("bin/nvidia-smi", f"#!/bin/sh\necho called >> {tmp_path}/calls\ncat {tmp_path}/printed\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def go(printed, devices, *arguments, project=ROOT):
        (tmp_path / "printed").write_text(printed)
        settings = yaml.safe_load(TINY.read_text())
        for experiment, device in zip(settings["experiments"], devices, strict=True):
            experiment["training"]["device"] = device
        (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile", *arguments]
        command += ["--configfile", "my.yaml"]
        return subprocess.run(
            [str(word) for word in command],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "fake"), library_of(project)["PYTHONPATH"]])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return go


@pytest.mark.parametrize(
    ("printed", "devices", "flags", "asked", "options"),
    [
        pytest.param("", ("auto", "cuda"), [], [0, 1], "--gpus '' --sharing 1", id="no GPU to be seen"),
        pytest.param(TWO_GPUS, ("auto", "cpu"), [], [1, 0], f"--gpus '{A} {B}' --sharing 1", id="two GPUs"),
        pytest.param(
            TWO_GPUS, ("cuda", "cpu"), ["--resources=gpu=3"], [1, 0], f"--gpus '{A} {B}' --sharing 2", id="shared"
        ),
        pytest.param(TWO_GPUS, ("cpu", "cpu"), [], [0, 0], "--gpus '' --sharing 1", id="on the CPU all the same"),
    ],
)
def test_plan(machine, tmp_path, printed, devices, flags, asked, options):
    """Check the GPUs that the trainings of VGG-CNN and MUSICNN ask for, and the options of VGG-CNN's."""
    targets = [
        f"results/tiny/{model}/12k_mel8_x{hop}_db/seed1/run.json" for model, hop in (("vgg", 10), ("musicnn", 1))
    ]
    process = machine(printed, devices, *targets, "--dry-run", "--printshellcmds", *flags)
    trainings = re.findall(
        r"^rule train:\n(?: .*\n)*?.* model=(\w+),.*\n    resources: (.*)", process.stdout, re.MULTILINE
    )
    for model, number in zip(("vgg", "musicnn"), asked, strict=True):
        assert f"gpu={number}," in dict(trainings)[model]
    assert f" --device {devices[0]} {options} " in process.stdout
    assert process.stdout.count("gpu=1") == sum(asked), "another rule asks for a GPU"
    # nvidia-smi runs once per run, and not at all if no training may take a GPU.
    calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
    assert len(calls) == (devices != ("cpu", "cpu"))


def test_one_training_a_gpu_at_once(machine, tmp_path):
    """The machine has 8 cores and two GPUs, and no profile is used. A second attempt asks for 1.5 times the memory."""
    project = copy_project(tmp_path / "project")
    (project / "workflow" / "scripts" / "train.py").write_text(STUB)
    tiny = config.load(TINY)
    cells = list(config.cells(tiny, tiny["experiments"][0]))
    for path in ["tracks.parquet", *(f"mel/{pair}/manifest.json" for pair in ("12000/8", "12000/16", "16000/8"))]:
        (tmp_path / "results/tiny" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "results/tiny" / path).touch()
    targets = [f"results/tiny/vgg/{cell}/seed{seed}/run.json" for cell in cells for seed in (1, 2)]
    flags = ["--cores", 8, "--retries", 1, "--allowed-rules", "train"]
    process = machine(TWO_GPUS, ("auto", "auto"), *targets, *flags, project=project)
    assert process.returncode == 0, process.stdout
    runs = pd.read_csv(tmp_path / "runs.csv", names=["gpu", "start", "end"])
    assert len(runs) == 9
    assert set(runs["gpu"]) == {A, B}
    for _, of_one_gpu in runs.sort_values("start").groupby("gpu"):
        assert (of_one_gpu["start"].iloc[1:].to_numpy() >= of_one_gpu["end"].iloc[:-1].to_numpy()).all()
    logs = "".join(path.read_text() for path in tmp_path.glob("logs/**/*.log"))
    assert "waiting" not in logs, "Snakemake started more than there are GPUs"
    starts = np.sort(runs["start"])
    assert any(((runs["start"] <= start) & (start < runs["end"])).sum() == 2 for start in starts), "never two at once"
    assert set(re.findall(r"gpu=1, mem_mb=(\d+)", process.stdout)) == {"8000", "12000"}


def test_gpus_of_the_machine_that_submits_to_a_cluster_do_not_count(machine, tmp_path):
    """On a cluster, `auto` asks for no GPU. Nothing is submitted here: the queue is empty, and `sbatch` refuses all."""
    for command, status in (("squeue", 0), ("sbatch", 1), ("sinfo", 1), ("scontrol", 1), ("sacct", 1), ("sacctmgr", 1)):
        (tmp_path / "bin" / command).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / "bin" / command).chmod(0o755)
    for path in ("tracks.parquet", "mel/12000/8/manifest.json"):
        (tmp_path / "results/tiny" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "results/tiny" / path).touch()
    flags = ["--executor", "slurm", "--jobs", 1, "--slurm-init-seconds-before-status-checks", 1]
    process = machine(TWO_GPUS, ("auto", "auto"), TRAINING, "--allowed-rules", "train", *flags)
    assert "Trainings with `device: auto` request no GPU from the cluster; `device: cuda` does." in process.stdout
    assert "gpu=0" in process.stdout
    assert "--device auto --gpus '' --sharing 1" in process.stdout
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("printed", "flags", "message"),
    [
        pytest.param(
            f"{A}, 24564\n{B}, 512\n", [],
            r"results/tiny/vgg/\w+/seed\d: training in batches of 4 clips needs at least 1\.0 GB of a GPU's memory, and"
            r" the GPU has 0\.5 GB; set a smaller batch_size",
            id="too small a GPU",
        ),
        pytest.param(
            f"{A}, 1536\n", ["--resources", "gpu=2"],
            r"and 2 trainings are to share a GPU of 1\.6 GB; start with a smaller `--resources gpu=N`",
            id="too many share it",
        ),
        pytest.param(
            f"{A}, 24564\n", ["--resources", "gpu=0"],
            r"gpu=0 in --resources leaves no GPU; set `device: cpu` to train without one",
            id="none left",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_runs(machine, tmp_path, printed, flags, message):
    process = machine(printed, ("auto", "auto"), TRAINING, "--cores", 1, *flags)
    assert process.returncode == 1
    assert re.search(message, process.stdout), process.stdout
    assert "Traceback" not in process.stdout
    assert not (tmp_path / "results" / "tiny").exists()


def test_check_names_what_does_not_fit(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "visible", lambda: (gpus.Gpu(A, 2_000), gpus.Gpu(B, 1_100)))
    settings = yaml.safe_load(TINY.read_text())
    settings["experiments"][0]["training"] |= {"device": "auto", "batch_size": 64}
    settings["experiments"][0]["options"]["width"] = 1 / 16
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    printed = run_command("check", tmp_path / "my.yaml").stdout
    assert "GPUs of this machine: 2, each with at least 1.1 GB\n" in printed
    assert "GPU memory of a training, vgg on tiny: 1.0 GB (12k_mel8_x10_db) to 1.1 GB (12k_mel16_x1_log)\n" in printed
    assert "fit each GPU" not in printed
    warnings = re.findall(r"warning: (.*): training in batches of 64 clips needs at least", printed)
    assert warnings == ["vgg on tiny, 12k_mel16_x1_log"]  # 64 * 8 * 16 * 1366 values of 2 bytes are 22 MB, times 4.5


def test_check_says_how_many_fit_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "visible", lambda: (gpus.Gpu(A, 3_500), gpus.Gpu(B, 16_000)))
    (tmp_path / "my.yaml").write_text(TINY.read_text().replace("device: cpu", "device: auto"))
    printed = run_command("check", tmp_path / "my.yaml").stdout
    # Three trainings of 1.0 GB each fit the smaller one.
    assert "\nUp to 3 trainings fit each GPU: `--resources gpu=6`\n" in printed


def test_another_device_retrains_nothing(finished, tmp_path):
    settings = yaml.safe_load(TINY.read_text())
    for experiment in settings["experiments"]:
        experiment["training"]["device"] = "cuda"
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "run").symlink_to(finished)
    flags = ["--dry-run", "--quiet", "rules", "--cores", 2, "--configfile", tmp_path / "my.yaml"]
    process = snakemake(tmp_path / "run", *flags)
    assert process.returncode == 0, process.stdout
    rules = re.findall(r"^(\w+) +\d+$", process.stdout, re.MULTILINE)
    assert set(rules) <= {"about", "all", "total"}


class TestPlace:
    @pytest.fixture(autouse=True)
    def own_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr(gpus, "_WAIT_S", 0.01)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")

    def test_the_least_used_gpu_is_taken(self):
        seen = []
        with gpus.place([A, B], 2):
            seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
            for _ in range(2):
                with gpus.place([A, B], 2):
                    seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
                    with gpus.place([A, B], 2):
                        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        assert seen == [A, B, A, B, A]

    def test_what_a_cluster_chose_stays(self):
        with gpus.place([], 1):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"

    def test_who_finds_none_free_waits(self, capsys):
        order = []

        def other():
            with gpus.place([A], 1):
                order.append("other")

        with gpus.place([A], 1):
            thread = threading.Thread(target=other)
            thread.start()
            time.sleep(0.1)
            order.append("first")
        thread.join(10)
        assert order == ["first", "other"]
        assert capsys.readouterr().out.count("waiting: other trainings of yours use all GPUs of this machine") == 1

    def test_a_killed_program_leaves_its_place(self, tmp_path):
        code = (
            f"from howlow.training import gpus\nwith gpus.place([{A!r}], 1):\n"
            "    print('has it', flush=True)\n    input()"
        )
        command = [sys.executable, "-c", code]
        env = os.environ | {"TMPDIR": str(tmp_path)}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "has it\n"
            folder = tmp_path / f"howlow-gpus-{os.getuid()}"
            assert gpus._free_place(folder, [A], 1) is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        with gpus.place([A], 1):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == A


class TestMemory:
    def specs(self, model):
        paper = config.load(ROOT / "config" / "paper.yaml")
        experiment = next(e for e in paper["experiments"] if (e["dataset"], e["model"]) == ("mtat", model))
        return {name: specs.train(paper, experiment, cell, 1) for name, cell in config.cells(paper, experiment).items()}

    def test_of_a_gpu(self):
        """By hand: the largest map has 64 * 128 * 128 * 1820 values of 2 bytes, 3.8 GB, and 3.7 such maps are saved."""
        vgg = self.specs("vgg")
        assert 14_100 < memory.gpu_mb(vgg["16k_mel128_x1_db"]) < 23_000
        assert memory.gpu_mb(vgg["16k_mel128_x1_db"]) == max(map(memory.gpu_mb, vgg.values()))
        assert 28_200 < memory.gpu_mb(vgg["16k_mel128_x1_db"], value_bytes=4) < 46_000
        # The largest map of the smallest cell has 64 * 128 * 48 * 137 values, 0.1 GB.
        assert 1_000 + 3.7 * 108 < memory.gpu_mb(vgg["12k_mel48_x10_db"]) < 1_000 + 6 * 108
        # MUSICNN scores a clip in ten segments of 188 frames; its largest map has 256 filters at 78 heights.
        musicnn = self.specs("musicnn")["16k_mel128_x1_db"]
        assert 4 * 16 * 10 * 256 * 78 * 188 / 1e6 < memory.gpu_mb(musicnn) < 16_000

    def test_fits_or_not(self):
        largest = self.specs("vgg")["16k_mel128_x1_db"]
        assert memory.gpu_shortage(largest, 25_757) == ""
        assert memory.gpu_shortage(largest, 0) == "", "the driver does not tell the memory"
        assert "needs at least 18.2 GB of a GPU's memory, and the GPU has 17.2 GB" in memory.gpu_shortage(
            largest, 17_180
        )
        assert "2 trainings are to share a GPU of 25.8 GB" in memory.gpu_shortage(largest, 25_757, sharing=2)

    def test_of_spectrograms_that_stay_on_a_gpu(self):
        """They may take what a training does not need for itself, up to half of its share."""
        vgg = self.specs("vgg")
        assert memory.resident_mb(vgg["16k_mel128_x1_db"], 25_757) == 0
        assert memory.resident_mb(vgg["12k_mel48_x10_db"], 25_757) == 25_757 // 2
        assert memory.resident_mb(vgg["12k_mel48_x10_db"], 25_757, sharing=2) == round(25_757 / 4)
        own = memory.gpu_mb(vgg["12k_mel96_x1_db"])
        assert memory.resident_mb(vgg["12k_mel96_x1_db"], 3 * own) == pytest.approx(1.5 * own, abs=1)
        assert memory.resident_mb(vgg["12k_mel96_x1_db"], 2 * own) == pytest.approx(0.5 * own, abs=1)

    @pytest.mark.parametrize(("resident_bytes", "stays"), [(2 * 10 * 8 * 137, True), (2 * 10 * 8 * 137 - 1, False)])
    def test_spectrograms_stay_on_a_gpu_where_they_may(self, monkeypatch, resident_bytes, stays):
        shards = [np.zeros((10, 8, 1366), np.float16)]
        store = Store(list("abcdefghij"), shards, np.zeros(10, int), np.arange(10), 10, "db")
        monkeypatch.setattr(batches, "load", lambda store, device: "on the GPU")
        assert (batches.feed(store, torch.device("cuda"), resident_bytes).resident == "on the GPU") == stays
        assert batches.feed(store, torch.device("cpu"), resident_bytes).resident is None

    def test_batches_are_timed_in_parts_as_clips_are_scored(self):
        from howlow.planning import timing

        sizes = []

        class Network(torch.nn.Module):
            def forward(self, x):
                sizes.append(len(x))

        tiny = config.load(TINY)
        cell = next(iter(config.cells(tiny, tiny["experiments"][0]).values()))
        timing.inference(Network(), cell, torch.device("cpu"))["inference_ms_batch_64"].call()
        assert sizes == [8]
