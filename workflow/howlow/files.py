"""Files that are written whole or not at all, and their checksums."""

import csv
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howlow.errors import HowlowError

if TYPE_CHECKING:
    import pandas as pd


# The beginning of a text that spreadsheets take for a formula, and the same after apostrophes.
_FORMULA = re.compile(r"'*[=+@-]")


class FullDiskError(HowlowError):
    """The disk or a quota has no space left for a file. The message names the file."""


class DamagedFileError(HowlowError):
    """A file no longer holds what the workflow wrote to it. The message names the file and says what to do."""


@contextmanager
def whole(path: Path | str, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path beside `path` to write to, and rename it to `path` if no error was raised.

    Parameters
    ----------
    path : the file to write
    durable : whether the content has to reach the disk before the file gets its name. Otherwise a power cut can leave
        an empty file under the final name, so False is only for files that the same run deletes.

    Raises
    ------
    FullDiskError
        if there is no space left; what was written is then removed
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _naming_a_full_disk(path):
        _make_folder(path.parent)
        for left in path.parent.glob(f".{escape(path.name)}.*.part"):  # of a program that was killed
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
    """Yield a folder beside `path` to write to, and replace `path` by it if no error was raised.

    Raises
    ------
    FullDiskError
        if there is no space left; what was written is then removed
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
    """Yield a path to write to, for a file that the user named.

    A regular file is written whole or not at all, and a symbolic link is followed. A device or a pipe is written to
    directly, because a rename would replace it by a regular file.

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
    """Raise a HowlowError if the file to write is one of the files to read, even under another name."""
    for read in inputs:
        with suppress(OSError, ValueError):  # a file that is missing or out of reach can't be overwritten
            if path.samefile(read):
                raise HowlowError(f"{path}: would be overwritten, and it is read as well; name another file to write")


def is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a full disk or a used-up quota.

    Libraries such as PyTorch and Matplotlib raise errors of their own when a file can't be written. Python links these
    to their cause.
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
    except FileExistsError as error:  # a file or a broken link; "File exists" would not say so
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None


@contextmanager
def _naming_a_full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # NumPy, PyArrow and PyTorch report a full disk by errors of their own
        if isinstance(error, HowlowError) or not is_full_disk(error):
            raise
        raise FullDiskError(
            f"{path}: no space left on its disk; make room and start again, finished work is kept"
        ) from None


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_entries(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk, if the file system can do that."""
    with suppress(OSError):
        _flush(folder)


def set_aside(path: Path, why: str) -> DamagedFileError:
    """Rename a damaged file, so that it counts as missing and the next run makes it anew.

    Several programs may find and rename it at the same time.

    Returns
    -------
    DamagedFileError, to be raised
    """
    with suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}.damaged"))
    return DamagedFileError(f"{path}: is damaged: {why}. It is set aside; start the workflow again to make it anew")


def write_text(path: Path | str, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON with sorted keys, whole or not at all. The same content gives the same bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    DamagedFileError
        if it is not JSON
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        raise DamagedFileError(f"{path}: is damaged: not JSON; start the workflow again to make it anew") from None


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_cell(value: object) -> object:
    """Prepare a value for a CSV file: text that a spreadsheet would run as a formula gets an apostrophe before it.

    Such text begins like a formula, as the tag `=1+1` does, and is not a number. `from_cell` removes the apostrophe.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not is_number(value):
        return f"'{value}"
    return value


def from_cell(text: str) -> str:
    """The text from which `to_cell` made this one."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def is_number(text: str) -> bool:
    """Whether a text is a number, as Python writes them."""
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
    """Read the rows of a CSV file that `write_csv` or `write_frame` wrote, each as a dictionary by column."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [{name: from_cell(text) for name, text in row.items()} for row in csv.DictReader(file)]
