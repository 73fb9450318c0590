"""Figure 1: ROC AUC, PR AUC and GMAC of every representation of one model on one dataset."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import plots, program


def main(args: Namespace) -> None:
    summary = pd.read_csv(args.summary)
    shown = (summary["dataset"] == args.spec["dataset"]) & (summary["model"] == args.spec["model"])
    plots.save(plots.figure1(summary[shown]), args.pdf, args.png)
    print(f"{shown.sum()} cells of {args.spec['model']} on {args.spec['dataset']}")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--summary", type=Path, required=True, help="summary.csv")
    options.add_argument("--pdf", type=Path, required=True, help="PDF file to write")
    options.add_argument("--png", type=Path, required=True, help="PNG file to write")
    program.run(main, options)
