"""What the programs of the rules and the subcommands of `howlow` share: their options, messages and errors."""

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

from howlow import files, provenance
from howlow.errors import HowlowError
from howlow.provenance import records

_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>

# Python's default depends on its version and on the system. On Linux, workers are forked: they need no imports, and
# their parent is this process, as `_end_with` requires. (With forkserver, the default from Python 3.14 on, it is not.)
# On macOS, a process that has used Apple's libraries may hang after a fork, and NumPy uses one of them (Accelerate). So
# workers are spawned there, and spend some tenths of a second on imports.
_START_METHOD = "spawn" if sys.platform == "darwin" else "fork"

STOPPED = "howlow: stopped by Ctrl-C"
"""The last line of the log of a program of the workflow that was stopped so."""

S = TypeVar("S")
T = TypeVar("T")
Main = Callable[[argparse.Namespace], Iterable[Path] | None]


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every program that a rule runs: its specification, its record and its parent."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--spec", type=json.loads, required=True, help="the settings that this stage reads, as JSON")
    options.add_argument("--record", type=Path, help="JSON file to write at the end; it says what made the results")
    options.add_argument("--parent", type=int, help="id of the process that started this one, and ends it")
    return options


def add_device_options(options: argparse.ArgumentParser) -> None:
    """Add the options of a program that may use a GPU.

    They are no part of its specification, so that a change of the device does not make a job run again.
    """
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="device to compute on")
    options.add_argument("--gpus", type=str.split, default=[], help="ids of GPUs, one of which is used; '': any GPU")
    options.add_argument("--sharing", type=int, default=1, help="programs that share a GPU")


def run(main: Main, options: argparse.ArgumentParser, arguments: list[str] | None = None) -> None:
    """Run a program, and record what made the files that it returns; a program that returns None gets no record.

    The arguments are those of the command line unless others are given.

    An error that the user can fix becomes one line and exit status 1. The program ends without a message if the reader
    of its output stops reading, as `head` does, or if the user presses Ctrl-C. The exit status is then 141 or 130, as
    after a signal.
    """
    name = f"howlow {Path(options.prog.removeprefix('howlow ')).stem}"
    if sys.stderr is None:  # the caller closed it, and wants no messages
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open to the end
    if sys.stdout is None:
        sys.exit(f"{name}: standard output is closed; redirect it to a file, or to {os.devnull}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the locale may not have all letters of a tag
    try:
        try:
            _run(main, options, arguments)
        finally:
            sys.stdout.flush()  # here, because an error at Python's exit could not be reported in one line
    except BrokenPipeError:
        _abandon_output()
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:  # any that a user can do something about is told in one line, and others are raised
        message = _explanation(error)
        if message is None:
            raise
        sys.exit(f"{name}: {message}")


def _run(main: Main, options: argparse.ArgumentParser, arguments: list[str] | None) -> None:
    args = options.parse_args(arguments)
    if parent := getattr(args, "parent", None):  # commands for the user do not have this option
        _end_with(parent)
    if getattr(args, "record", None):
        # Now, because the files may be edited while the program runs.
        provenance.code(Path(inspect.getfile(main)), args.spec)
    try:
        outputs = main(args)
    except KeyboardInterrupt:
        if parent:  # standard error is the log, which `howlow.planning.failures` reads
            print(STOPPED, file=sys.stderr)
        raise
    if outputs is not None and args.record:
        records.write(args.record, args.spec, Path(inspect.getfile(main)), outputs)


def _explanation(error: Exception) -> str | None:
    """An error that the user can fix, in one line; None for a bug, which needs its traceback."""
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
    """Discard the rest of standard output, which Python would otherwise try to write once more at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; end at once if the parent has already died.

    Otherwise the program would survive a `kill -9` of Snakemake, and write at the same time as that of the next run.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """Iterate over `items`, with a progress bar if standard error is a terminal."""
    return tqdm(items, desc=description, total=total, disable=None, leave=False)


def parallel(function: Callable[[S], T], items: Iterable[S], processes: int) -> Iterator[T]:
    """`map` with several processes, in order. It works only a few items ahead, so that results do not pile up."""
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
