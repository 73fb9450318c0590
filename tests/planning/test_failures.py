"""The last lines of a run say why jobs failed, however the run was started."""

import logging
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from conftest import ROOT, copy_project, library_of, snakemake

from howlow.planning import failures

CONFIGURATION = """
datasets: {mine: {kind: table, root: ., table: nowhere.csv}}
experiments: [{dataset: mine, model: vgg, grid: [{sample_rate: [12000], n_mels: [8]}]}]
"""
REASON = "Failed: results/mine/tracks.parquet: howlow tracks: nowhere.csv: no such file; "


def check(process):
    """Check that the reason is among the last lines. Then Snakemake names its log, and `make` says that it failed."""
    assert process.returncode != 0
    assert any(line.startswith(REASON) for line in process.stdout.splitlines()[-6:]), process.stdout
    assert "Traceback" not in process.stdout


@pytest.mark.parametrize(
    "options",
    [["--quiet", "rules", "--retries", "1"], ["--quiet", "all"], ["--profile", str(ROOT / "profiles" / "local")]],
    ids=["rules", "all", "profile"],
)
def test_snakemake_says_last_what_failed_and_why(tmp_path, options):
    (tmp_path / "my.yaml").write_text(CONFIGURATION)
    check(snakemake(tmp_path, "results/figure1.pdf", *options, "--cores", 1, "--configfile", "my.yaml"))


@pytest.mark.parametrize("target", ["figure1", "all"])
def test_make_says_last_what_failed_and_why(tmp_path, target):
    project = copy_project(tmp_path / "project")
    (project / "my music's.yaml").write_text(CONFIGURATION)
    check(make(project, target, "CONFIG=my music's.yaml"))


def test_make_names_a_configuration_that_is_not_there(tmp_path):
    project = copy_project(tmp_path / "project")
    process = make(project, "figure1", "CONFIG=nope.yaml")
    assert process.returncode != 0
    told, by_make = process.stdout.splitlines()
    assert told == "howlow: CONFIG names nope.yaml, and there is no such file"
    assert by_make.startswith("make: ***")


@pytest.mark.parametrize("words", [["figure1", "my.yaml"], ["my.yaml"]])
def test_make_says_how_a_configuration_is_named(tmp_path, words):
    """A configuration alone would be a file for which nothing is to be done."""
    project = copy_project(tmp_path / "project")
    process = make(project, *words)
    assert process.returncode != 0
    assert "To run a configuration, name it with CONFIG: make figure1 CONFIG=my.yaml." in process.stdout


def test_make_tells_a_mistake_in_a_configuration_in_one_line(tmp_path):
    """Snakemake's own reader does not name the row of a tab, and says in which file of the workflow it was called."""
    project = copy_project(tmp_path / "project")
    (project / "my.yaml").write_text("datasets:\n\tmine: {}\n")
    process = make(project, "figure1", "CONFIG=my.yaml")
    assert process.returncode != 0
    told, by_make = process.stdout.splitlines()
    assert told.startswith("howlow check: my.yaml: not YAML: ")
    assert told.endswith(" in line 2")
    assert by_make.startswith("make: ***")


