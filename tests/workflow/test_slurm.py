"""`snakemake --profile slurm` on a real SLURM, a private cluster of two nodes on this machine."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pytest
import sameness
import yaml
from conftest import HOWLOW, ROOT, TINY, copy_project, installed, library_of, may_install, planned_jobs

CLUSTER = ROOT / "tests" / "slurm" / "cluster.sh"
CONFIGURATION = Path("/etc/slurm/slurm.conf")
PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--profile", "slurm"]
STARTED: list[subprocess.Popen] = []
QUICK = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]


def install_slurm() -> None:
    """Install Debian's SLURM if that is allowed; otherwise skip the test with the reason."""
    if not may_install():
        pytest.skip(f"HOWLOW_TEST_INSTALL=1 has this test install {PACKAGES[0]} and others, and write {CONFIGURATION}")
    if os.geteuid() != 0:
        pytest.skip("a private SLURM has to be started as root")
    installed("slurmctld", *PACKAGES)
    if os.path.lexists(CONFIGURATION):
        pytest.skip(f"{CONFIGURATION} is there: this machine belongs to a cluster")


def stop_forgotten_cluster() -> None:
    """Stop the cluster of tests that were killed, but no other cluster."""
    state = CONFIGURATION.resolve().parent
    owner = re.fullmatch(r"howlow-slurm-(\d+)-\w+", state.name)
    if owner and not psutil.pid_exists(int(owner[1])):
        subprocess.run([CLUSTER, "down", state], check=True, timeout=60)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A checkout of this project on a running cluster, with the profile edited as docs/slurm.md says."""
    if may_install():
        stop_forgotten_cluster()
    install_slurm()
    folder = copy_project(tmp_path_factory.mktemp("slurm") / "project")
    profile = folder / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text().replace("  # slurm_partition: cpu", "  slurm_partition: cpu")
    text = re.sub(r"^# ((set-resources:|  ).*)", r"\1", text, flags=re.MULTILINE)
    # The configuration asks for no GPU, because the GPUs of this cluster are not real.
    text = text.replace("  train:\n", "  train:\n    gpu: 1\n")
    profile.write_text(text)
    # It is not in pytest's folder, because munge needs a path that everybody may enter.
    state = Path(tempfile.mkdtemp(prefix=f"howlow-slurm-{os.getpid()}-"))
    subprocess.run([CLUSTER, "up", state], check=True, timeout=60)
    yield folder
    for process in STARTED:
        process.kill()  # a test that failed left it
    subprocess.run([CLUSTER, "down", state], check=True, timeout=60)
    shutil.rmtree(state)
    assert processes_of(state, folder) == []


def processes_of(*folders: Path) -> list[str]:
    """The command lines of all processes that name one of these folders and don't end within half a minute."""
    end = time.monotonic() + 30
    while True:
        lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        left = [line for line in lines if any(str(folder) in line for folder in folders)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.5)


def start(project: Path, *arguments: object) -> subprocess.Popen:
    """Start `snakemake --profile slurm` in the project; both of its streams go to `out.txt`."""
    with (project / "out.txt").open("w") as out:
        command = [*SNAKEMAKE, *QUICK, *map(str, arguments)]
        # Where the tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        environment = os.environ | library_of(project)
        STARTED.append(subprocess.Popen(command, cwd=project, env=environment, stdout=out, stderr=subprocess.STDOUT))
        signal.signal(signal.SIGINT, before)
    return STARTED[-1]


def run(project: Path, *arguments: object) -> tuple[int, str]:
    """The exit status of a run, and its output."""
    process = start(project, *arguments)
    try:
        status = process.wait(timeout=900)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail((project / "out.txt").read_text())
    return status, (project / "out.txt").read_text()


def queue() -> list[str]:
    """The jobs that wait or run. Those that SLURM is still cleaning up after (`completing`) have ended."""
    command = ["squeue", "--noheader", "--states=PENDING,RUNNING,SUSPENDED"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def known_jobs() -> list[dict[str, str]]:
    """SLURM's information about each job, including those that have ended."""
    command = ["scontrol", "--oneliner", "--detail", "show", "jobs"]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(re.findall(r"(\w+)=(\S*)", row)) for row in rows]


def wait_for(condition, process: subprocess.Popen, timeout_s: float = 180) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process.poll() is None, "Snakemake ended meanwhile"
        time.sleep(0.1)


def changed(project: Path, name: str, change) -> str:
    """The name of a changed copy of the tiny configuration."""
    config = yaml.safe_load(TINY.read_text())
    change(config)
    (project / name).write_text(json.dumps(config))
    return name


VGG = "results/tiny/vgg/12k_mel8_x10_db/seed3"
MUSICNN = "results/tiny/musicnn/12k_mel8_x1_db/seed3"


