"""Reading of tables in Parquet or in text, and checks of their columns.

An error names the file, the row and the column. Rows are counted as in a text table, whose first row has the names of
the columns.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from howlow.errors import MetadataError

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a newline, for instance
_SHOWN_COLUMNS = 10


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
    if twice := first_twice(names):
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


def booleans(path: Path, table: pa.Table, tag: str) -> np.ndarray:
    """Read a column of 0 and 1 as an array of shape (n_clips,)."""
    column = text(path, table, tag)
    is_one = pc.is_in(column, pa.array(["1", "true"]))
    wrong = pc.invert(pc.or_(is_one, pc.is_in(column, pa.array(["0", "false"])))).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise MetadataError(f"{path}: row {row + 2}: column {tag!r} is {column[row].as_py()!r}, not 0 or 1")
    return is_one.to_numpy()


def check_printable(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse control characters such as a newline, because they would garble lists and logs."""
    if CONTROL_CHARACTER.search("".join(values)):
        row, value = next((row, value) for row, value in enumerate(values, start=2) if CONTROL_CHARACTER.search(value))
        raise MetadataError(f"{path}: row {row}: {column} {value!r} has a control character; rename it")


def check_unique(path: Path, column: str, values: Sequence[str]) -> None:
    """Refuse a value that is there twice."""
    first: dict[str, int] = {}
    for row, value in enumerate(values, start=2):
        if value in first:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is already in row {first[value]}")
        first[value] = row


def first_twice(names: Sequence[str]) -> str | None:
    """The first name that is there more than once."""
    return next((name for name, number in Counter(names).items() if number > 1), None)
