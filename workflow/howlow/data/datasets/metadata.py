"""Functions that the readers of metadata share: reading of tables, checks of rows and columns, and the choice of tags.

An error names the file, the row and the column. Rows are counted as in a text table, whose first row has the names of
the columns.
"""

import csv
import difflib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from howlow.data.tracks import COLUMNS, MACRO, SPLITS, Tracks
from howlow.errors import HowlowError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # control characters, such as a newline
_SHOWN_COLUMNS = 10


class MetadataError(HowlowError):
    """The metadata can't be used. The message names the file, the row and the column."""


def read_table(path: Path, needed: Sequence[str]) -> pa.Table:
    """Read a table in Parquet, or in text separated by commas or tabs. The columns of text tables are text.

    Raises
    ------
    MetadataError
        if the table can't be read, lacks one of the `needed` columns, or has a column twice
    """
    if _is_parquet(path):
        table = _read_parquet(path)
        _check_columns(path, table.column_names, needed)
        return table
    names, delimiter = header(path, ","), ","
    if len(names) == 1 and "\t" in names[0]:
        names, delimiter = header(path, "\t"), "\t"
    _check_columns(path, names, needed)
    return read_text(path, names, delimiter)


def header(path: Path, delimiter: str) -> list[str]:
    """Read the column names of a text table. The file may begin with a byte-order mark."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=delimiter), [])
    except UnicodeDecodeError:
        _check_utf8(path)
        raise
    except csv.Error as error:
        raise MetadataError(f"{path}: row 1: not a table of text: {error}") from None


def read_text(path: Path, columns: Sequence[str], delimiter: str, use_threads: bool = True) -> pa.Table:
    """Read a text table with all columns as text. Its header has to be checked before."""
    try:
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=use_threads),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _check_utf8(path)
        if use_threads:  # once more without threads, because only then Arrow names the row
            return read_text(path, columns, delimiter, use_threads=False)
        raise MetadataError(f"{path}: {' '.join(str(error).split())}") from None


def read_list(path: Path) -> list[str]:
    """Read the lines of a text file, without blanks around them and without empty lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _check_utf8(path)
        raise
    return [line.strip() for line in text.split("\n") if line.strip()]


def _check_utf8(path: Path) -> None:
    """Raise an error that names the first row that is not UTF-8, if there is one."""
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                reason = f"not UTF-8 ({error.reason} at byte {error.start})"
                raise MetadataError(f"{path}: row {row}: {reason}; save the file as UTF-8") from None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix.lower() == ".parquet"


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise MetadataError(f"{path}: not Parquet, or damaged: {' '.join(str(error).split())}") from None


def _check_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    for column in needed:
        if column not in names:
            some = f"{list(names[:_SHOWN_COLUMNS])}{' and others' if len(names) > _SHOWN_COLUMNS else ''}"
            raise MetadataError(
                f"{path}: row 1: there is no column {column!r} among {some}; columns are separated by commas or tabs"
            )
    if twice := _first_twice(names):
        raise MetadataError(f"{path}: row 1: the column {twice!r} is there twice")


def text(path: Path, table: pa.Table, column: str) -> pa.ChunkedArray:
    """Convert a column to text.

    Raises
    ------
    MetadataError
        if the column holds lists or other nested values, or is not UTF-8
    """
    values = table[column]
    if pa.types.is_nested(values.type):
        raise MetadataError(f"{path}: column {column!r} holds {values.type}; it has to hold text or numbers")
    try:
        return _valid_text(values)
    except pa.ArrowException as error:
        for index in range(len(values)):
            try:
                _valid_text(values.slice(index, 1))
            except pa.ArrowException:
                raise MetadataError(f"{path}: row {index + 2}: column {column!r} is not UTF-8") from None
        raise MetadataError(f"{path}: column {column!r} is not text: {error}") from None


def _valid_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    strings = values.cast(pa.string())
    strings.validate(full=True)
    return strings


def full_text(path: Path, table: pa.Table, column: str) -> list[str]:
    """Read a column of text, in which no row may be empty or have a control character."""
    values = text(path, table, column).to_pylist()
    for row, value in enumerate(values, start=2):
        if not value:
            raise MetadataError(f"{path}: row {row}: {column} is empty")
    check_printable(path, column, values)
    return values


