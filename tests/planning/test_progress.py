"""The bar of a run: what it counts, what it estimates, and what `make` shows of it."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import termios
import time

import pytest
from conftest import ROOT, TINY, runtime_only, snakemake

from howlow.planning import progress


class Run:
    """A run as Snakemake's logger tells it, with a clock that the test sets."""

    def __init__(self, stream, **jobs: int) -> None:
        self.now_s = 0.0
        self.logger = logging.Logger("snakemake")
        self.bar = progress.Bar(stream, lambda: self.now_s)
        self.logger.addHandler(self.bar)
        self.logger.info("Job stats", extra={"event": "run_info", "stats": jobs | {"total": sum(jobs.values())}})

    def begin(self, jobid: int, rule: str, **wildcards: str) -> None:
        told = {"event": "job_info", "jobid": jobid, "rule_name": rule, "wildcards": wildcards}
        self.logger.info("rule", extra=told)

    def end(self, jobid: int, event: str = "job_finished") -> None:
        key = "job_id" if event == "job_finished" else "jobid"
        self.logger.info("end", extra={"event": event, key: jobid})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_says_how_far_what_and_how_long():
    stream = Terminal()
    run = Run(stream, mel=2, train=10)
    run.begin(1, "mel", dataset="demo", shard="00")
    run.now_s = 4
    run.end(1)
    shown = stream.getvalue().split("\r")[-1]
    assert "1 of 12 steps |" in shown
    assert shown.rstrip().endswith("| mel demo shard 00")  # 10 of 11 jobs are of a rule of which nothing is known
    run.begin(2, "train", cell="16k_mel96_x1_db", seed="3")
    run.now_s = 124
    run.end(2)
    run.begin(3, "train", cell="16k_mel96_x1_db", seed="4")
    shown = stream.getvalue().split("\r")[-1]
    assert "2 of 12 steps |" in shown
    assert "| about 18 min left, train 16k_mel96_x1_db seed 4" in shown  # 9 trainings of 120 s, and 4 s


def test_jobs_at_once_count():
    """Two trainings of 10 s at once: the other eight take 40 s. Of the next two, one ends after 5 s."""
    run = Run(io.StringIO(), train=10)
    run.begin(1, "train")
    run.begin(2, "train")
    run.now_s = 10
    run.end(1)
    run.end(2)
    assert run.bar.remaining_s() == pytest.approx(40)
    run.begin(3, "train")
    run.begin(4, "train")
    run.now_s = 15
    run.end(3)
    assert run.bar.remaining_s() == pytest.approx((7 * 25 / 3 - 5) / 2)


def test_a_failed_attempt_does_not_count():
    run = Run(io.StringIO(), train=3)
    run.begin(1, "train")
    run.now_s = 100
    run.end(1, "job_error")
    run.begin(1, "train")
    run.now_s = 110
    run.end(1)
    assert run.bar.remaining_s() == pytest.approx(20)


def test_without_a_terminal_it_is_a_line_a_minute():
    stream = io.StringIO()
    run = Run(stream, train=200)
    for number in range(100):
        run.begin(number, "train", seed="1")
        run.now_s += 1
        run.end(number)
    assert stream.getvalue() == "60 of 200 steps, about 2 min left, train seed 1\n"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "1 s"), (59.4, "59 s"), (61, "1 min"), (5_399, "90 min"), (9_000, "2.5 h")]
)
def test_lengths_in_words(seconds, words):
    assert progress.in_words(seconds) == words


TARGET = "results/tiny/tracks.parquet"
QUIET = ["--quiet", "rules", "host"]


def run_in_terminal(folder, then=lambda shown: None):
    """Run what `make` starts; `then` gets what was shown so far and gives keys to press. Gives the status and all."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder, TARGET]
    command += [*QUIET, "--cores", "2", "--configfile", TINY]
    code = "import os, signal, sys, termios, fcntl; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    code += (
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"  # Ctrl-C reaches all that it runs
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, command)],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=os.environ | runtime_only(), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if keys := then(shown.decode(errors="replace")):
            os.write(ours, keys)
    os.close(ours)
    return process.wait(), shown.decode()


def lines_left(text):
    """What is left on the screen of lines that were written over."""
    return [line for line in re.sub(r"[^\n]*\r(?!\n)", "", text).splitlines() if line.strip()]


def test_a_run_in_a_terminal_shows_the_bar_and_nothing_else(tmp_path):
    status, text = run_in_terminal(tmp_path)
    assert status == 0
    assert "0 of 2 steps |" in text
    assert "1 of 2 steps |" in text
    assert "| demo tiny" in text
    assert "Select jobs" not in text
    assert len(lines_left(text)) <= 1, text  # Snakemake names its profile by `print`


@pytest.mark.parametrize("wait_s", [0, 0.01, 0.5], ids=["before Python runs", "while it starts", "while it runs"])
def test_ctrl_c_is_no_failure(tmp_path, wait_s):
    pressed = []

    def press_once(shown):
        if "| demo tiny" in shown and not pressed:
            pressed.append(True)
            while not (tmp_path / "logs" / "tiny" / "demo.log").exists():
                time.sleep(0.01)
            time.sleep(wait_s)
            return b"\x03"
        return b""

    status, text = run_in_terminal(tmp_path, press_once)
    assert status != 0
    assert "Stopped by Ctrl-C. What is finished is kept, and the same command goes on from here." in text
    for word in ("CalledProcessError", "Failed:", "lack of memory", "Traceback"):
        assert word not in text, text


def test_warnings_and_errors_are_still_told(tmp_path):
    (tmp_path / "my.yaml").write_text(TINY.read_text().replace("seeds", "sedes"))
    process = snakemake(tmp_path, TARGET, *QUIET, "--cores", 1, "--configfile", "my.yaml")
    assert process.returncode != 0
    assert "sedes: unknown key; did you mean 'seeds'?" in process.stdout


def test_without_quiet_snakemake_speaks_as_ever(tmp_path):
    process = snakemake(tmp_path, TARGET, "--cores", 1, "--configfile", TINY)
    assert process.returncode == 0
    assert "2 of 2 steps (100%) done" in process.stdout
    assert "steps |" not in process.stdout
