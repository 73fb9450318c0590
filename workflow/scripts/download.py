"""Download MagnaTagATune: its two tables and its audio."""

from argparse import Namespace
from pathlib import Path

from howlow import program
from howlow.data import download


def main(args: Namespace) -> list[Path]:
    download.download(args.spec["url"], args.root)
    return []


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--root", type=Path, required=True, help="folder to write to")
    program.run(main, options)
