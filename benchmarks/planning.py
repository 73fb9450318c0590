"""Measure planning (dry runs of the paper and of 10,000 cells) and the start of a job before its own work.

    python benchmarks/planning.py

Planning is compared, in the same run, with that of a bare workflow of as many jobs that do nothing.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

from howlow.planning import plans

ROOT = Path(__file__).resolve().parents[1]

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
PLAN = ["--dry-run", "--quiet", "rules"]

CLIPS = ["a.wav,train,rock", "b.wav,validation,rock", "c.wav,test,rock", "d.wav,test,"]

BARE = """
rule all:
    input: expand("done/{{job}}", job=range({n_cells}))
rule evaluate:
    input: "trained/{{job}}"
    output: "done/{{job}}"
    params: spec="{{}}"
    shell: "true"
rule train:
    output: "trained/{{job}}"
    params: spec="{{}}"
    shell: "true"
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resources").symlink_to(ROOT / "resources")
        (folder / "cells.yaml").write_text(yaml.safe_dump(cells()))
        print("planning                       jobs  seconds  ratio to Snakemake alone")
        for label, config in (("paper", ROOT / "config" / "paper.yaml"), ("10,000 cells", folder / "cells.yaml")):
            jobs, plan_s = plan(folder, "--snakefile", ROOT / "Snakefile", "--configfile", config)
            (folder / "bare.smk").write_text(BARE.format(n_cells=jobs // 2))
            _, bare_s = plan(folder, "--snakefile", folder / "bare.smk")
            print(f"  {label:<26} {jobs:>6,}  {plan_s:>7.1f}  {plan_s / bare_s:>7.1f}")
        print(f"a local job, from Snakemake's line to its process: {1000 * start_s(folder):.0f} ms (median of 5)")
    python_s = median_s([sys.executable, "-c", ""])
    print(f"Python starts in {1000 * python_s:.0f} ms. Before its own work, a program also takes:")
    for program in ("train", "evaluate", "decode", "spectrum", "mel", "figure1"):
        command = [sys.executable, ROOT / "workflow" / "scripts" / f"{program}.py", "--help"]
        print(f"  {program:<10} {median_s(command) - python_s:.2f} s")


def cells() -> dict:
    """A configuration of 10,000 cells, one seed."""
    config = yaml.safe_load((ROOT / "config" / "quick.yaml").read_text())
    axes = {"n_mels": list(range(8, 108, 2)), "hop_factor": list(range(1, 51)), "log_type": ["db", "log"]}
    config["experiments"][0]["grid"] = [{"sample_rate": [12_000, 16_000], **axes}]
    return config | {"seeds": [1]}


def plan(folder: Path, *arguments: object) -> tuple[int, float]:
    """The number of jobs of a dry run, and its time in seconds: the best of three if it is short."""
    command = list(map(str, [*SNAKEMAKE, "--directory", folder, *PLAN, *arguments]))
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 10:
        begin = time.perf_counter()
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        seconds.append(time.perf_counter() - begin)
    return plans.planned_jobs(process.stdout)["total"], min(seconds)


def start_s(folder: Path) -> float:
    """Seconds from Snakemake's line about a job to the start of the program's process."""
    (folder / "tracks.csv").write_text("path,split,tags\n" + "".join(f"{name}\n" for name in CLIPS))
    dataset = {"kind": "table", "root": ".", "table": "tracks.csv"}
    experiment = {"dataset": "mine", "model": "vgg", "grid": [{"sample_rate": [12_000], "n_mels": [48]}]}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"datasets": {"mine": dataset}, "experiments": [experiment]}))
    command = [*SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", 1]
    command += ["results/mine/tracks.parquet", "--forcerun", "tracks", "--configfile", folder / "mine.yaml"]
    found = []
    for _ in range(5):
        snakemake = psutil.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        announced_s = next(time.time() for line in snakemake.stderr if line.startswith("localrule tracks:"))
        program = None
        while program is None:
            programs = (child for child in snakemake.children(recursive=True) if "tracks.py" in " ".join(words(child)))
            program = next(programs, None)
        found.append(time.time() - announced_s)
        snakemake.communicate()
    return statistics.median(found)


def words(process: psutil.Process) -> list[str]:
    """The command line of a process; empty if the process has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def median_s(command: list) -> float:
    """The time of a command in seconds, as the median of five."""
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
