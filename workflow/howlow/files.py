"""Files that appear whole or not at all, and what identifies them."""

import csv
import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from howlow.errors import HowlowError

if TYPE_CHECKING:
    import pandas as pd


# What spreadsheets take for a formula; with apostrophes before it, which are text.
_FORMULA = re.compile(r"'*[=+@-]")


class FullDiskError(HowlowError):
    """There is no space, or no quota, left for a file; the message names it."""


class DamagedFileError(HowlowError):
    """A file does not hold what the workflow wrote there; the message names it and says what to do."""


@contextmanager
def whole(path: Path | str, *, durable: bool = True) -> Iterator[Path]:
    """Give a path beside `path` to write to, and rename it to `path` only if all went well.

    Parameters
    ----------
    path : the file that is to appear
    durable : whether the file reaches the disk before it gets its name. Otherwise a power cut can leave an empty file
        under the name of a finished one; only what is deleted within the same run may do without.

    Raises
    ------
    FullDiskError
        if there is no space left; what was written is gone then
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _naming_a_full_disk(path):
        _make_folder(path.parent)
        for left in path.parent.glob(f".{escape(path.name)}.*.part"):  # by a program that was killed
            left.unlink(missing_ok=True)
        try:
            yield beside
            if durable:
                _flush(beside)
            beside.replace(path)
            if durable:
                _flush_entries(path.parent)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """Give a folder beside `path` to write to, and put it in the place of `path` only if all went well.

    Raises
    ------
    FullDiskError
        if there is no space left; what was written is gone then
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # a program that was killed may have left it
    try:
        with _naming_a_full_disk(path):
            beside.mkdir(parents=True)
            yield beside
            for file in beside.rglob("*"):
                _flush_entries(file) if file.is_dir() else _flush(file)
            _flush_entries(beside)
            if path.exists():
                shutil.rmtree(path)
            beside.rename(path)
            _flush_entries(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def output(path: Path) -> Iterator[Path]:
    """Give a path to write to, for a file that the user named.

    A regular file appears whole or not at all, at the end of a symbolic link. A device or a pipe is written to as it
    is: a rename would put a regular file in its place.

    Raises
    ------
    HowlowError
        if the file can't be written
    """
    try:
        if path.is_dir():
            raise HowlowError(f"{path}: is a folder; name a file to write")
        if path.exists() and not path.is_file():
            yield path
            return
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with whole(target) as beside:
            yield beside
    except OSError as error:
        raise HowlowError(f"{path}: can't be written: {error.strerror}") from None


def refuse_overwriting(path: Path, inputs: Iterable[Path]) -> None:
    """Raise a HowlowError if a file that is to be written is one of those that are read, under whatever name."""
    for read in inputs:
        with suppress(OSError, ValueError):  # a file that is missing or out of reach is not this one
            if path.samefile(read):
                raise HowlowError(f"{path}: would be overwritten, and it is read as well; name another file to write")


def is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a full disk or a used-up quota.

    Libraries such as PyTorch and Matplotlib fail with errors of their own when a file can't be written; Python keeps
    the cause with these.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file, or a link to nothing: "File exists" would tell nobody what is wrong
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None


@contextmanager
def _naming_a_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, HowlowError) or not is_full_disk(error):
            raise
        raise FullDiskError(f"{path}: no space left on its disk; make room and start again, it goes on here") from None


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_entries(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk; some network file systems can't do that."""
    with suppress(OSError):
        _flush(folder)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON with sorted keys, whole or not at all: the same content gives the same bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """What a JSON file holds.

    Raises
    ------
    DamagedFileError
        if it is no JSON
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        raise DamagedFileError(f"{path}: is damaged: it is no JSON; start the workflow again to make it anew") from None


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_rows(
    path: Path | str, rows: Iterable[np.ndarray], row_shape: tuple[int, ...], dtype: str, *, durable: bool = True
) -> int:
    """Write a .npy file of shape (n_rows, *row_shape) row by row, whole or not at all; give n_rows.

    Neither the number of rows has to be known before nor more than one be held. `durable` is that of `whole`.
    """
    n_rows = 0
    with whole(path, durable=durable) as beside, beside.open("wb") as file:
        _write_header(file, (n_rows, *row_shape), dtype)
        for row in rows:
            file.write(np.ascontiguousarray(row, dtype).data)
            n_rows += 1
        # NumPy pads the header so that the number of rows can grow in place.
        file.seek(0)
        _write_header(file, (n_rows, *row_shape), dtype)
    return n_rows


def read_row(path: Path | str, index: int) -> np.ndarray:
    """One row of a .npy file, read and not mapped: the pages of a map would count as this process's memory."""
    rows = open_rows(path)
    shape = rows.shape[1:]
    offset = rows.offset + index * rows.strides[0]
    return np.fromfile(path, rows.dtype, math.prod(shape), offset=offset).reshape(shape)


@cache
def open_rows(path: Path | str) -> np.memmap:
    """A .npy file as a memory map."""
    return np.load(path, mmap_mode="r")


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: str) -> None:
    header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
    np.lib.format.write_array_header_1_0(file, header)


def to_cell(value: object) -> object:
    """What stands for a value in a CSV file: itself, or after an apostrophe where a spreadsheet would run it.

    That is text which begins as a formula does, such as the tag `=1+1`, and is no number. `from_cell` undoes it.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _is_number(value):
        return f"'{value}"
    return value


def from_cell(text: str) -> str:
    """The text that `to_cell` wrote."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_csv(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file that `read_csv` reads, whole or not at all; see `to_cell`."""
    with whole(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(map(to_cell, row) for row in rows)


def write_frame(path: Path | str, table: "pd.DataFrame") -> None:
    """Write a pandas table as CSV, whole or not at all; see `to_cell`."""
    texts = {str(name): table[name].map(to_cell) for name in table.select_dtypes(["object", "str"])}
    with whole(path) as beside:
        table.assign(**texts).to_csv(beside, index=False)


def read_csv(path: Path | str) -> list[dict[str, str]]:
    """The rows of a CSV file that `write_csv` or `write_frame` wrote, each by column."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [{name: from_cell(text) for name, text in row.items()} for row in csv.DictReader(file)]
