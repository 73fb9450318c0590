"""The provenance of a result: its specification, the code that made it, and the versions of the libraries."""

import ast
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from howlow.provenance import syntax

PACKAGE = Path(__file__).resolve().parents[1]

PLUMBING = (
    "data/datasets/registry.py",
    "errors.py",
    "features/arrays.py",
    "files.py",
    "networks/archive.py",
    "networks/memory.py",
    "networks/registry.py",
    "program.py",
    "provenance/__init__.py",
    "provenance/records.py",
    "provenance/syntax.py",
    "training/gpus.py",
)
"""Modules that affect no number, only how programs start, report and write, what they ask of a machine, and names.

A change to one of them reruns nothing.
"""

_CHOSEN = {"model": "networks", "kind": "data/datasets"}
"""The packages of which a specification names one module, by the key that has the name."""

_LIBRARIES = ("essentia", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "soundfile", "soxr", "statsmodels", "torch")
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def canonical(spec: dict[str, Any]) -> str:
    """A specification as text that does not depend on the order of its keys."""
    return json.dumps(spec, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(spec: dict[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a specification."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:16]


def code(script: Path, spec: dict[str, Any]) -> dict[str, str]:
    """Digests of the syntax trees of a program and of each module of this package that it imports, also indirectly.

    Comments, docstrings and layout do not count, nor do the modules of `PLUMBING`. Of the networks and of the kinds of
    datasets, a program depends on the module of that one alone that its specification names.

    Parameters
    ----------
    script : the program's file
    spec : the specification of the job; a `model` is a network, and a `kind` is one of datasets

    Returns
    -------
    dict of digests by the name of the file, such as `howlow/features/mel.py`
    """
    digests = dict(_code(script.resolve()))
    for key, package in _CHOSEN.items():
        if key in spec and f"howlow/{package}/__init__.py" in digests:
            digests |= _code(PACKAGE / package / f"{spec[key]}.py")
    return dict(sorted(digests.items()))


@cache
def _code(path: Path) -> dict[str, str]:
    """Digests of a file, and of each module of this package that it imports, also indirectly."""
    digests: dict[str, str] = {}
    waiting = [path]
    while waiting:
        path = waiting.pop()
        is_module = path.is_relative_to(PACKAGE)
        name = path.relative_to(PACKAGE.parent).as_posix() if is_module else path.name
        if name not in digests and not (is_module and path.relative_to(PACKAGE).as_posix() in PLUMBING):
            digests[name], imported = _parse(path)
            waiting += imported
    return digests


@cache
def _parse(path: Path) -> tuple[str, list[Path]]:
    """The digest of a file's syntax tree, and the files of this package that it imports."""
    tree = ast.parse(path.read_bytes())
    imported: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            imported.update(_modules(names))
        elif isinstance(node, ast.Import):
            imported.update(_modules(alias.name for alias in node.names))
        if isinstance(body := getattr(node, "body", None), list):
            # A bare string is a docstring, or documents the name above it.
            node.body = [child for child in body if not _is_text(child)]  # type: ignore[attr-defined]
    return hashlib.sha256(syntax.text(tree).encode()).hexdigest()[:16], sorted(imported)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _modules(names: Iterable[str]) -> set[Path]:
    """The files of those of the dotted names that are modules of this package."""
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != PACKAGE.name:
            continue
        stem = PACKAGE.joinpath(*parts[1:])
        files.update(path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())
    return files


def versions() -> dict[str, str]:
    """The versions of Python and of the imported libraries on which the results may depend."""
    imported = [name for name in _LIBRARIES if name in sys.modules]
    return {"python": platform.python_version(), **{name: version(_DISTRIBUTIONS.get(name, name)) for name in imported}}


@cache
def commit() -> str | None:
    """The commit that this code was checked out at, with `-dirty` if it was changed since; None without git."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