def check_printable(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse control characters such as a newline, because they would garble lists and logs."""
    if _CONTROL.search("".join(values)):
        row, value = next((row, value) for row, value in enumerate(values, start=2) if _CONTROL.search(value))
        raise MetadataError(f"{path}: row {row}: {column} {value!r} has a control character; rename it")


def check_tags(path: Path, tags: Sequence[str], rows: Sequence[Collection[str]] = (), first_row: int = 2) -> None:
    """Refuse a tag that is there twice, or that has an invalid name.

    Parameters
    ----------
    rows : the tags of each row from `first_row` on, if tags stand in cells; empty if tags are the names of columns
    """
    twice = _first_twice(tags)
    for tag in tags:
        if not tag:
            problem = "there is a tag, or a column, without a name"
        elif _CONTROL.search(tag):
            problem = f"the tag {tag!r} has a control character; rename it"
        elif tag != tag.strip():
            problem = f"the tag {tag!r} begins or ends with a blank; remove it"
        elif tag in (*COLUMNS, MACRO):
            problem = f"a tag must not be named {tag!r}"
        elif tag == twice:
            problem = f"the tag {tag!r} is there twice"
        else:
            continue
        row = next((row for row, names in enumerate(rows, start=first_row) if tag in names), 1)
        raise MetadataError(f"{path}: row {row}: {problem}")


def _first_twice(names: Sequence[str]) -> str | None:
    return next((name for name, number in Counter(names).items() if number > 1), None)


def check_unique(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse a value that is there twice."""
    first: dict[str, int] = {}
    for row, value in enumerate(values, start=2):
        if value in first:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is already in row {first[value]}")
        first[value] = row


def relative_paths(path: Path, column: str, values: Sequence[str]) -> list[str]:
    """Bring paths into their shortest form, so that each file has one path; see `shortest_path`."""
    shortest = []
    for row, value in enumerate(values, start=2):
        short = shortest_path(value)
        if not short:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is not a path below the dataset's root")
        shortest.append(short)
    return shortest


def shortest_path(value: str) -> str:
    """Shorten `./a//b.wav` to `a/b.wav`. The result is empty if the path is empty, absolute, or leads upwards."""
    parts = value.split("/")
    if value.startswith("/") or ".." in parts:
        return ""
    return "/".join(part for part in parts if part not in ("", "."))


def booleans(path: Path, table: pa.Table, tag: str) -> np.ndarray:
    """Read a column of 0 and 1 as an array of shape (n_clips,)."""
    column = text(path, table, tag)
    is_one = pc.is_in(column, pa.array(["1", "true"]))
    wrong = pc.invert(pc.or_(is_one, pc.is_in(column, pa.array(["0", "false"])))).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise MetadataError(f"{path}: row {row + 2}: column {tag!r} is {column[row].as_py()!r}, not 0 or 1")
    return is_one.to_numpy()


def chosen_tags(path: Path, known: Sequence[str], tags: list[str] | str | None) -> tuple[str, ...]:
    """The tags to learn: those of a list, those of a text file with one tag a line, or all known tags."""
    if tags is None:
        return tuple(known)
    if isinstance(tags, str):
        source = Path(tags)
        if not source.is_file():
            raise MetadataError(f"{source}: no such file; `tags` has to name a text file with one tag a line")
        tags = read_list(source)
        if not tags:
            raise MetadataError(f"{source}: lists no tag; it has to name one tag a line")
        if twice := _first_twice(tags):
            raise MetadataError(f"{source}: the tag {twice!r} is there twice")
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise MetadataError(f"{path}: there is no tag {tag!r}{hint}")
    return tuple(tags)


def check_positives(path: Path, tags: Sequence[str], labels: np.ndarray) -> None:
    """Refuse tags that no clip has, because they can't be learned."""
    without = np.flatnonzero(labels.sum(axis=0) == 0)
    if len(without):
        raise MetadataError(f"{path}: no clip has the tag {tags[without[0]]!r}: leave it out of `tags`")


def without_untagged(
    clip_ids: Sequence[str], labels: np.ndarray, untagged: str
) -> tuple[list[int], list[tuple[str, str]]]:
    """The indices of the clips to keep, and the clips left out with the reason.

    If `untagged` is `drop`, clips that have none of the tags are left out. If it is `keep`, all clips are kept.
    """
    is_kept = labels.any(axis=1) | (untagged == "keep")
    dropped = [(clip_ids[index], "has none of the tags") for index in np.flatnonzero(~is_kept).tolist()]
    return np.flatnonzero(is_kept).tolist(), dropped


def check_splits(dataset: str, tracks: Tracks, left_out: Sequence[tuple[str, str]], n_folds: int | None = None) -> None:
    """Refuse clips that no network can be trained and tested on.

    A single tag that all clips of a split have, or none of them, is accepted. It has no metrics there, and `check` says
    so.

    Raises
    ------
    MetadataError
        if a split or a fold is empty, or if each tag belongs to all test clips or to none of them
    """
    where = f"datasets.{dataset}"
    if not tracks.clip_ids:
        first = "".join(f"; the first is {clip_id!r}: {reason}" for clip_id, reason in left_out[:1])
        raise MetadataError(f"{where}: all {len(left_out)} clips are left out{first}")
    sizes = Counter(tracks.splits)
    without = f", {len(left_out)} being left out" if left_out else ""
    parts = [str(part) for part in range(1, n_folds + 1)] if n_folds else SPLITS
    for split in parts:
        if not sizes[split] and n_folds:
            raise MetadataError(
                f"{where}: none of its {len(tracks.clip_ids)} clips is in fold {split} of {n_folds}{without}; every"
                " fold needs clips, so set fewer `folds` or add groups"
            )
        if not sizes[split]:
            raise MetadataError(
                f"{where}: none of its {len(tracks.clip_ids)} clips is in the split {split!r}{without}; every split"
                " needs clips, and splits that are made need at least three clips or, with groups, three groups"
            )
    for part in parts if n_folds else ("test",):
        labels = tracks.labels[np.array(tracks.splits) == part]
        if not (labels.any(axis=0) & ~labels.all(axis=0)).any():
            of_fold = f" of fold {part}" if n_folds else ""
            raise MetadataError(
                f"{where}: each tag belongs to all {len(labels)} test clips{of_fold} or to none of them, so no accuracy"
                " can be measured; add clips or choose other tags"
            )
