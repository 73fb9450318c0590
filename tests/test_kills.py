"""Training that is killed again and again, through Snakemake, ends with the bytes of one that never was."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import yaml
from conftest import ROOT, snakemake

N_KILLS = 20
CELL = "results/tiny/vgg/12k_mel8_x10_db/seed1"


def training_process(parent: subprocess.Popen) -> psutil.Process | None:
    """The training that Snakemake has started, once it is there."""
    while parent.poll() is None:
        for process in psutil.Process(parent.pid).children(recursive=True):
            try:
                if process.name().startswith("python") and any("train.py" in word for word in process.cmdline()):
                    return process
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.01)
    return None


def test_killed_at_random_moments(tmp_path):
    config = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())
    config["experiments"] = config["experiments"][:1]
    del config["table4"]  # of the other
    config["experiments"][0]["training"] |= {"epochs": 800}
    (tmp_path / "killed.yaml").write_text(yaml.safe_dump(config))
    store = "results/tiny/mel/12000/8/manifest.json"
    made = snakemake(tmp_path, store, "--cores", 2, "--configfile", "killed.yaml")
    assert made.returncode == 0, made.stdout

    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), f"{CELL}/run.json"]
    options = ["--cores", "1", "--configfile", "killed.yaml"]
    moments_s = np.random.default_rng(0).uniform(1.5, 4.5, N_KILLS)
    epochs_seen = []
    for moment_s in moments_s:
        with (tmp_path / "out.txt").open("w") as out:
            parent = subprocess.Popen([*command, *options], cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT)
            process = training_process(parent)
            assert process is not None, (tmp_path / "out.txt").read_text()
            time.sleep(moment_s)
            os.kill(process.pid, signal.SIGKILL)
            assert parent.wait() != 0, "the training ended before it was killed"
        log = (tmp_path / "logs/tiny/vgg/12k_mel8_x10_db/seed1.log").read_text()
        if "going on after epoch " in log:  # else it was killed before it got there
            epochs_seen.append(int(log.split("going on after epoch ")[1].split()[0]))
        assert not (tmp_path / CELL / "scores.parquet").exists()
    assert epochs_seen == sorted(epochs_seen)
    assert len(set(epochs_seen)) > 3, "was hardly ever killed while it trained"

    finished = snakemake(tmp_path, f"{CELL}/run.json", *options)
    assert finished.returncode == 0, finished.stdout
    killed = (tmp_path / CELL / "scores.parquet").read_bytes()
    again = snakemake(tmp_path, f"{CELL}/run.json", *options, "--forcerun", "train")
    assert again.returncode == 0, again.stdout
    assert "going on" not in (tmp_path / "logs/tiny/vgg/12k_mel8_x10_db/seed1.log").read_text()
    assert (tmp_path / CELL / "scores.parquet").read_bytes() == killed