def make(project, *arguments):
    """Run `make` with the environment of the tests; gives the finished process, with both streams in `stdout`."""
    ready = ["--old-file", f"{sys.prefix}/runtime", f"VENV={sys.prefix}"]
    # `make test` tells what it starts that they are below it.
    by_user = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *ready, *arguments],
        cwd=project,
        env=by_user | library_of(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class TestReasons:
    """The reason of a failure, from the events of Snakemake's logger and from the logs of the job and of SLURM."""

    @pytest.fixture
    def logger(self):
        logger = logging.Logger("snakemake")
        logger.addHandler(failures.Failures())
        return logger

    def fail(self, logger, jobid=1, rule="train", output=(), log=(), message=None, **aux):
        """Log a failed job as Snakemake's jobs.py does."""
        output = output or ["results/d/vgg/c/seed1/model.pt", "results/d/vgg/c/seed1/run.json"]
        told = {"event": "job_error", "jobid": jobid, "rule_name": rule, "output": output, "log": log, "aux": aux}
        logger.error("Error in rule", extra=told | {"rule_msg": message})

    def reasons(self, logger):
        return logger.handlers[0].reasons()

    @pytest.mark.parametrize(
        ("own", "slurm", "why"),
        [
            ("howlow train: it went wrong\n", "", "howlow train: it went wrong;"),
            ("howlow train: out of memory\n", "howlow train: out of memory\n", "howlow train: out of memory;"),
            ("", "slurmstepd: error: Detected 1 oom_kill event in StepId=5.0.", "killed, because it needed more"),
            ("", "error: StepId=5.0 exceeded memory limit (3 > 2), being killed", "killed, because it needed more"),
            ("", "slurmstepd: error: *** JOB 5 CANCELLED DUE TO TIME LIMIT ***", "stopped at its time limit"),
            (
                "Traceback (most recent call last):\n  File x\nValueError: no\n  ^ here\n",
                "",
                "an unexpected error in the program: ValueError: no;",
            ),
            ("", "", "it ended without an error message; it may have been killed for lack of memory;"),
        ],
    )
    def test_of_a_job_on_a_cluster(self, tmp_path, logger, own, slurm, why):
        log = [str(tmp_path / "cell.log"), str(tmp_path / "slurm.log")]
        (tmp_path / "cell.log").write_text(own)
        (tmp_path / "slurm.log").write_text(slurm)
        self.fail(logger, log=log, message="SLURM-job '5' failed.", external_jobid="5")
        (reason,) = self.reasons(logger)
        assert reason.startswith(f"Failed: results/d/vgg/c/seed1: {why}")
        assert reason.endswith(f"; log: {log[0]}, SLURM job 5: {log[1]}")

    def test_of_a_job_that_slurm_did_not_take(self, tmp_path, logger):
        (tmp_path / "old.log").write_text("howlow train: of an earlier run\n")
        self.fail(logger, log=[str(tmp_path / "old.log")], message="SLURM sbatch failed. The error\nwas: no account")
        (reason,) = self.reasons(logger)
        assert "seed1: not submitted: SLURM sbatch failed. The error was: no account; log: " in reason

    def test_of_a_job_that_had_no_room_for_its_log(self, tmp_path, logger, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(20_000))
        self.fail(
            logger, rule="mel", output=["results/00.json", "results/00.npy"], log=[str(tmp_path / "logs/mel.log")]
        )
        (reason,) = self.reasons(logger)
        assert reason.startswith(
            f"Failed: results/00.npy: no space left on the disk of {tmp_path}, not even for an error"
        )

    def test_only_of_jobs_that_failed_for_good(self, tmp_path, logger):
        for jobid, name in ((1, "a"), (2, "b"), (1, "a")):
            (tmp_path / f"{name}.log").write_text(f"howlow mel: of {name}\n")
            self.fail(logger, jobid=jobid, rule="mel", output=[name], log=[str(tmp_path / f"{name}.log")])
        logger.info("Finished job", extra={"event": "job_finished", "job_id": 2})
        logger.info("something else")
        assert self.reasons(logger) == [f"Failed: a: howlow mel: of a; log: {tmp_path}/a.log"]

    def test_of_jobs_that_the_user_stopped(self, tmp_path, logger):
        """One of them was still importing, which is no fault of the program; a third one failed on its own."""
        logs = {
            "a": "epoch 1/8: training loss 0.5\nhowlow: stopped by Ctrl-C\n",
            "b": "Traceback (most recent call last):\n  File x\nKeyboardInterrupt\n",
            "c": "howlow mel: of c\n",
        }
        for jobid, (name, text) in enumerate(logs.items()):
            (tmp_path / f"{name}.log").write_text(text)
            self.fail(logger, jobid=jobid, rule="mel", output=[name], log=[str(tmp_path / f"{name}.log")])
        assert self.reasons(logger) == [
            f"Failed: c: howlow mel: of c; log: {tmp_path}/c.log",
            "Stopped by Ctrl-C. What is finished is kept, and the same command goes on from here.",
        ]

    @pytest.mark.parametrize("interrupted", [False, True])
    def test_of_a_job_that_had_not_yet_begun_when_the_user_stopped_it(self, tmp_path, logger, interrupted):
        (tmp_path / "a.log").write_text("")
        self.fail(logger, jobid=1, rule="mel", output=["a"], log=[str(tmp_path / "a.log")])
        if interrupted:
            logger.info("Terminating processes on user request, this might take some time.")
        (told,) = self.reasons(logger)
        assert told.startswith("Stopped by Ctrl-C" if interrupted else "Failed: a: it ended without")
