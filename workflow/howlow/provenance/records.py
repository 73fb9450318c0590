"""Records: a JSON file beside each result that says what made it.

A record holds the specification and the code that its program ran with, and the sizes of the files that it wrote. The
program writes it last, so a result without a record is unfinished. The workflow compares the records with what it would
run now, and runs exactly those jobs again whose records differ. It needs neither Snakemake's own metadata nor the dates
of the records.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from howlow import files, provenance

ANYTHING: Any = object()
"""Stands for an expected value that is unknown: `difference` accepts any value of the record."""

_NOT_THERE: Any = object()
_MAX_SHOWN = 60


class Difference(NamedTuple):
    """How a result differs from one that would be made now: a short name of what changed, and a sentence."""

    name: str
    words: str


def write(record: Path, spec: dict[str, Any], script: Path, outputs: Iterable[Path] = (), **more: Any) -> None:
    """Write a record, as the last thing that a program does.

    Parameters
    ----------
    record : the file to write
    spec : the specification of the job
    script : the program's file
    outputs : the files that it wrote, or those of them that later programs read; and others without which these are
        of no use
    more : further entries of the record
    """
    content = {
        "spec": spec,
        "code": provenance.code(script, spec),
        "outputs": {os.path.relpath(path, record.parent): path.stat().st_size for path in outputs},
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }
    files.write_json(record, content | more)


def read(record: Path) -> dict[str, Any] | None:
    """A record; None if there is none, or if it is damaged."""
    try:
        found = files.read_json(record)
    except (OSError, ValueError, files.DamagedFileError):
        return None
    return found if isinstance(found, dict) else None


def difference(record: Path, expected: dict[str, Any]) -> Difference | None:
    """How a result differs from what would be made now.

    Parameters
    ----------
    record : its record
    expected : the expected values of `spec`, `code` and any further entries; other entries of the record are not
        compared

    Returns
    -------
    Difference, or None if the record says what is expected and the files exist with their recorded sizes
    """
    found = read(record)
    if found is None:
        return Difference(record.name, f"{record.name} is {'damaged' if record.exists() else 'missing'}")
    differing = _first_difference(expected, found, expected)
    if differing:
        return _in_words(*differing)
    return _changed_output(record.parent, found.get("outputs", {}))


def _changed_output(folder: Path, sizes: dict[str, int]) -> Difference | None:
    for name, size in sizes.items():
        try:
            there = (folder / name).stat().st_size
        except OSError:
            return Difference(Path(name).name, f"{name} is missing")
        if there != size:
            return Difference(Path(name).name, f"{name} has {there} bytes, and had {size} when it was written")
    return None


def _first_difference(
    expected: dict[str, Any], found: dict[str, Any], keys: Iterable[str], above: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], Any, Any] | None:
    """The keys that lead to the first value that differs, and both values; None if no value differs."""
    for key in sorted(keys):
        now, before = expected.get(key, _NOT_THERE), found.get(key, _NOT_THERE)
        if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
            now, before = _by_number(now), _by_number(before)
        if isinstance(now, dict) and isinstance(before, dict):
            if deeper := _first_difference(now, before, now.keys() | before.keys(), (*above, key)):
                return deeper
        elif now is not ANYTHING and now != before:
            return (*above, key), now, before
    return None


def _by_number(values: list[Any]) -> dict[str, Any]:
    return {f"{number:03d}": value for number, value in enumerate(values)}


def _in_words(path: tuple[str, ...], now: Any, before: Any) -> Difference:
    if "code" in path:
        return Difference(path[-1].replace("/", "."), f"the code of {path[-1]} has changed since")
    if "spec" not in path:
        return Difference(path[-1], f"{path[-1]} has changed since")
    key = ".".join(path[path.index("spec") + 1 :])
    return Difference(key, f"{key} is {_shown(now)} now and was {_shown(before)}")


def _shown(value: Any) -> str:
    text = "not there" if value is _NOT_THERE else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
