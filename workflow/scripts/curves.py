"""Draw the training curves of all cells and seeds of one experiment."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import program
from howlow.features.representation import cells_of
from howlow.results import plots
from howlow.results.plots.curves import curves


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    parts = [
        pd.read_csv(args.folder / name / f"seed{seed}" / "history.csv").assign(cell=name, seed=seed, n_mels=cell.n_mels)
        for name, cell in cells_of(spec).items()
        for seed in spec["seeds"]
    ]
    plots.save(curves(pd.concat(parts, ignore_index=True), spec["dataset"], spec["model"]), *args.figures)
    print(f"{len(parts)} trainings")
    return args.figures


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--folder", type=Path, required=True, help="folder with the cells of one model and dataset")
    options.add_argument("--figures", type=Path, nargs="+", required=True, help="files to write: .pdf, .png, .svg")
    program.run(main, options)
