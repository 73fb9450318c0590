"""The image: what goes into it, and that programs in a container have the library of the clone whose workflow runs.

A stand-in for Apptainer notes how it is called, and runs the command outside any container.
"""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT, TINY, copy_project, library_of

APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
echo "$PYTHONPATH" "$@" | head -n 1 >> {noted}
while [ "$1" != -c ]; do shift; done
exec bash -c "$2"
"""


@pytest.fixture
def run(tmp_path):
    """A function that makes one file in a copy of the project with `--sdm apptainer`."""
    project = copy_project(tmp_path / "project")
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(noted=tmp_path / "noted"))
    program.chmod(0o755)
    outside = {"PYTHONPATH": os.pathsep.join([library_of(project)["PYTHONPATH"], "/not/in/the/image"])}
    environment = os.environ | outside | {"PATH": f"{program.parent}:{os.environ['PATH']}"}

    def in_project(*words: str):
        command = [sys.executable, "-m", "snakemake", *words, "--sdm", "apptainer", "--configfile", TINY]
        return project, subprocess.run(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return in_project


def test_programs_in_a_container_have_the_library_of_the_clone(run, tmp_path):
    (tmp_path / "project" / "howlow.sif").touch()
    project, process = run("--cores", "1", "results/tiny/vgg/cost.csv")
    assert process.returncode == 0, process.stdout
    assert (project / "results" / "tiny" / "vgg" / "cost.csv").exists()
    library, *words = (tmp_path / "noted").read_text().split()
    assert library == str(project / "workflow")
    assert words[0] == "exec"
    assert str(project / "howlow.sif") in words


def test_without_the_image_it_says_what_to_do(run):
    project, process = run("-n")
    assert process.returncode != 0
    assert f"{project / 'howlow.sif'}: no such file; docs/containers.md says how to make the image" in process.stdout
    assert "Traceback" not in process.stdout


def test_the_image_gets_what_is_in_git_only():
    """What git ignores, such as results and the environment, may be large or private."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()}
    left_out = {line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    caches = {name for name in ignored if re.fullmatch(r"\..*_cache", name)}
    assert ".*_cache" in left_out
    assert ignored - caches <= left_out
    assert ".git" in left_out


def test_the_image_has_a_python_of_the_lock():
    (version,) = re.findall(r"^ARG PYTHON=python:([\d.]+)-slim$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    (pythons,) = re.findall(r"^PYTHONS := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version in pythons.split()
