"""The library is a house: a package a stage, and imports run downwards only."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from pkgutil import resolve_name

import mutants
import pytest
from conftest import ROOT, SCRIPTS

from howlow.config import schema
from howlow.data.datasets.registry import DATASETS
from howlow.networks.registry import NETWORKS, Network

LIBRARY = ROOT / "workflow" / "howlow"

ROOMS = (
    *("__main__", "commands", "planning", "results", "tagging", "config"),
    *("training", "evaluation", "data", "networks", "features", "program", "provenance"),
)
"""From the top down. Below them is the ground floor: the other modules that are in no package. They import no room."""

MODULES = sorted(LIBRARY.rglob("*.py"))

MOST_LINES_OF_A_MODULE, MOST_LINES_OF_A_FUNCTION = 300, 60
"""What is longer has more than one subject."""


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


@pytest.mark.parametrize("path", [*MODULES, *sorted(SCRIPTS.glob("*.py"))], ids=lambda path: path.stem)
def test_modules_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES_OF_A_MODULE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION] == []


def test_registries_and_the_schema_have_the_same_names():
    definitions = schema()["$defs"]
    assert set(definitions["networks"]) == set(NETWORKS)
    assert set(definitions["datasets"]) == set(DATASETS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_what_the_registry_says(name):
    public = [attribute for attribute in {*vars(Network), *Network.__annotations__} if not attribute.startswith("_")]
    assert len(public) >= 6
    for attribute in public:
        assert hasattr(resolve_name(f"howlow.networks.{name}"), attribute), attribute


@pytest.mark.parametrize("name", DATASETS)
def test_a_kind_of_dataset_has_what_the_registry_says(name):
    module = resolve_name(f"howlow.data.datasets.{name}")
    assert callable(module.load)
    assert isinstance(module.split_rule({}), str)


def test_mutants_are_of_modules_and_tests_that_are_there():
    for module, tests in mutants.TESTS.items():
        assert (LIBRARY / f"{module}.py").is_file(), module
        assert all((ROOT / "tests" / test).is_file() for test in tests), module


def texts() -> Iterator[Path]:
    """The project's own texts and programs."""
    for folder in (".", "workflow", "docs", "config", "benchmarks", "tests"):
        pattern = "*" if folder == "." else "**/*"
        yield from (path for path in (ROOT / folder).glob(pattern) if path.suffix in (".py", ".smk", ".md"))


def test_names_of_the_library_in_texts_are_those_of_something():
    """A docstring or a page that names a module or a function after it has moved leads nowhere."""
    for path in texts():
        for name in set(re.findall(r"`(howlow(?:\.[A-Za-z_]\w*)+)`", path.read_text())):
            try:
                resolve_name(name)
            except (ImportError, AttributeError):
                pytest.fail(f"{path.relative_to(ROOT)} names {name}")
