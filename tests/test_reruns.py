"""Exactly what a change makes Snakemake do again in a finished run: the table of the README."""

import shutil
import subprocess
import sys
from base64 import urlsafe_b64decode

import pytest
import yaml
from conftest import ROOT, TINY, copy_project, planned_jobs, snakemake
from reruns import ALL_JOBS, TABLE, delete_snakemake

PLAN = ["--dry-run", "--quiet", "rules"]


@pytest.fixture
def go(finished, tmp_path):
    """A function that makes a change to a copy of the finished run and then starts Snakemake in it."""

    def start(change, *arguments, then=None):
        folder = tmp_path / "run"
        if not folder.exists():
            shutil.copytree(finished, folder, symlinks=True)
            change.files(folder)
        if then:
            then(folder)
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
@pytest.mark.parametrize("then", [None, delete_snakemake], ids=["with", "without"])
def test_reruns_exactly(go, change, then):
    """Also when `.snakemake` was deleted meanwhile: what made a result is kept with the results."""
    if change.touch:
        touched = go(change, "--touch", "--cores", 1)
        assert touched.returncode != 0
        assert change.touch in touched.stdout
        then = None  # what was touched is marked there
    process = go(change, *PLAN, then=then)
    assert process.returncode == 0, process.stdout
    if change.jobs:
        assert planned_jobs(process) == change.jobs | {"total": sum(change.jobs.values())}
    else:
        assert "Nothing to be done" in process.stdout


def test_deleted_results_are_made_again(finished, tmp_path):
    """Although Snakemake's memory of them, which `.snakemake` links to, is gone as well."""
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake", symlinks=True)
    process = snakemake(tmp_path, *PLAN, "--configfile", TINY)
    assert planned_jobs(process) == ALL_JOBS | {"total": sum(ALL_JOBS.values())}
    assert [path.name for path in tmp_path.iterdir()] == [".snakemake"]  # a plan makes nothing


def test_records_that_lie_elsewhere_move_to_the_results(finished, tmp_path):
    """Of a result that is known in both places, the record beside the results counts."""
    shutil.copytree(finished / "results", tmp_path / "results")
    kept, usual = tmp_path / "results" / ".snakemake", tmp_path / ".snakemake" / "metadata"
    names = sorted(path.name for path in kept.iterdir())
    usual.mkdir(parents=True)
    (kept / names[0]).rename(usual / names[0])
    (usual / names[1]).write_text('{"params": ["of another configuration"], "record_format_version": 6}')
    process = snakemake(tmp_path, *PLAN, "--configfile", TINY)
    assert "Nothing to be done" in process.stdout
    assert usual.is_symlink()
    assert sorted(path.name for path in usual.iterdir()) == names


class TestJobEndedWhileSnakemakeWasDead:
    """On a cluster it goes on; Snakemake has then no record of what it made."""

    @pytest.fixture
    def folder(self, finished, tmp_path):
        shutil.copytree(finished / "results", tmp_path / "results")
        records = tmp_path / "results" / ".snakemake"
        of_training = "results/tiny/musicnn/12k_mel8_x1_db/seed1/"
        unknown = [path for path in records.iterdir() if urlsafe_b64decode(path.name).decode().startswith(of_training)]
        assert len(unknown) == 4
        for record in unknown:
            record.unlink()
        config = yaml.safe_load(TINY.read_text())
        config["experiments"][1]["training"]["learning_rate"] = 0.01
        (tmp_path / "changed.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    def test_its_result_is_known_from_the_next_run_on(self, folder):
        process = snakemake(
            folder, "results/about.html", "all", "--cores", 1, "--forcerun", "about", "--configfile", TINY
        )
        assert process.returncode == 0, process.stdout
        plan = snakemake(folder, *PLAN, "--configfile", "changed.yaml")
        assert planned_jobs(plan)["train"] == 2

    def test_its_result_is_refused_and_made_anew_if_it_is_of_another_configuration(self, folder):
        process = snakemake(folder, "--cores", 1, "--configfile", "changed.yaml")
        assert process.returncode != 0
        named = "results/tiny/musicnn/12k_mel8_x1_db/seed1: its spec is not that of this configuration and code"
        assert named in process.stdout
        plan = snakemake(folder, *PLAN, "--configfile", "changed.yaml")
        assert planned_jobs(plan)["train"] == 2
