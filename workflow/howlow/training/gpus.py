"""Finds the GPUs that PyTorch can use, and gives each program one of them. Nothing here imports PyTorch."""

import contextlib
import fcntl
import importlib.util
import os
import runpy
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from howlow.errors import HowlowError

_TIMEOUT_S = 20
_QUERY = ("nvidia-smi", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
_WAIT_S = 1.0


class GpuError(HowlowError):
    """No GPU can be taken. The message says why."""


class Gpu(NamedTuple):
    """A GPU: its name in `CUDA_VISIBLE_DEVICES`, and its memory in MB, or 0 if the driver does not tell it."""

    id: str
    memory_mb: int


@cache
def visible() -> tuple[Gpu, ...]:
    """The GPUs that a training on this machine can take, as `CUDA_VISIBLE_DEVICES` restricts them.

    There are none if PyTorch was built without CUDA, or if `nvidia-smi` is missing, fails or hangs.
    """
    if not _pytorch_has_cuda():
        return ()
    gpus = parse(_nvidia_smi())
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if wanted is None else restricted(gpus, wanted)


def parse(printed: str) -> tuple[Gpu, ...]:
    """Parse the output of `nvidia-smi`: a line for each GPU, with its UUID and its memory in MiB, and messages."""
    rows = [line.split(",") for line in printed.splitlines() if line.startswith("GPU-")]
    return tuple(Gpu(uuid.strip(), _megabytes("".join(memory))) for uuid, *memory in rows)


def restricted(gpus: tuple[Gpu, ...], wanted: str) -> tuple[Gpu, ...]:
    """The GPUs that `CUDA_VISIBLE_DEVICES` selects. As in CUDA, the first name of a missing GPU ends the list."""
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in wanted.split(",")):
        if entry.isdecimal() and int(entry) < len(gpus):
            # The number is kept, because CUDA may count the GPUs in another order than nvidia-smi does.
            chosen.append(Gpu(entry, gpus[int(entry)].memory_mb))
        elif entry.startswith("MIG-"):
            chosen.append(Gpu(entry, 0))
        elif entry.startswith("GPU-") and (named := [gpu for gpu in gpus if gpu.id.startswith(entry)]):
            chosen.append(named[0])
        else:
            break
    return tuple(chosen)


@contextlib.contextmanager
def place(ids: list[str], sharing: int) -> Iterator[None]:
    """Choose one of some GPUs, let CUDA see only this one, and hold a place on it while the block runs.

    A place is a locked file. Each GPU has as many as programs may share it. The kernel unlocks the file when the
    program ends, however it ends. If all places are taken, perhaps by another run, the program waits.

    Parameters
    ----------
    ids : names of GPUs, see `Gpu`; if there are none, nothing is chosen and nothing is locked
    sharing : int, number of programs that may use one GPU at once

    Raises
    ------
    GpuError
        if the locked files can't be written
    """
    if not ids:
        yield
        return
    folder = Path(tempfile.gettempdir(), f"howlow-gpus-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if (found := _free_place(folder, ids, sharing)) is None:
            print(f"waiting: other trainings of yours use all GPUs of this machine ({', '.join(ids)})", flush=True)
        while found is None:
            time.sleep(_WAIT_S)
            found = _free_place(folder, ids, sharing)
    except OSError as error:
        raise GpuError(f"{folder}: {error.strerror}; set TMPDIR to a folder where files can be written") from None
    gpu, lock = found
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    with lock:
        yield


def _free_place(folder: Path, ids: list[str], sharing: int) -> tuple[str, IO[str]] | None:
    """Take a place on one of the GPUs with the fewest programs. Returns the GPU's name and the locked file."""
    for number in range(sharing):
        for gpu in ids:
            lock = (folder / f"{gpu.replace('/', '_')}.{number}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return gpu, lock
            except BlockingIOError:
                lock.close()
    return None


def _nvidia_smi() -> str:
    """The output of `nvidia-smi`, or nothing if it is missing, fails or hangs."""
    try:
        process = subprocess.Popen(_QUERY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace")
    except OSError:
        return ""
    try:
        printed, _ = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()  # not waited for, because a broken driver may never let it end
        return ""
    return "" if process.returncode else printed


def _megabytes(mebibytes: str) -> int:
    return round(int(mebibytes) * 1.048576) if mebibytes.strip().isdecimal() else 0


def _pytorch_has_cuda() -> bool:
    """Whether PyTorch was built for CUDA. This reads its version.py, because importing PyTorch takes seconds."""
    spec = importlib.util.find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return bool(version and version.is_file() and runpy.run_path(str(version)).get("cuda"))
