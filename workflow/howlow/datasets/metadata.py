"""What the readers of metadata tables share: checks that name file, row and column, and the choice of tags."""

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from howlow.errors import HowlowError
from howlow.tracks import COLUMNS


class MetadataError(HowlowError):
    """The metadata says something that it may not; the message names file, row and column."""


def header(path: Path, delimiter: str) -> list[str]:
    """The names of the columns of a text table; the file may begin with a byte-order mark."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        return next(csv.reader([line.decode("utf-8-sig")], delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise MetadataError(f"{path}: row 1: not UTF-8 ({error.reason} at byte {error.start})") from None


def read_text(path: Path, columns: Sequence[str], delimiter: str) -> pa.Table:
    """A text table with all columns as text, after its header has been checked."""
    try:
        return arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise MetadataError(f"{path}: {' '.join(str(error).split())}") from None


def check_header(path: Path, header: Sequence[str], tags: Sequence[str]) -> None:
    """Refuse columns that are there twice, and tags that are named like a column of `tracks.parquet`."""
    for name in header:
        if header.count(name) > 1:
            raise MetadataError(f"{path}: row 1: the column {name!r} is there twice")
    for tag in tags:
        if tag in COLUMNS:
            raise MetadataError(f"{path}: row 1: a tag must not be named {tag!r}")


def check_unique(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse a value that is there twice."""
    first: dict[str, int] = {}
    for row, value in enumerate(values, start=2):
        if value in first:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is that of row {first[value]} already")
        first[value] = row


def check_relative(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse what is no path below the dataset's root."""
    for row, value in enumerate(values, start=2):
        if not value or PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is not a path below the dataset's root")


def booleans(path: Path, table: pa.Table, tag: str) -> np.ndarray:
    """A column of 0 and 1 as an array of shape (n_clips,)."""
    column = table[tag].cast(pa.string()) if not pa.types.is_string(table[tag].type) else table[tag]
    is_one = pc.is_in(column, pa.array(["1", "true"]))
    wrong = pc.invert(pc.or_(is_one, pc.is_in(column, pa.array(["0", "false"])))).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise MetadataError(f"{path}: row {row + 2}: column {tag!r} is {column[row].as_py()!r}, not 0 or 1")
    return is_one.to_numpy()


def chosen_tags(path: Path, known: Sequence[str], tags: list[str] | str | None) -> tuple[str, ...]:
    """The tags to learn: those of a list, of a text file with one a line, or all."""
    if tags is None:
        return tuple(known)
    if isinstance(tags, str):
        source = Path(tags)
        if not source.is_file():
            raise MetadataError(f"{source}: no such file; `tags` has to name a text file with one tag a line")
        tags = [line.strip() for line in source.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        check_unique_tags(source, tags)
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise MetadataError(f"{path}: there is no tag {tag!r}{hint}")
    return tuple(tags)


def check_unique_tags(path: Path, tags: Sequence[str]) -> None:
    """Refuse a tag that is listed twice."""
    for tag in tags:
        if tags.count(tag) > 1:
            raise MetadataError(f"{path}: the tag {tag!r} is listed twice")


def check_positives(path: Path, tags: Sequence[str], labels: np.ndarray) -> None:
    """Refuse tags that no clip has: nothing can be learned of them."""
    without = np.flatnonzero(labels.sum(axis=0) == 0)
    if len(without):
        raise MetadataError(f"{path}: no clip has the tag {tags[without[0]]!r}: leave it out of `tags`")


def without_untagged(
    clip_ids: Sequence[str], labels: np.ndarray, untagged: str
) -> tuple[list[int], list[tuple[str, str]]]:
    """Indices of the clips to keep, and those left out with the reason: with `untagged` `drop`, those without a tag."""
    is_kept = labels.any(axis=1) | (untagged == "keep")
    dropped = [(clip_ids[index], "has none of the tags") for index in np.flatnonzero(~is_kept).tolist()]
    return np.flatnonzero(is_kept).tolist(), dropped
