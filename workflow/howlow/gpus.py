"""The GPUs of this machine: which ones PyTorch can use, and which one a program takes. Nothing here imports PyTorch."""

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
    """No GPU can be taken; the message says why."""


class Gpu(NamedTuple):
    """A GPU by its name in `CUDA_VISIBLE_DEVICES`, and its memory in MB; 0 where the driver does not tell it."""

    id: str
    memory_mb: int


@cache
def visible() -> tuple[Gpu, ...]:
    """The GPUs that a training on this machine can take, as `CUDA_VISIBLE_DEVICES` restricts them.

    There are none where PyTorch was built without CUDA, and where `nvidia-smi` is missing, fails or hangs.
    """
    if not _pytorch_has_cuda():
        return ()
    gpus = parse(_nvidia_smi())
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if wanted is None else restricted(gpus, wanted)


def parse(printed: str) -> tuple[Gpu, ...]:
    """The GPUs in what `nvidia-smi` prints, one a line: its UUID, and its memory in MiB. Other lines are messages."""
    rows = [line.split(",") for line in printed.splitlines() if line.startswith("GPU-")]
    return tuple(Gpu(uuid.strip(), _megabytes("".join(memory))) for uuid, *memory in rows)


def restricted(gpus: tuple[Gpu, ...], wanted: str) -> tuple[Gpu, ...]:
    """The GPUs that a value of `CUDA_VISIBLE_DEVICES` leaves: those before the first that is not there, as in CUDA."""
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in wanted.split(",")):
        if entry.isdecimal() and int(entry) < len(gpus):
            # By its number, because CUDA may count the GPUs in another order than nvidia-smi does.
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
    """Have CUDA see one of some GPUs only, and keep a place on it for as long as the block runs.

    A place is a locked file, one for each GPU and each of the programs that may share it. The kernel unlocks it when
    the program ends, however it ends. Where all places are taken, by another run perhaps, the program waits.

    Parameters
    ----------
    ids : names of GPUs, see `Gpu`; with none of them, nothing is chosen and nothing is locked
    sharing : int, programs that may use one GPU at once

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
    """A place on one of the GPUs that have the fewest programs, and its locked file."""
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
    """What `nvidia-smi` prints; nothing where it is missing, fails or hangs."""
    try:
        process = subprocess.Popen(_QUERY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace")
    except OSError:
        return ""
    try:
        printed, _ = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()  # nobody waits for its end, because a broken driver may never let it end
        return ""
    return "" if process.returncode else printed


def _megabytes(mebibytes: str) -> int:
    return round(int(mebibytes) * 1.048576) if mebibytes.strip().isdecimal() else 0


def _pytorch_has_cuda() -> bool:
    """Whether PyTorch was built for CUDA, by the small file in which it says so: to import it takes seconds."""
    spec = importlib.util.find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return bool(version and version.is_file() and runpy.run_path(str(version)).get("cuda"))
