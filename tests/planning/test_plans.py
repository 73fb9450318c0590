"""Every shipped configuration plans the jobs of tests/plans.yaml, without any data."""

import re
import subprocess

import yaml
from conftest import HOWLOW, ROOT

PLAN = [*HOWLOW, "plan"]


def test_shipped_configurations_plan_as_expected():
    """The list has all configurations. That of the paper has 88 + 6 + 12 + 6 cells with three seeds each."""
    expected = yaml.safe_load((ROOT / "tests" / "plans.yaml").read_text())
    assert set(expected) == {f"config/{path.name}" for path in (ROOT / "config").glob("*.yaml")}
    assert expected["config/paper.yaml"]["train"] == (88 + 6 + 12 + 6) * 3
    assert expected["config/paper.yaml"]["mel"] == 14 * 16 + 6 * 64
    assert expected["config/config.yaml"]["train"] == (88 + 8 + 12) * 3
    process = subprocess.run([*PLAN, "--expect", "tests/plans.yaml"], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.count(", as expected\n") == len(expected)


def test_other_plan_is_told_by_rule(tmp_path):
    expected = yaml.safe_load((ROOT / "tests" / "plans.yaml").read_text())["config/quick.yaml"]
    (tmp_path / "plans.yaml").write_text(yaml.safe_dump({"config/quick.yaml": expected | {"train": 17, "total": 64}}))
    process = subprocess.run([*PLAN, "--expect", tmp_path / "plans.yaml"], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stdout.splitlines() == [
        "config/quick.yaml: 63 jobs, not as expected",
        "  total: 63 planned, 64 expected",
        "  train: 16 planned, 17 expected",
    ]
    assert process.stderr.startswith("howlow plan: 1 of 1 plans are not as expected")


def test_configuration_without_a_plan_is_told(tmp_path):
    (tmp_path / "wrong.yaml").write_text((ROOT / "config" / "quick.yaml").read_text().replace("seeds", "sedes"))
    process = subprocess.run([*PLAN, tmp_path / "wrong.yaml"], capture_output=True, text=True)
    assert process.returncode == 1
    assert "sedes: unknown key; did you mean 'seeds'?" in process.stderr


def test_every_rule_states_what_it_needs():
    rules = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    blocks = re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", rules, re.MULTILINE)
    assert len(blocks) == len(re.findall(r"^rule ", rules, re.MULTILINE)) > 20
    for name, text in blocks:
        for needed in ("    threads: ", "        mem_mb=", "        runtime=", "    log:\n"):
            assert needed in text, f"{name}: no {needed.strip()}"