class TestSlurm:
    """The order matters: each test continues from the results of the one before."""

    def test_whole_run_equals_the_local_one(self, project, finished):
        command = ["--configfile", TINY]
        status, printed = run(project, *command)
        assert status == 0, printed
        assert queue() == []
        assert sameness.differences(sameness.digests(project), sameness.digests(finished)) == []
        environment = os.environ | library_of(project)
        plan = subprocess.run(
            [*SNAKEMAKE, "-n", *command], cwd=project, env=environment, capture_output=True, text=True
        )
        assert "Nothing to be done" in plan.stdout + plan.stderr

    def test_jobs_of_the_whole_run(self, project):
        """Check on which node and with which GPU each job ran. Two jobs at once have different GPUs."""
        of_rule = defaultdict(list)
        for job in known_jobs():
            of_rule[re.match(r"rule_([a-z]+)", job["Comment"])[1]].append(job)
        assert {rule: len(jobs) for rule, jobs in of_rule.items()} == {
            "demo": 1, "decode": 4, "spectrum": 4, "mel": 6, "train": 10, "times": 2, "bootstrap": 2, "sonify": 1
        }  # fmt: skip
        for rule, jobs in of_rule.items():
            where = {(job["Partition"], job["JOB_GRES"]) for job in jobs}
            assert where == {"train": {("gpu", "gpu:a100:1")}, "times": {("gpu", "(null)")}}.get(
                rule, {("cpu", "(null)")}
            ), rule
        devices = {}
        for job in of_rule["train"]:
            model, cell, seed = re.fullmatch(r"rule_train_wildcards_tiny_(\w+?)_(\w+)_(\d)", job["Comment"]).groups()
            first_line = (project / f"logs/tiny/{model}/{cell}/seed{seed}.log").read_text().splitlines()[0]
            devices[job["JobId"]] = re.fullmatch(r"CUDA_VISIBLE_DEVICES: ([01])", first_line)[1]
        at_once = [
            (devices[one["JobId"]], devices[other["JobId"]])
            for one, other in itertools.combinations(of_rule["train"], 2)
            if one["StartTime"] < other["EndTime"] and other["StartTime"] < one["EndTime"]
        ]
        assert at_once
        assert all(one != other for one, other in at_once)

    def test_failures_are_told_with_cell_and_reason(self, project):
        def change(config):
            config["seeds"] = [3]
            config["experiments"][0]["training"]["device"] = "cuda"  # PyTorch sees none of the cluster's GPUs
            config["experiments"][1]["options"]["filters"] = 512
            config["experiments"][1]["training"]["batch_size"] = 16

        failing = changed(project, "failing.yaml", change)
        # This is the other way to ask for a GPU.
        less = "train:mem_mb=1000", "train:gpu=0", "train:gres=gpu:1", "train:slurm_partition=gpu"
        targets = [f"{VGG}/run.json", f"{MUSICNN}/run.json"]
        status, printed = run(
            project, *targets, "--configfile", failing, "--keep-going", "--retries", 0, "--set-resources", *less
        )
        assert status != 0
        refused, starved = sorted(
            re.findall(r"^Failed: (.+)$", printed, re.MULTILINE), key=lambda told: told.startswith(MUSICNN)
        )
        assert refused.startswith(f"{VGG}: howlow train: {VGG}: device is cuda, but PyTorch sees no GPU; ")
        assert "log: logs/tiny/vgg/12k_mel8_x10_db/seed3.log, SLURM job " in refused
        assert starved.startswith(f"{MUSICNN}: killed, because it needed more memory than it had asked for (mem_mb")
        by_gres = [job["JOB_GRES"] for job in known_jobs() if job["JobState"] != "COMPLETED"]
        assert by_gres == ["gpu:a100:1"] * 2

    def test_ctrl_c_leaves_no_job_in_the_queue(self, project):
        long = changed(project, "long.yaml", prolong)
        process = start(project, f"{MUSICNN}/run.json", "--configfile", long)
        wait_for(lambda: (project / MUSICNN / "checkpoint.pt").exists(), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) != 0
        assert queue() == []

    def test_killed_snakemake_is_resumed_as_documented(self, project):
        long = changed(project, "long.yaml", prolong)
        targets = [f"{VGG}/run.json", f"{MUSICNN}/run.json", "--configfile", long]
        process = start(project, *targets)
        trainings = project / f"{VGG}/run.json", project / f"{MUSICNN}/checkpoint.pt"
        before = trainings[1].stat().st_mtime_ns
        wait_for(lambda: "1 of 2 steps" in (project / "out.txt").read_text(), process)
        assert trainings[1].stat().st_mtime_ns > before  # the other one is being written
        process.kill()
        process.wait()
        assert len(queue()) == 1  # the job runs on
        finished_at = trainings[0].stat().st_mtime_ns

        status, printed = run(project, *targets, "--nolock")  # as a user does who has not read the documentation
        assert status != 0
        assert "SLURM jobs of an earlier run still work in this folder, 1 in all" in printed
        cancelled = subprocess.run([*HOWLOW, "cancel"], cwd=project, capture_output=True, text=True, check=True)
        assert cancelled.stdout.startswith("1 jobs cancelled; none is left in the queue. Go on with:")
        assert queue() == []
        assert run(project, *targets, "--unlock")[0] == 0
        words = [*SNAKEMAKE, *targets, "-n", "--quiet", "rules"]
        environment = os.environ | library_of(project)
        plan = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=True)
        assert planned_jobs(plan) == {"train": 1, "total": 1}, plan.stdout
        status, printed = run(project, *targets)
        assert status == 0, printed
        assert "going on after epoch" in (project / "logs/tiny/musicnn/12k_mel8_x1_db/seed3.log").read_text()
        assert trainings[0].stat().st_mtime_ns == finished_at


def prolong(config) -> None:
    """Make the training of MUSICNN, one of two, last for some time."""
    config["seeds"] = [3]
    config["experiments"][1]["training"] |= {"epochs": 350}
