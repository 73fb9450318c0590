"""What the programs in workflow/scripts share: their options, messages and errors."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from howlow.errors import HowlowError

T = TypeVar("T")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the two options that every program has: what it is to do, and the digest of its code."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--spec", type=json.loads, required=True, help="what the stage reads of the config, JSON")
    options.add_argument("--code", required=True, help="digest of the code that this runs")
    return options


def run(main: Callable[[argparse.Namespace], None], options: argparse.ArgumentParser) -> None:
    """Run a program; an error that is the user's to mend becomes one line and exit status 1."""
    try:
        main(options.parse_args())
    except HowlowError as error:
        name = Path(sys.argv[0]).stem
        sys.exit(f"howlow {name}: {error}")


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """Go through `items` with a bar on a terminal; a log file gets nothing of it."""
    return tqdm(items, desc=description, total=total, disable=None, leave=False)
