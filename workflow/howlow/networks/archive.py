"""Archives of tensors in PyTorch's format. They are written whole or not at all, and damage is noticed."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from howlow import files
from howlow.errors import HowlowError


class ArchiveError(HowlowError):
    """A file is not an archive of tensors, or it is damaged. The message names the file and the reason."""


def write(path: Path | str, content: Any) -> None:
    """Write an archive of tensors and plain data, whole or not at all.

    Raises
    ------
    files.FullDiskError
        if there is no space left
    """
    # PyTorch writes to an open file here. Given a name, it would store the name in the archive, and its error on a
    # full disk would not say why.
    with files.whole(path) as beside, beside.open("wb") as file:
        torch.save(content, file)


def read(path: Path | str) -> Any:
    """Read an archive to the CPU. A pickle that names anything but tensors and plain data is not run.

    Raises
    ------
    ArchiveError
        if the file is damaged, or is not such an archive
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch does not look at the checksums
        if damaged is not None:
            raise ArchiveError(f"{path}: damaged, the checksum of {damaged} is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except HowlowError:
        raise
    except Exception as error:  # PyTorch and zipfile raise many types of errors for arbitrary bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArchiveError(f"{path}: not an archive of PyTorch, or a damaged one ({reason})") from None
