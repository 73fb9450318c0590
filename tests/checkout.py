"""Copies of a checkout of the project, to be changed and run."""

import shutil
from pathlib import Path

MADE = (".git", ".venv", "__pycache__", ".snakemake", ".*_cache")
MADE_AT_THE_TOP = ("results", "logs", "data")


def copy_of(root: Path, copy: Path) -> Path:
    """A copy of a checkout, without what was made in it."""

    def made(folder: str, names: list[str]) -> set[str]:
        patterns = [*MADE, *(MADE_AT_THE_TOP if Path(folder) == root else ())]
        return shutil.ignore_patterns(*patterns)(folder, names)

    return Path(shutil.copytree(root, copy, symlinks=True, ignore=made))
