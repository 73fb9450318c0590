"""Arrays in .npy files that are larger than the memory: written and read row by row."""

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from howlow import files


def write_rows(
    path: Path | str, rows: Iterable[np.ndarray], row_shape: tuple[int, ...], dtype: str, *, durable: bool = True
) -> int:
    """Write a .npy file of shape (n_rows, *row_shape) row by row, whole or not at all, and return n_rows.

    The number of rows need not be known before, and only one row is held in memory.
    `durable` is that of `howlow.files.whole`.
    """
    n_rows = 0
    with files.whole(path, durable=durable) as beside, beside.open("wb") as file:
        _write_header(file, (n_rows, *row_shape), dtype)
        for row in rows:
            file.write(np.ascontiguousarray(row, dtype).data)
            n_rows += 1
        # NumPy pads the header so that the number of rows can grow in place.
        file.seek(0)
        _write_header(file, (n_rows, *row_shape), dtype)
    return n_rows


def read_row(path: Path | str, index: int) -> np.ndarray:
    """Read one row of a .npy file. It is not mapped, because mapped pages count as memory of this process."""
    rows = open_rows(path)
    shape = rows.shape[1:]
    offset = rows.offset + index * rows.strides[0]
    return np.fromfile(path, rows.dtype, math.prod(shape), offset=offset).reshape(shape)


@cache
def open_rows(path: Path | str) -> np.memmap:
    """Open a .npy file as a memory map."""
    return np.load(path, mmap_mode="r")


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: str) -> None:
    header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
    np.lib.format.write_array_header_1_0(file, header)
