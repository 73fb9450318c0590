"""What the tests share: small audio files, a small data set in MagnaTagATune's layout, and the workflow."""

import contextlib
import csv
import importlib.util
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TextIO

import checkout
import numpy as np
import pytest
import soundfile
from filelock import FileLock
from packaging.utils import canonicalize_name

from howlow import commands
from howlow.planning import plans

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
TINY = ROOT / "tests" / "tiny.yaml"
OWN = ROOT / "tests" / "own.yaml"
HOWLOW = [sys.executable, "-m", "howlow"]
"""The command `howlow` as words of a command line, for tests that need a process of its own."""

# What the tests start takes the library of this checkout, which may be a copy of the one that is installed.
PATHS = [str(ROOT / "workflow"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)

# Each of these takes minutes. If one of them came last, all other cores would be idle.
LONGEST = ("test_slurm", "test_answers", "test_kills")


LISTED_SKIPS = (
    "PyTorch sees no GPU",
    "HOWLOW_REAL_MUSIC names no folder of real music",
    "the test needs chromium",
    "the test needs slurmctld",
    "a private SLURM has to be started as root",
    "a small disk can't be mounted here",
    "a device node can't be made or used here",
)
"""How the reasons begin that may skip a test where HOWLOW_LISTED_SKIPS_ONLY=1, as in continuous integration."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let a test fail that is skipped for a reason that is not listed: otherwise nobody would notice."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("HOWLOW_LISTED_SKIPS_ONLY") == "1":
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(LISTED_SKIPS):
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} was skipped, and its reason is not among LISTED_SKIPS of tests/conftest.py: {reason}"
            )
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave the order otherwise as it is."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture(scope="session")
def real_music() -> Path:
    """A folder of real music in MagnaTagATune's layout, named by HOWLOW_REAL_MUSIC."""
    folder = os.environ.get("HOWLOW_REAL_MUSIC")
    if not folder:
        pytest.skip("HOWLOW_REAL_MUSIC names no folder of real music")
    return Path(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A folder with a finished run of the tiny configuration on two cores; tests work on copies."""
    return made_once(tmp_path_factory, "finished", lambda folder: run_all(folder, TINY))


def made_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker makes which needs it, and that all others use."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (folder / "done").exists():
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


def run_all(folder: Path, configuration: Path) -> None:
    """Run everything of a configuration in a folder, on two cores."""
    process = snakemake(folder, "--cores", 2, "--configfile", configuration)
    assert process.returncode == 0, process.stdout


def may_install() -> bool:
    """Whether the tests may change the system: install Debian's packages, and set up a private SLURM in /etc/slurm."""
    return os.environ.get("HOWLOW_TEST_INSTALL") == "1"


def installed(program: str, *packages: str) -> str:
    """The path of a program of the system; Debian's packages for it are installed if needed and allowed.

    If the program cannot be had, the test is skipped with the reason.
    """
    wanted = f"the test needs {program} (Debian: {' '.join(packages)})"
    with FileLock(Path(tempfile.gettempdir(), "howlow-apt.lock")):  # only one worker installs at a time
        if path := shutil.which(program):
            return path
        if not may_install():
            pytest.skip(f"{wanted}; with HOWLOW_TEST_INSTALL=1, and as root, it is installed")
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip(f"{wanted}, which only root can install, and only with apt-get")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], **quiet)
        return shutil.which(program) or pytest.skip(f"{wanted}, which apt-get could not install")


