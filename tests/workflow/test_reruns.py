"""A change to a finished run makes Snakemake rerun exactly the jobs in the tables of README.md."""

import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode

import pytest
import yaml
from conftest import OWN, ROOT, TINY, copy_project, library_of, made_once, planned_jobs, run_all, snakemake
from reruns import ALL_JOBS, AXES_JOBS, AXES_TABLE, OWN_JOBS, OWN_TABLE, TABLE, delete_snakemake

AXES = ROOT / "tests" / "axes.yaml"
PLAN = ["--dry-run", "--quiet", "rules"]


def make(change, folder, project_folder, configuration, *arguments):
    """Change the files of a folder, and start Snakemake in it with a changed configuration and code."""
    config = yaml.safe_load(configuration.read_text())
    change.config(config)
    (folder / "changed.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    project = ROOT
    if change.code:
        project = copy_project(project_folder)
        change.code(project)
    command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile", "--directory", folder]
    command += [*change.arguments, *arguments, "--configfile", folder / "changed.yaml"]
    words = [str(word) for word in command]
    environment = os.environ | library_of(project)
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment, check=False
    )


def check_plan(process, jobs):
    assert process.returncode == 0, process.stdout
    if jobs:
        assert planned_jobs(process) == jobs | {"total": sum(jobs.values())}
    else:
        assert "Nothing to be done" in process.stdout


@pytest.mark.parametrize("change", TABLE, ids=lambda change: change.words)
def test_reruns_exactly(finished, tmp_path, change):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    change.files(folder)
    if change.touch:
        touched = make(change, folder, tmp_path / "project", TINY, "--touch", "--cores", 1)
        assert touched.returncode != 0
        assert change.touch in touched.stdout
    check_plan(make(change, folder, tmp_path / "project", TINY, *PLAN), change.jobs)


@pytest.mark.parametrize("change", OWN_TABLE, ids=lambda change: change.words)
def test_reruns_exactly_of_an_own_collection(finished_own, tmp_path, change):
    folder = tmp_path / "run"
    shutil.copytree(finished_own, folder, symlinks=True)
    change.files(folder)
    check_plan(make(change, folder, tmp_path / "project", OWN, *PLAN), change.jobs)


@pytest.fixture(scope="session")
def finished_axes(tmp_path_factory):
    """A folder with a finished run of tests/axes.yaml; tests work on copies."""

    def make(folder):
        check_plan(snakemake(folder, *PLAN, "--configfile", AXES), AXES_JOBS)
        run_all(folder, AXES)

    return made_once(tmp_path_factory, "finished_axes", make)


@pytest.mark.parametrize("change", AXES_TABLE, ids=lambda change: change.words)
def test_reruns_exactly_along_the_further_axes(finished_axes, tmp_path, change):
    folder = tmp_path / "run"
    shutil.copytree(finished_axes, folder, symlinks=True)
    check_plan(make(change, folder, tmp_path / "project", AXES, *PLAN), change.jobs)


def test_every_one_of_several_changes_is_seen(finished_own, tmp_path):
    """Snakemake lists a folder once, and the file that tells of the second change comes into it after that."""
    folder = tmp_path / "run"
    shutil.copytree(finished_own, folder, symlinks=True)
    (of_table,) = (change for change in OWN_TABLE if change.words == "one clip gets another tag")
    (of_code,) = (change for change in TABLE if change.words == "a line of `howlow/results/plots/figure1.py`")
    of_table.files(folder)
    both = of_table._replace(code=of_code.code, arguments=("results/figure1.pdf",))
    jobs = planned_jobs(make(both, folder, tmp_path / "project", OWN, *PLAN))
    assert {"figure1", "tracks", "train"} <= set(jobs)


def test_an_own_collection_at_first(finished_own, tmp_path):
    shutil.copytree(finished_own / "music", tmp_path / "music")
    check_plan(snakemake(tmp_path, *PLAN, "--configfile", OWN), OWN_JOBS)


def test_one_more_clip_takes_one_start_and_decodes_its_shard_only(finished_own, tmp_path):
    """The plan includes the new clip before `tracks` has run, and nothing is left to do afterwards."""
    (change,) = (change for change in OWN_TABLE if change.words == "one more row in the table")
    folder = tmp_path / "run"
    shutil.copytree(finished_own, folder, symlinks=True)
    change.files(folder)
    process = snakemake(folder, "results/mine/vgg/runs.csv", "--cores", 2, "--configfile", OWN)
    assert process.returncode == 0, process.stdout
    assert process.stdout.count("localrule tracks:") == 1
    assert process.stdout.count("rule decode:") == process.stdout.count("rule mel:") == 1
    after = snakemake(folder, "results/mine/vgg/runs.csv", *PLAN, "--configfile", OWN)
    assert "Nothing to be done" in after.stdout, after.stdout


