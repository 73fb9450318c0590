"""Archives of tensors, as PyTorch writes them: they appear whole or not at all, and damage is noticed."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from howlow import files
from howlow.errors import HowlowError


class ArchiveError(HowlowError):
    """A file is no archive of tensors, or a damaged one; the message names the file and the reason."""


def write(path: Path | str, content: Any) -> None:
    """Write tensors and plain data, whole or not at all.

    Raises
    ------
    files.FullDiskError
        if there is no space left
    """
    # To an open file: by its name, it would stand in the archive, and the error of a full disk would have no cause.
    with files.whole(path) as beside, beside.open("wb") as file:
        torch.save(content, file)


def read(path: Path | str) -> Any:
    """Read what `write` wrote, to the CPU; a pickle that names anything but tensors and plain data is not run.

    Raises
    ------
    ArchiveError
        if the file is damaged, or something else
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch does not look at the checksums
        if damaged is not None:
            raise ArchiveError(f"{path}: damaged, the checksum of {damaged} is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except HowlowError:
        raise
    except Exception as error:  # there is no end to what PyTorch and zipfile raise for arbitrary bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArchiveError(f"{path}: not an archive of PyTorch, or a damaged one ({reason})") from None
