"""Compare two runs of one configuration: everything is the same except times and the dates of files."""

import csv
import hashlib
import io
import json
from pathlib import Path

_MEASURED = ("times.csv", "tradeoff.csv", "tradeoff.pdf", "tradeoff.png", "recommendation.md", "recommendation.html")
_MEASURED += ("exchange.csv", "frontier.csv")
_OF_THE_CHECKOUT = ("versions.csv", "about.html")  # they name the commit of the checkout
_COLUMNS = {"history.csv": "seconds", "runs.csv": "train_seconds"}
# Records hold the dates of audio files and of metadata, and the commit of the checkout. They also hold the sizes of
# results, which differ where a result contains a time.
_KEYS = {"train_seconds", "source", "origin", "metadata", "commit", "outputs"}


def digests(folder: Path) -> dict[str, str]:
    """A digest of every file below `folder/results`, by its path; a half-written file counts as one."""
    results = folder / "results"
    left_out = (*_MEASURED, *_OF_THE_CHECKOUT)
    paths = [path for path in results.glob("**/*") if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest() for path in paths}


def differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """One line for each file that is missing, additional or different."""
    names = sorted(found.keys() | expected.keys())
    return [f"{name} differs" for name in names if found.get(name) != expected.get(name)]


def _content(path: Path) -> bytes:
    if path.name in _COLUMNS:
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        return repr([{key: value for key, value in row.items() if key != _COLUMNS[path.name]} for row in rows]).encode()
    if path.suffix == ".json":
        record = json.loads(path.read_text())
        return json.dumps({key: value for key, value in record.items() if key not in _KEYS}).encode()
    return path.read_bytes()
