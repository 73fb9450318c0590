"""All uses of Snakemake's undocumented interface are in one file, and they fail with a clear message."""

import inspect
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import snakemake_internals
from conftest import ROOT, TINY, planned_jobs
from packaging.requirements import Requirement
from snakemake.exceptions import WorkflowError

INTERNAL = {
    # each function, and its arguments besides the workflow
    "configuration_files": [],
    "configuration_overrides": [],
    "set_default_target": ["all"],
    "refuse_module": [],
    "is_main_process": [],
    "is_local": [],
    "is_touching": [],
    "wants_a_bar": [],
    "uses_apptainer": [],
    "note_new_file": ["a"],
    "is_forcing": [],
    "jobs_to_run": [],
    "limit": ["gpu"],
    "set_limit": ["gpu", 1],
    "lift_limit_of_submissions": [],
}


def test_every_function_is_listed_here():
    functions = inspect.getmembers(snakemake_internals, inspect.isfunction)
    of_workflow = {name for name, function in functions if "workflow" in inspect.signature(function).parameters}
    assert of_workflow == set(INTERNAL)


@pytest.mark.parametrize(("name", "arguments"), INTERNAL.items(), ids=INTERNAL)
def test_a_snakemake_that_has_changed_is_explained(name, arguments):
    with pytest.raises(WorkflowError) as error:
        getattr(snakemake_internals, name)(SimpleNamespace(), *arguments)
    message = str(error.value)
    assert re.search(rf"Snakemake \S+ is not as this workflow knows it: .*has no attribute .*\(in {name} of", message)
    assert f"It is known to run with Snakemake from {snakemake_internals.OLDEST} up to, but without," in message


@pytest.mark.parametrize(
    ("version", "is_known"),
    [("9.0.0", False), ("9.27.0", False), ("9.27.1", True), ("9.99.3", True), ("10.0.0", False)],
)
def test_other_versions_are_refused(monkeypatch, version, is_known):
    monkeypatch.setattr("snakemake.__version__", version)
    if is_known:
        snakemake_internals.refuse_untried_version()
    else:
        with pytest.raises(
            WorkflowError, match=rf"This is Snakemake {version}; howlow is known to run with versions from"
        ):
            snakemake_internals.refuse_untried_version()


def test_the_locked_version_is_known():
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    (locked,) = (Requirement(line.split("#")[0]) for line in lines if re.match(r"snakemake==", line))
    assert locked.specifier.contains(snakemake_internals.OLDEST)


def test_rules_use_only_the_documented_part_of_the_workflow():
    """Everything that is not documented is in snakemake_internals.py."""
    files = [ROOT / "Snakefile", ROOT / "workflow" / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    used = {name for file in files for name in re.findall(r"\bworkflow\.(\w+)", file.read_text())}
    assert used <= {"current_basedir", "rst"}  # the latter is the name of a file


def test_both_files_of_the_workflow_make_everything(tmp_path):
    for name in ("Snakefile", "workflow/Snakefile"):
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--snakefile", ROOT / name]
        command += ["--directory", tmp_path, "--configfile", TINY]
        plan = subprocess.run(command, capture_output=True, text=True, check=True)
        assert planned_jobs(plan)["all"] == 1, name
