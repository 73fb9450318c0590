"""Kill extraction, training and Snakemake at random moments, resume, and compare all files with an undisturbed run.

    python tests/kill_sweep.py --kills 100 --seed 0

The undisturbed run has one core, and the others have two. Whenever a run ends in spite of the kills, its files are
compared, and a new run begins. The exit status is 1 if any result differs, or if a process or a half-written file is
left.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import yaml
from sameness import differences, digests

ROOT = Path(__file__).resolve().parents[1]
TARGET = "results/tiny/vgg/summary.csv"
PROGRAMS = {"extraction": ("decode.py", "spectrum.py", "mel.py"), "training": ("train.py",)}
# They take turns, so that each is killed: extraction first, because it is soon over.
VICTIMS = ["extraction", "snakemake", "training"]
# Latest time after its start at which a victim is killed, in seconds: about as long as it runs.
LATEST_S = {"extraction": 1.0, "snakemake": 10.0, "training": 5.0}


def sweep(folder: Path, n_kills: int, seed: int) -> tuple[Counter[str], int, list[str]]:
    """Kill `n_kills` times; returns the kills by victim, the number of compared files, and the errors found."""
    config = folder / "kills.yaml"
    config.write_text(yaml.safe_dump(_configuration()))
    expected = _undisturbed(folder / "undisturbed", config)
    rng = np.random.default_rng(seed)
    run = folder / "killed"
    kills: Counter[str] = Counter()
    wrong: list[str] = []
    n_compared = 0
    while True:
        run.mkdir(exist_ok=True)
        victim = VICTIMS[kills.total() % len(VICTIMS)] if kills.total() < n_kills else None
        killed, status = _run_and_kill(run, config, victim, rng)
        if killed:
            kills[victim] += 1
            left = _left_processes(run)
            wrong += left
            print(f"kill {kills.total()}: {killed}", *left, sep="\n  ", flush=True)
        elif status != 0:
            return kills, n_compared, [*wrong, (run / "out.txt").read_text()]
        else:
            found = digests(run)
            n_compared += len(found)
            wrong += differences(found, expected)
            shutil.rmtree(run)
            if kills.total() == n_kills:
                return kills, n_compared, wrong


def _configuration() -> dict:
    config = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text())
    config["seeds"] = [1]
    config["experiments"] = config["experiments"][:1]
    config["experiments"][0]["grid"][0]["sample_rate"] = [12_000]
    config["experiments"][0]["training"]["epochs"] = 100
    del config["table4"]  # it belongs to the other experiment
    return config


def _command(folder: Path, config: Path, cores: int) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder, TARGET]
    return list(map(str, [*command, "--cores", cores, "--configfile", config]))


def _undisturbed(folder: Path, config: Path) -> dict[str, str]:
    folder.mkdir()
    subprocess.run(_command(folder, config, 1), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return digests(folder)


def _run_and_kill(folder: Path, config: Path, victim: str | None, rng: np.random.Generator) -> tuple[str | None, int]:
    """Run until a victim is killed some time after its start, or the run ends; returns the victim and the status."""
    if any(folder.glob(".snakemake/locks/*")):  # Snakemake was killed
        subprocess.run([*_command(folder, config, 2), "--unlock"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with (folder / "out.txt").open("w") as out:
        snakemake = subprocess.Popen(_command(folder, config, 2), stdout=out, stderr=subprocess.STDOUT)
    met: set[int] = set()
    while victim and (process := _next(snakemake, victim, met)):
        met.add(process.pid)
        name = _program(process) or "snakemake"
        moment_s = rng.uniform(0, LATEST_S[victim] / len(met))  # earlier after each process that ended unharmed
        time.sleep(moment_s)
        if snakemake.poll() is None and process.is_running():
            process.kill()
            return f"{name} after {moment_s:.2f} s", snakemake.wait()
    return None, snakemake.wait()


def _next(snakemake: subprocess.Popen, victim: str, met: set[int]) -> psutil.Process | None:
    """A process of this kind that is not in `met`; None if Snakemake ends without one."""
    while snakemake.poll() is None:
        parent = psutil.Process(snakemake.pid)
        for process in [parent] if victim == "snakemake" else parent.children(recursive=True):
            if process.pid not in met and (victim == "snakemake" or _program(process) in PROGRAMS[victim]):
                return process
        time.sleep(0.005)
    return None


def _program(process: psutil.Process) -> str | None:
    """The name of the workflow's program that a process runs."""
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return None
    names = {name for of in PROGRAMS.values() for name in of}
    return next((Path(word).name for word in words[:2] if Path(word).name in names), None)


def _left_processes(folder: Path) -> list[str]:
    """The processes that still work in a folder 30 s after Snakemake has ended. Imports alone may take seconds."""
    end = time.monotonic() + 30
    while left := [p.info for p in psutil.process_iter(["pid", "cwd", "cmdline"]) if p.info["cwd"] == str(folder)]:
        if time.monotonic() > end:
            return [f"left: {process}" for process in left]
        time.sleep(0.05)
    return []


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    args = options.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        kills, n_compared, wrong = sweep(Path(folder).resolve(), args.kills, args.seed)
    print(json.dumps(kills))
    print(f"{kills.total()} kills in {time.monotonic() - start:.0f} s; {n_compared} files compared, {len(wrong)} wrong")
    print("\n".join(wrong))
    sys.exit(bool(wrong))
