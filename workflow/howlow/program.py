"""What the programs in workflow/scripts share: their options, messages and errors."""

import argparse
import ctypes
import inspect
import io
import json
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from howlow import files, records
from howlow.errors import HowlowError

_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>

# Python's default differs by its version and by the system. On Linux, workers are forked: they need no imports of their
# own, and their parent is this process, which `_end_with` relies on. (With forkserver, the default from Python 3.14 on,
# it is not.) On macOS, a process that has used Apple's libraries may hang after a fork, and NumPy uses one of these for
# its linear algebra there (Accelerate). So workers are spawned, and import for some tenths of a second.
_START_METHOD = "spawn" if sys.platform == "darwin" else "fork"

S = TypeVar("S")
T = TypeVar("T")
Main = Callable[[argparse.Namespace], Iterable[Path] | None]


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every program of a rule has: what it is to do, and who started it."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--spec", type=json.loads, required=True, help="what the stage reads of the config, JSON")
    options.add_argument("--record", type=Path, help="JSON file to write at the end: what made the results")
    options.add_argument("--parent", type=int, help="number of the process that started this, to end with it")
    return options


def add_device_options(options: argparse.ArgumentParser) -> None:
    """The options of a program that may use a GPU.

    They are no part of its specification: to compute on another device is no reason to compute anew.
    """
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="what computes")
    options.add_argument("--gpus", type=str.split, default=[], help="GPUs of this machine to take one of; '': any")
    options.add_argument("--sharing", type=int, default=1, help="programs that share a GPU")


def run(main: Main, options: argparse.ArgumentParser) -> None:
    """Run a program, and record what made the files that it returns; a program that returns None has no such record.

    An error that the user can mend becomes one line and exit status 1. A reader of the output that has enough, such as
    `head`, ends the program without a message, as does Ctrl-C. The exit status is then that of a program which the
    signal ended: 141 or 130.
    """
    name = f"howlow {Path(sys.argv[0]).stem}"
    if sys.stderr is None:  # closed by the caller, who wants to read no message
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open to the end
    if sys.stdout is None:
        sys.exit(f"{name}: standard output is closed; redirect it to a file, or to {os.devnull}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale may lack the letters of a tag
    try:
        try:
            _run(main, options)
        finally:
            sys.stdout.flush()  # after the end of the program, an error could not be told in one line any more
    except BrokenPipeError:
        _abandon_output()
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        message = _explanation(error)
        if message is None:
            raise
        sys.exit(f"{name}: {message}")


def _run(main: Main, options: argparse.ArgumentParser) -> None:
    args = options.parse_args()
    if parent := getattr(args, "parent", None):  # the user's own commands have none
        _end_with(parent)
    outputs = main(args)
    if outputs is not None and args.record:
        records.write(args.record, args.spec, Path(inspect.getfile(main)), outputs)


def _explanation(error: Exception) -> str | None:
    """What the user can mend, in one line; None for an error of the program, which needs its traceback."""
    if isinstance(error, HowlowError):
        return str(error)
    if files.is_full_disk(error):
        try:
            sys.stdout.flush()
        except OSError:
            _abandon_output()
        return "no space left on the disk of its files, or of its output or log; make room and start again"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None


def _abandon_output() -> None:
    """Send what is left of standard output nowhere: Python would try to write it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; end at once if it has died already.

    Else a program would go on after a `kill -9` of Snakemake, and write beside the one of the next run.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """Go through `items` with a bar on a terminal; a log file gets nothing of it."""
    return tqdm(items, desc=description, total=total, disable=None, leave=False)


def parallel(function: Callable[[S], T], items: Iterable[S], processes: int) -> Iterator[T]:
    """`map` over some processes, in order; it runs only a few items ahead, so that results don't pile up."""
    if processes == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context(_START_METHOD)
    with ProcessPoolExecutor(processes, context, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        ahead: deque[Future[T]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 4 * processes:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
