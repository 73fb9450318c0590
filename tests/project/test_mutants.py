"""The mutation test finds what a test notices, what no test notices, and what never ends."""

import subprocess
import sys

import mutants
from conftest import ROOT

MODULE = '''"""A module."""

def double(x: int) -> int:
    """Twice a number."""
    print("doubling", x + 1)
    return 2 * x

def unnoticed():
    return 7

def wait(n):
    while n > 0:
        n -= 1
    return n
'''
TESTS = """from howlow import tiny

def test_tiny():
    assert tiny.double(3) == 6
    assert tiny.wait(2) == 0
"""
PROGRAM = """import argparse, pathlib, sys
import mutants
mutants.PRELOADED, mutants.LIMIT_S = (), 1
page = pathlib.Path("page.md")
options = {"module": None, "sample": None, "seed": 0, "survivors": None, "cores": 2, "page": page}
mutants.main(argparse.Namespace(**options), pathlib.Path.cwd(), {"tiny": ["test_tiny.py"]})
options |= {"survivors": page, "page": None}
mutants.main(argparse.Namespace(**options), pathlib.Path.cwd(), {"tiny": ["test_tiny.py"]})
"""


def test_mutants_of_a_small_module(tmp_path):
    for name, text in {
        "workflow/howlow/tiny.py": MODULE,
        "workflow/howlow/__init__.py": "",
        "tests/test_tiny.py": TESTS,
        "tests/harmless_mutants.yaml": '"tiny: `return 7`": nobody asks for it\n',
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['workflow']\n",
        "page.md": f"before\n{mutants.BEGIN}\nold\n{mutants.END}\nafter\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    environment = {"PYTHONPATH": f"{ROOT / 'tests'}:{':'.join(sys.path)}", "PATH": ""}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "page.md").read_text()
    assert page.startswith(f"before\n{mutants.BEGIN}\n")
    assert page.endswith(f"\n{mutants.END}\nafter\n")
    row, harmless, survivor = (line for line in page.splitlines() if line.startswith(("| `tiny", "- ")))
    assert row.endswith(" s | 8 | 6 (75%) | 2 | 2 |")  # `n += 1` and `n = 1` never end
    assert harmless == "- `tiny.py`, line 9: `return 7` → `return 8`: nobody asks for it"
    assert survivor == "- `tiny.py`, line 13: `n -= 1` → `n -= 2`: **a test is missing**"
    assert "\n2 mutants, in 0 minutes with 2 processes.\n" in process.stdout  # the second run


def test_a_sample_is_chosen_by_its_seed():
    (first, n_all), (again, _), (other, _) = (mutants.mutants(ROOT, ["features/mel"], 30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 30 < n_all
