"""Exactly what a change makes Snakemake do again in a finished run: the table of the README."""

import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, TINY, copy_project, planned_jobs
from reruns import TABLE

PLAN = ["--dry-run", "--quiet", "rules"]


@pytest.fixture
def go(finished, tmp_path):
    """A function that makes a change to a copy of the finished run and then starts Snakemake in it."""

    def start(change, *arguments):
        folder = tmp_path / "run"
        if not folder.exists():
            shutil.copytree(finished, folder, symlinks=True)
            change.files(folder)
        config = yaml.safe_load(TINY.read_text())
        change.config(config)
        (folder / "changed.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        project = ROOT
        if change.code:
            project = copy_project(tmp_path / "project")
            change.code(project)
        command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile", "--directory", folder]
        command += [*arguments, "--configfile", folder / "changed.yaml"]
        words = [str(word) for word in command]
        return subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, check=False
        )

    return start


@pytest.mark.parametrize("change", TABLE, ids=lambda change: change.words)
def test_reruns_exactly(go, change):
    process = go(change, *PLAN)
    assert process.returncode == 0, process.stdout
    if change.jobs:
        assert planned_jobs(process) == change.jobs | {"total": sum(change.jobs.values())}
    else:
        assert "Nothing to be done" in process.stdout
