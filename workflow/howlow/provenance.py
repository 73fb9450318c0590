"""What a result came from: digests of specifications and of code, and versions of libraries.

Snakemake compares a rule's parameters as a set of their `repr` and does not look into imported modules.
So every rule has two parameters that are plain text: the canonical specification of what its stage reads
of the configuration, and a digest of the code that it runs.
"""

import ast
import hashlib
import json
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from howlow import syntax

PACKAGE = Path(__file__).resolve().parent


def canonical(spec: dict[str, Any]) -> str:
    """A specification as text that does not depend on the order of its keys."""
    return json.dumps(spec, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(spec: dict[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a specification."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:16]


@cache
def code_digest(script: Path) -> str:
    """Digest of the syntax trees of a script and of all modules of this package that it imports.

    Comments, docstrings and layout do not count: only what Python runs.
    """
    trees: dict[str, str] = {}
    waiting = [script.resolve()]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE.parent) else path.name
        if name not in trees:
            trees[name], imported = _parse(path)
            waiting += imported
    return digest(trees)


@cache
def _parse(path: Path) -> tuple[str, list[Path]]:
    """The syntax tree of a file as text, and the files of this package that it imports."""
    tree = ast.parse(path.read_bytes())
    imported: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            imported.update(_modules(names))
        elif isinstance(node, ast.Import):
            imported.update(_modules(alias.name for alias in node.names))
        if isinstance(body := getattr(node, "body", None), list):
            # Text that stands alone is a docstring, of what it stands in or of the name above it.
            node.body = [child for child in body if not _is_text(child)]  # type: ignore[attr-defined]
    return syntax.text(tree), sorted(imported)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _modules(names: Iterable[str]) -> set[Path]:
    """The files of those dotted names that are modules of this package."""
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != PACKAGE.name:
            continue
        stem = PACKAGE.joinpath(*parts[1:])
        files.update(path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())
    return files


def versions(*distributions: str) -> dict[str, str]:
    """The installed versions of some distributions, such as `torch`."""
    return {name: version(name) for name in sorted(distributions)}


def commit() -> str | None:
    """The commit that this code was checked out at, with `-dirty` if it was changed since; None without git."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
