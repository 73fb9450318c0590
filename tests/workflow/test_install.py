"""`make` sets up the environment with the right Python, and one lock holds for all of them."""

import platform
import re
import shutil
import subprocess
import sys

import packaging.markers
import pytest
import test_slurm
import yaml
from conftest import ROOT, installed, module_at

PYTHONS = re.search(r"^PYTHONS := (.+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()


@pytest.fixture(scope="module")
def check_wheels():
    return module_at(ROOT / "envs" / "check_wheels.py")


@pytest.fixture
def set_up(tmp_path):
    """Runs `make .venv/bin/python` where only given Pythons exist. All are that of the tests, with a quick venv."""
    shutil.copy(ROOT / "Makefile", tmp_path)

    def run(*arguments, **pythons):
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        for command in ("make", "sh", "mkdir", "touch", "getconf"):
            (bin_folder / command).symlink_to(shutil.which(command))
        for name, script in pythons.items():
            path = bin_folder / name.replace("_", ".")
            path.write_text(f"#!/bin/sh\n{script}")
            path.chmod(0o755)
        command = [bin_folder / "make", *arguments, ".venv/bin/python"]
        return subprocess.run(
            command, cwd=tmp_path, env={"PATH": str(bin_folder)}, capture_output=True, text=True, check=False
        )

    return run


PYTHON = f'[ "$1" = -m ] && mkdir -p .venv/bin && touch .venv/bin/python && exit\nexec {sys.executable} "$@"\n'
SHIM = "echo 'pyenv: command not found' >&2; exit 127\n"


@pytest.mark.parametrize(
    "pythons",
    [{"python3_12": PYTHON, "python3_11": "echo wrong"}, {"python3_13": SHIM, "python3_12": SHIM, "python3": PYTHON}],
    ids=["newest", "by another name"],
)
def test_newest_python_is_taken_and_said(set_up, tmp_path, pythons):
    process = set_up(**pythons)
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"Setting up .venv with Python {platform.python_version()}, {sys.executable}\n"
    assert (tmp_path / ".venv/bin/python").exists()


@pytest.mark.parametrize(
    ("arguments", "pythons", "tried"),
    [
        ([], {}, "python3.13 python3.12 python3.11 python3 python"),
        (["PYTHONS=3.9 3.8"], {"python3": PYTHON}, "python3.9 python3.8 python3 python"),
        (["PYTHON=mine"], {"mine": SHIM, "python3": PYTHON}, "mine"),
    ],
    ids=["none", "too new", "named"],
)
def test_without_a_fitting_python_one_line_says_how_to_get_one(set_up, arguments, pythons, tried):
    process = set_up(*arguments, **pythons)
    assert process.returncode != 0
    told, by_make = process.stderr.splitlines()
    assert told.startswith("howlow needs a Python of one of these versions: 3.")
    assert f"None of these is one: {tried}. To get one with uv, for instance: uv python install 3." in told
    assert by_make.startswith("make: ***")


def test_pythons_are_the_same_everywhere():
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'target-version = "py3(\d+)"', project)[1] == min(python.split(".")[1] for python in PYTHONS)
    assert f"python={PYTHONS[0]}" in yaml.safe_load((ROOT / "envs" / "howlow.yaml").read_text())["dependencies"]
    assert platform.python_version().rpartition(".")[0] in PYTHONS


def test_markers_are_those_of_this_machine(check_wheels):
    here = packaging.markers.default_environment()
    python = here["python_version"]
    ours = check_wheels.environment(f"{platform.system()} {platform.machine()}", python)
    exact = {"python_full_version", "implementation_version"}
    assert all(here[key].startswith(f"{python}.") for key in exact)
    unlike = {key for key in ours if key not in exact and ours[key] != here.get(key, "")}
    assert unlike == set()
    assert set(here) - set(ours) == {"platform_release", "platform_version"}


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        ('chunk; python_version >= "3.13"', "a needs chunk; python_version"),
        ('chunk; python_version < "3.13"', None),
        ('chunk; sys_platform == "linux"', None),
        ('chunk; extra == "test"', None),
        ("B_c>=2", "a needs B_c>=2; the lock has 1.5rc1"),
        ("b.c>1", None),
        ('nvidia-cublas==13; sys_platform == "darwin"', None),
    ],
)
def test_what_the_lock_lacks_is_named(check_wheels, requirement, told):
    packages = [
        {"name": "a", "version": "1", "requires_dist": [requirement]},
        {"name": "b-c", "version": "1.5rc1"},
    ]
    found = list(check_wheels.missing(packages, check_wheels.environment("Darwin arm64", "3.13")))
    assert len(found) == (told is not None)
    assert all(problem.startswith(told) for problem in found)


@pytest.mark.parametrize(("pythons", "n_problems"), [(">=3.13", 1), (">=3.9,!=3.11.*", 0), ("<3.12", 1)])
def test_package_for_another_python_is_named(check_wheels, pythons, n_problems):
    packages = [{"name": "a", "version": "1", "requires_python": pythons}]
    found = list(check_wheels.missing(packages, check_wheels.environment("Linux x86_64", "3.12")))
    assert found == [f"a needs Python {pythons}"] * n_problems


def test_markers_of_the_lock_are_those_of_the_python_that_is_asked_for(check_wheels):
    text = '#\na-b==1.0  # via c\nchunk==3.13.0 ; python_version >= "3.13"  # via a-b\na-b==1.0\n'
    assert check_wheels.locked(text, check_wheels.environment("Darwin arm64", "3.13")) == ["a-b==1.0", "chunk==3.13.0"]
    assert check_wheels.locked(text, check_wheels.environment("Darwin arm64", "3.12")) == ["a-b==1.0"]


def test_nothing_is_installed_without_being_asked_to(monkeypatch):
    monkeypatch.delenv("HOWLOW_TEST_INSTALL", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: pytest.fail(f"ran {arguments}"))
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program .+ with HOWLOW_TEST_INSTALL=1, and as root"):
        installed("no-such-program", "its-package")
    with pytest.raises(pytest.skip.Exception, match="HOWLOW_TEST_INSTALL=1 has this test install slurmctld"):
        test_slurm.install_slurm()
    assert "export HOWLOW_TEST_INSTALL=1" in (ROOT / ".ci" / "run").read_text()
