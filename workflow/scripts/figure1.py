"""Draw Figure 1: ROC AUC, PR AUC and GMAC of every representation of one model on one dataset."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import program
from howlow.names import papers_grid
from howlow.results import plots
from howlow.results.plots.figure1 import figure1


def main(args: Namespace) -> list[Path]:
    summary = papers_grid(pd.read_csv(args.summary))
    plots.save(figure1(summary), *args.figures)
    print(f"{len(summary)} cells")
    return args.figures


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--summary", type=Path, required=True, help="summary.csv of that model and dataset")
    options.add_argument("--figures", type=Path, nargs="+", required=True, help="files to write: .pdf, .png, .svg")
    program.run(main, options)
