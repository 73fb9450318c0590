"""What the programs in workflow/scripts share: their options, messages and errors."""

import argparse
import ctypes
import inspect
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from howlow import records
from howlow.errors import HowlowError

_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>

S = TypeVar("S")
T = TypeVar("T")


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


def run(main: Callable[[argparse.Namespace], Iterable[Path] | None], options: argparse.ArgumentParser) -> None:
    """Run a program, and record what made the files that it returns; a program that returns None has no such record.

    An error that the user can mend becomes one line and exit status 1.
    """
    args = options.parse_args()
    if parent := getattr(args, "parent", None):  # the user's own commands have none
        _end_with(parent)
    try:
        outputs = main(args)
        if outputs is not None and args.record:
            records.write(args.record, args.spec, Path(inspect.getfile(main)), outputs)
    except HowlowError as error:
        name = Path(sys.argv[0]).stem
        sys.exit(f"howlow {name}: {error}")


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
    with ProcessPoolExecutor(processes, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        ahead: deque[Future[T]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 4 * processes:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
