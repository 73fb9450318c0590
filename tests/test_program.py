"""All programs end together with the process that started them, however that ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT

from howlow import files, provenance

PROGRAM = """
import os, time
from howlow import program

def tell():
    os.write(1, f"{os.getpid()}\\n".encode())  # at once: parts of a print may come between another's

def work(_):
    tell()
    time.sleep(60)

def main(args):
    tell()
    list(program.parallel(work, range(2), processes=2))

program.run(main, program.parser(None))
"""
OPTIONS = "--spec {}"


@pytest.fixture
def program(tmp_path) -> Path:
    """A program with two workers, which print their process ids and then run for long."""
    path = tmp_path / "long.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
class TestParentIsKilled:
    def test_program_and_its_workers_end(self, program):
        command = f"{sys.executable} {program} {OPTIONS} --parent $$; true"
        parent = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
        started = [psutil.Process(int(parent.stdout.readline())) for _ in range(3)]
        _kill_and_wait(parent, started)

    def test_demo_and_its_workers_end(self, tmp_path):
        script = ROOT / "workflow" / "scripts" / "demo.py"
        spec = """'{"n_clips": 5000, "probes": ["air"]}'"""  # minutes of work
        options = f"--spec {spec} --root {tmp_path} --threads 2"
        parent = subprocess.Popen(["bash", "-c", f"{sys.executable} {script} {options} --parent $$; true"])
        while parent.poll() is None and len(started := psutil.Process(parent.pid).children(recursive=True)) < 3:
            time.sleep(0.05)
        assert parent.poll() is None
        _kill_and_wait(parent, started)

    def test_program_whose_parent_is_dead_already_does_not_begin(self, program):
        command = [sys.executable, program, *OPTIONS.split(), "--parent", "1"]
        process = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert process.returncode == -signal.SIGKILL
        assert process.stdout == ""


SQUARES = """
import argparse, multiprocessing, sys
from howlow import program

def square(number):
    return number * number

def main(args):
    multiprocessing.set_start_method(args.default)
    if args.own:
        program._START_METHOD = args.own
    print(list(program.parallel(square, range(5), processes=2)))

if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--default")
    options.add_argument("--own")
    program.run(main, options)
"""


@pytest.mark.parametrize(
    "arguments", ["--default forkserver", "--default spawn", "--default fork --own spawn"], ids=str
)
def test_workers_start_whatever_pythons_default_is(tmp_path, arguments):
    """The default is forkserver from Python 3.14 on. On macOS, workers are spawned, as in the last case."""
    path = tmp_path / "squares.py"
    path.write_text(SQUARES)
    command = [sys.executable, path, *arguments.split()]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stdout, process.stderr) == (0, "[0, 1, 4, 9, 16]\n", "")


SELF_EDITING = """
from pathlib import Path
from howlow import program

def main(args):
    with Path(__file__).open("a") as file:
        file.write("edited = True")
    return []

if __name__ == "__main__":
    program.run(main, program.parser("Edits its own file, as a user may do while a job runs."))
"""


def test_the_record_has_the_code_that_ran_and_not_what_it_was_edited_to(tmp_path):
    path, record = tmp_path / "editing.py", tmp_path / "record.json"
    path.write_text(SELF_EDITING)
    before = provenance.code(path, {})
    subprocess.run([sys.executable, path, "--spec", "{}", "--record", record], check=True, timeout=60)
    assert "edited = True" in path.read_text()
    assert files.read_json(record)["code"] == before


def _kill_and_wait(parent: subprocess.Popen, started: list[psutil.Process]):
    """Kill a process, and check that all processes that it started end soon."""
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(started, timeout=10)[1] == []