@pytest.fixture(scope="session")
def finished_own(tmp_path_factory, finished) -> Path:
    """A folder with a finished run of a user's own collections, with the audio of `finished`; tests work on copies."""

    def make(folder: Path) -> None:
        source = finished / "results" / "tiny" / "source"
        shutil.copytree(source, folder / "music")
        with (source / "annotations_final.csv").open(newline="") as file:
            clips = list(csv.DictReader(file, delimiter="\t"))
        tags = ("drums", "guitar", "loud")
        rows = [[c["mp3_path"], c["mp3_path"][:3], "|".join(tag for tag in tags if c[tag] == "1")] for c in clips]
        table = "".join(f"{','.join(row)}\n" for row in [["path", "group", "tags"], *rows])
        (folder / "music" / "tracks.csv").write_text(table)
        run_all(folder, OWN)

    return made_once(tmp_path_factory, "finished_own", make)


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Writes a stereo or mono WAV of a tone and gives its path."""

    def write(
        name: str = "tone.wav", *, seconds: float = 29.2, rate: int = 16_000, hz: float = 440, n_channels: int = 1
    ) -> Path:
        t = np.arange(round(seconds * rate)) / rate
        signal = 0.3 * np.sin(2 * np.pi * hz * t)
        path = tmp_path / name
        soundfile.write(path, np.repeat(signal[:, None], n_channels, axis=1), rate)
        return path

    return write


@pytest.fixture
def annotations(tmp_path: Path) -> Callable[..., Path]:
    """Writes an `annotations_final.csv` of given rows and gives the data set's root."""

    def write(rows: list[list[object]], header: list[str] | None = None) -> Path:
        with (tmp_path / "annotations_final.csv").open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(header or ["clip_id", "guitar", "slow", "mp3_path"])
            writer.writerows(rows)
        return tmp_path

    return write


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], object]]:
    """Put `results` on a disk of its own of 64 KB; gives a function that sets the size of the disk in MB."""
    results = tmp_path / "results"
    results.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", results], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("a small disk can't be mounted here: " + mount.stderr.decode().strip())
    yield lambda size_mb: subprocess.run(["mount", "-o", f"remount,size={size_mb}m", results], check=True)
    subprocess.run(["umount", "--lazy", results], check=True)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder for files that nobody may read. It is not below pytest's folder, which only one user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        for folder, _, _ in os.walk(name):
            Path(folder).chmod(0o755)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Switch to a user whom permissions stop, unlike root, for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def run_script(name: str, *arguments: object, spec: object = None) -> SimpleNamespace:
    """Run a program of a rule, in workflow/scripts, with the options that the workflow gives to all of them."""
    path = str(SCRIPTS / f"{name}.py")
    argv = [path, "--spec", json.dumps(spec or {}), *map(str, arguments)]
    return _run(lambda: runpy.run_path(path, run_name="__main__"), argv)


def run_command(name: str, *arguments: object, stdout: TextIO | None = None) -> SimpleNamespace:
    """Run a subcommand of `howlow` as from its command line, but in this process, which has the imports already.

    Gives `returncode`, `stdout` and `stderr` as subprocess.run does; `stdout` is empty if it was redirected.
    """
    return _run(commands.main, ["howlow", name, *map(str, arguments)], stdout)


def _run(main: Callable[[], object], argv: list[str], stdout: TextIO | None = None) -> SimpleNamespace:
    stdout, stderr, returncode = stdout or io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.setattr(sys, "argv", argv)
        try:
            main()
        except SystemExit as stop:  # as in Python: a message goes to stderr, and the status is 1
            returncode = stop.code if isinstance(stop.code, int) else 1
            if not isinstance(stop.code, int):
                print(stop.code, file=stderr)
    written = stdout.getvalue() if isinstance(stdout, io.StringIO) else None
    return SimpleNamespace(returncode=returncode, stdout=written, stderr=stderr.getvalue())


def snakemake(folder: Path, *arguments: object):
    """Run the workflow in a folder; gives the finished process, with both streams in `stdout`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder, *arguments]
    words = [str(word) for word in command]
    return subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=os.environ | runtime_only(),
        check=False,
    )


@cache
def runtime_only() -> dict[str, str]:
    """Environment variables with which Python finds none of the modules that only developers install."""
    runtime, development = (
        {canonicalize_name(re.split(r"==|\[", line)[0]) for line in (ROOT / "envs" / name).open() if "==" in line}
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    absent = [
        module
        for module, names in packages_distributions().items()
        if {canonicalize_name(name) for name in names} <= development - runtime
    ]
    paths = [*PATHS, str(ROOT / "tests" / "runtime")]
    return {"PYTHONPATH": os.pathsep.join(paths), "HOWLOW_ABSENT": " ".join(absent)}


def module_at(path: Path) -> ModuleType:
    """A program of the project as a module, from outside the library."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def copy_project(folder: Path) -> Path:
    """A copy of this project as in a fresh checkout, to be changed and run with the environment of `library_of`."""
    return checkout.copy_of(ROOT, folder)


def library_of(project: Path) -> dict[str, str]:
    """Environment variables with which Python takes the library of a copy of this project."""
    return {"PYTHONPATH": os.pathsep.join([str(project / "workflow"), *PATHS])}


def planned_jobs(process) -> dict[str, int]:
    """The number of jobs per rule that a dry run (`-n --quiet rules`) announces."""
    return plans.planned_jobs(process.stdout)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch computes on one core, and afterwards as before."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.mkldnn.set_flags(True)  # `devices.lay_out` changes it
