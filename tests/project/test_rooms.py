"""The library is a house: a package a stage, and imports run downwards only."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

LIBRARY = ROOT / "workflow" / "howlow"

ROOMS = ("planning", "results", "tagging", "config", "training", "evaluation", "networks", "features", "data")
"""From the top down. Below them is the ground floor: the modules that are in no package. They import no room."""

MODULES = sorted(LIBRARY.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name of a module, without `howlow`."""
    return ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


NAMES = {name_of(path) for path in MODULES}


def imported(path: Path) -> Iterator[str]:
    """The modules of the library that a module imports, also within a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "howlow":
            module = node.module.removeprefix("howlow").removeprefix(".")
            for alias in node.names:
                below = f"{module}.{alias.name}".removeprefix(".")
                yield below if below in NAMES else module
        elif isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "howlow" for alias in node.names), f"{path}: use from ... import"


def floor(name: str) -> int:
    """The higher, the nearer to the ground."""
    room = name.split(".")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def test_every_package_is_a_room_and_has_a_place():
    packages = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(ROOMS)
    assert set(ROOMS) - packages <= {path.stem for path in LIBRARY.glob("*.py")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path):
    upwards = [other for other in imported(path) if floor(other) < floor(name_of(path))]
    assert not upwards


def test_no_module_imports_itself_through_others():
    graph = {name_of(path): set(imported(path)) for path in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a circle
