"""The package howlow: its metadata, its wheel in an environment of its own, and the command of the same name."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import yaml
from conftest import HOWLOW, ROOT, copy_project, library_of, run_command
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import howlow
from howlow import commands

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lock_is_within_the_ranges():
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    locked = dict(re.match(r"([\w.-]+)==([^ ;]+)", line).groups() for line in lines if "==" in line)
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)], prereleases=True)


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == citation["version"] == version("howlow")
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_make_has_installed_the_command():
    (command,) = entry_points(group="console_scripts", name="howlow")
    assert command.load() is commands.main


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Environment variables with which Python has the wheel of howlow, and not this checkout, and what it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    project = copy_project(folder / "project")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    made = subprocess.run(
        [*pip, "--no-build-isolation", "--target", folder / "site", project], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert not [*(folder / "site").rglob("*.part"), *(folder / "site").rglob("tests")]
    return os.environ | {"PYTHONPATH": str(folder / "site")}


def test_wheel_works_in_any_folder(environment, finished, tmp_path):
    """It has the schema and the published figures; another package tags with a model."""
    (tmp_path / "my.yaml").write_text((ROOT / "tests" / "tiny.yaml").read_text())
    model = finished / "results" / "tiny" / "vgg" / "12k_mel8_x10_db" / "seed1" / "model.pt"
    song = min((finished / "results").glob("tiny/source/mp3/*/*.mp3"))
    code = "import howlow, howlow.results.published as p; print(howlow.__file__); assert p.PATH.is_file()"
    for words, printed in (
        (["-c", code], environment["PYTHONPATH"]),
        (["-m", "howlow", "check", "my.yaml"], "10 trainings, "),
        (["-m", "howlow", "tag", "--model", model, song], f"{song}\n  "),
        (["-m", "howlow", "--version"], f"howlow {PROJECT['version']}\n"),
    ):
        process = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr
        assert printed in process.stdout
    plan = [sys.executable, "-m", "howlow", "plan", "my.yaml"]
    process = subprocess.run(plan, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == 1
    assert re.fullmatch(r"howlow plan: there is no workflow beside .*; take the `howlow` that .*\n", process.stderr)


def test_the_workflow_refuses_another_library(environment, tmp_path):
    """Otherwise the code that the records name would not be that of the folder whose workflow runs."""
    plan = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    process = subprocess.run(plan, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.returncode != 0
    library = Path(environment["PYTHONPATH"], "howlow")
    assert f"does not have the package howlow of this folder: it has that of {library}. Install it" in process.stdout
    assert f"pip install --no-deps --editable {ROOT}`, or run `make` there" in process.stdout


def test_the_workflow_refuses_to_run_without_the_library(tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "workflow" / "howlow").rename(project / "workflow" / "gone")
    purelib = Path(sysconfig.get_path("purelib"))
    linked = "import sys, site; sys.path += [{!r}]; sys.argv[0] = 'snakemake'; import snakemake.cli as c; c.main()"
    code = linked.format(str(purelib))  # without site, the link to this checkout is not read
    plan = [sys.executable, "-S", "-c", code, "-n", "--snakefile", project / "Snakefile", "--directory", tmp_path]
    environment = os.environ | {"PYTHONPATH": ""}
    process = subprocess.run(plan, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.returncode != 0
    assert "does not have the package howlow of this folder: it has none. Install it with" in process.stdout


class TestCommand:
    def test_without_arguments_lists_its_subcommands(self, capsys, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["howlow"])
        with pytest.raises(SystemExit) as ended:
            commands.main()
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        modules = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__", "overview"}
        assert modules == set(commands.COMMANDS)
        assert all(f"\n  {name} " in printed for name in modules)

    @pytest.mark.parametrize("name", commands.COMMANDS)
    def test_help_has_an_example(self, name):
        process = run_command(name, "--help")
        assert process.returncode == 0
        assert process.stdout.startswith(f"usage: howlow {name} ")
        assert f"\n    howlow {name}" in process.stdout

    def test_that_is_none_is_refused(self):
        process = run_command("chek", "my.yaml")
        assert (process.returncode, process.stdout) == (2, "")
        assert "howlow: error: argument COMMAND: invalid choice: 'chek' (choose from " in process.stderr
        assert "Traceback" not in process.stderr


def test_a_check_without_data_needs_no_heavy_imports(tmp_path):
    code = "import sys; from howlow import commands; commands.main(); assert not {'torch', 'pandas'} & set(sys.modules)"
    process = subprocess.run([sys.executable, "-c", code, "check", "--without-data", ROOT / "config" / "paper.yaml"])
    assert process.returncode == 0


def test_the_library_is_that_of_this_checkout():
    assert Path(howlow.__file__).is_relative_to(ROOT)
    process = subprocess.run([*HOWLOW, "check", "--without-data", "none.yaml"], capture_output=True, text=True)
    assert process.stderr == "howlow check: none.yaml: no such file\n"
    assert library_of(ROOT)["PYTHONPATH"].startswith(f"{ROOT / 'workflow'}{os.pathsep}")
