"""A test that is skipped without a listed reason fails in continuous integration."""

import os
import subprocess
import sys

import pytest
from conftest import LISTED_SKIPS, ROOT

TESTS = """
import pytest

def test_skipped(): pytest.skip({reason!r})

@pytest.mark.skipif(True, reason={reason!r})
def test_marked(): pass

@pytest.fixture
def skipping(): pytest.skip({reason!r})

def test_with_fixture(skipping): pass

@pytest.mark.xfail
def test_known_to_fail(): assert False
"""


@pytest.mark.parametrize(
    ("reason", "only_listed", "outcome"),
    [
        ("no time today", True, "1 failed, 1 xfailed, 2 errors"),  # a failure of a fixture is an error
        ("no time today", False, "3 skipped, 1 xfailed"),
        (f"{LISTED_SKIPS[0]} here", True, "3 skipped, 1 xfailed"),
    ],
)
def test_skips_are_failures_unless_listed(reason, only_listed, outcome, tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(TESTS.format(reason=reason))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HOWLOW", "PYTEST"))}
    environment |= {"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests'}"}
    environment |= {"HOWLOW_LISTED_SKIPS_ONLY": "1"} if only_listed else {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", tmp_path]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert outcome in process.stdout
    fails = "1 failed" in outcome
    assert process.returncode == fails
    for name in ("test_skipped", "test_marked", "test_with_fixture"):
        line = f"test_some.py::{name} was skipped, and its reason is not among LISTED_SKIPS of tests/conftest.py: "
        assert (line + reason in process.stdout) == fails
