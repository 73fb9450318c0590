"""Records: a JSON file beside each result that says what made it.

A record holds the specification and the code that its program ran with, and the sizes of the files that it wrote. The
program writes it last, so a result whose record is missing is not finished. The workflow compares the records with
what it would run now; it runs again exactly what differs. Nothing else has to be kept: neither Snakemake's own notes
nor the dates of the records.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from howlow import files, provenance

ANYTHING: Any = object()
"""What `difference` expects where it is not known what a record has to say."""

_MAX_SHOWN = 60


class Difference(NamedTuple):
    """What tells a result from one that would be made now: a short name of it, and a sentence."""

    name: str
    words: str


def write(record: Path, spec: dict[str, Any], script: Path, outputs: Iterable[Path] = (), **more: Any) -> None:
    """Write a record, as the last thing that a program does.

    Parameters
    ----------
    record : the file to write
    spec : what the program read of the configuration
    script : the program's file
    outputs : the files that it wrote, or those of them that later programs read
    more : what else the record is to say
    """
    content = {
        "spec": spec,
        "code": provenance.code(script),
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
    expected : what the record has to say: `spec`, `code`, and whatever else it holds. What it says beside that is
        not compared

    Returns
    -------
    Difference, or None if the record says what is expected and the files are there, as large as they were
    """
    found = read(record)
    if found is None:
        return Difference(record.name, f"{record.name} is {'damaged' if record.exists() else 'missing'}")
    path = _first_difference(expected, found, expected)
    if path:
        return _in_words(path, expected, found)
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


def _first_difference(expected: dict[str, Any], found: dict[str, Any], keys: Iterable[str]) -> list[str]:
    """The keys that lead to the first value that differs; none if all are as expected."""
    for key in sorted(keys):
        now, before = expected.get(key), found.get(key)
        if now is ANYTHING:
            continue
        if isinstance(now, dict) and isinstance(before, dict):
            if deeper := _first_difference(now, before, now.keys() | before.keys()):
                return [key, *deeper]
        elif now != before or (key in expected) != (key in found):
            return [key]
    return []


def _in_words(path: list[str], expected: Any, found: Any) -> Difference:
    if "code" in path:
        return Difference(path[-1].replace("/", "."), f"the code of {path[-1]} has changed since")
    if "spec" not in path:
        return Difference(path[-1], f"{path[-1]} has changed since")
    key = ".".join(path[path.index("spec") + 1 :])
    for part in path[:-1]:
        expected, found = expected[part], found[part]
    now, before = (_shown(side[path[-1]]) if path[-1] in side else "not there" for side in (expected, found))
    return Difference(key, f"{key} is {now} now and was {before}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
