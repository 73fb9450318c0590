"""Generate a demo dataset: music-like clips with tags, in MagnaTagATune's layout."""

from argparse import Namespace
from pathlib import Path

from howlow import program
from howlow.data import demo


def main(args: Namespace) -> list[Path]:
    demo.generate(args.root, workers=args.threads, **args.spec)
    print(f"{args.spec['n_clips']} clips in {args.root}")
    return []


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--root", type=Path, required=True, help="folder to write to")
    options.add_argument("--threads", type=int, default=1, help="number of processes that render clips")
    program.run(main, options)