def test_snakemakes_notes_decide_nothing(finished, tmp_path):
    """They decide nothing when they are lost, nor when they say that stale results are current."""
    (change,) = (change for change in TABLE if change.words == "the epochs of VGG-CNN")
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    delete_snakemake(folder)
    check_plan(make(change, folder, None, TINY, *PLAN), change.jobs)


def test_a_change_is_named_in_the_plan(finished, tmp_path):
    (change,) = (change for change in TABLE if change.words == "the learning rate of MUSICNN")
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    process = make(change, folder, None, TINY, "--dry-run")
    assert "reason: Updated input files: .snakemake/changed/training.learning_rate" in process.stdout


def test_a_lost_shard_is_made_anew_and_nothing_is_trained_for_it(finished, tmp_path):
    """The trainings find that their specification, code, clips and labels are unchanged."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    lost = folder / "results/tiny/mel/16000/8/00.npy"
    trained = folder / "results/tiny/vgg/16k_mel8_x10_db/seed1/model.pt"
    before, model = lost.read_bytes(), trained.read_bytes()
    lost.unlink()
    process = snakemake(folder, "results/tiny/vgg/runs.csv", "--cores", 2, "--configfile", TINY)
    assert process.returncode == 0, process.stdout
    assert lost.read_bytes() == before
    assert trained.read_bytes() == model
    log = folder / "logs/tiny/vgg/16k_mel8_x10_db/seed1.log"
    assert "there is nothing to train" in log.read_text()
    after = snakemake(folder, "results/tiny/vgg/runs.csv", *PLAN, "--configfile", TINY)
    assert "Nothing to be done" in after.stdout


def test_a_damaged_shard_is_found_by_the_next_training_and_made_anew_by_the_next_run(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    shard = folder / "results/tiny/mel/16000/8/00.npy"
    intact = shard.read_bytes()
    status = shard.stat()
    with shard.open("r+b") as file:  # write zeros into it, and keep its size and date
        file.seek(1000)
        file.write(bytes(1000))
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    config = yaml.safe_load(TINY.read_text())
    config["seeds"] = [1, 2, 3]
    (folder / "changed.yaml").write_text(yaml.safe_dump(config))
    target = ["results/tiny/vgg/16k_mel8_x10_db/seed3/run.json", "--cores", 2, "--configfile", "changed.yaml"]
    first = snakemake(folder, *target)
    assert first.returncode != 0
    assert "16000/8/00.npy: is damaged: its bytes are not those that were written" in first.stdout
    second = snakemake(folder, *target)
    assert second.returncode == 0, second.stdout
    assert shard.read_bytes() == intact


def test_deleted_results_are_made_again(finished, tmp_path):
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake", symlinks=True)
    process = snakemake(tmp_path, *PLAN, "--configfile", TINY)
    assert planned_jobs(process) == ALL_JOBS | {"total": sum(ALL_JOBS.values())}
    assert [path.name for path in tmp_path.iterdir()] == [".snakemake"]  # a plan makes nothing


def test_a_plan_changes_no_file_of_the_results(finished, tmp_path):
    (change,) = (change for change in TABLE if change.words == "the window of the Fourier transform")
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    before = {path: path.lstat().st_mtime_ns for path in folder.glob("results/**/*")}
    assert make(change, folder, None, TINY, *PLAN).returncode == 0
    assert {path: path.lstat().st_mtime_ns for path in folder.glob("results/**/*")} == before


@pytest.mark.parametrize("stale", [False, True], ids=["of this configuration", "of another one"])
def test_jobs_that_ended_while_snakemake_was_dead(finished, tmp_path, stale):
    """On a cluster, jobs continue without Snakemake, which takes them for unfinished. Their records decide."""
    shutil.copytree(finished / "results", tmp_path / "results")
    folder = tmp_path / "results/tiny/musicnn/12k_mel8_x1_db/seed1"
    incomplete = tmp_path / ".snakemake" / "incomplete"
    incomplete.mkdir(parents=True)
    for path in folder.iterdir():
        name = str(path.relative_to(tmp_path)).encode()
        (incomplete / urlsafe_b64encode(name).decode()).write_text("")
    config = yaml.safe_load(TINY.read_text())
    if stale:
        config["experiments"][1]["training"]["learning_rate"] = 0.01
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake(tmp_path, *PLAN, "--configfile", "changed.yaml")
    assert planned_jobs(plan).get("train", 0) == (2 if stale else 0)
