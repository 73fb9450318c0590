"""Show which tags suffer from a lower resolution: ROC AUC by tag and representation, as a table and a heat map."""

from argparse import Namespace
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.evaluation.metrics import MACRO
from howlow.evaluation.scores import read_metrics
from howlow.features.representation import Cell, cells_of
from howlow.names import CELL, papers_grid
from howlow.results import plots
from howlow.results.plots import tags


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    parts = [_of_cell(args.folder / name, cell) for name, cell in cells_of(spec).items()]
    table = pd.concat(parts, ignore_index=True)
    files.write_frame(args.table, table)
    plots.save(tags.heatmap(table, spec["dataset"], spec["model"]), *args.figures)
    lost = tags.losses(papers_grid(table)).mean(axis=1)
    print("on average lose most: " + ", ".join(f"{tag} ({points:.1f} points)" for tag, points in lost.head(5).items()))
    return [args.table, *args.figures]


def _of_cell(folder: Path, cell: Cell) -> pd.DataFrame:
    """The metrics of every tag for which they are defined on the test clips, as means over the seeds."""
    metrics = read_metrics(folder / "metrics.csv")
    chosen = metrics[(metrics["split"] == "test") & (metrics["tag"] != MACRO)]
    means = chosen.groupby("tag", sort=False)[["roc_auc", "pr_auc", "n_positive"]].mean().dropna().reset_index()
    for position, (column, value) in enumerate(zip(CELL, astuple(cell), strict=True)):
        means.insert(position, column, value)
    return means


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--folder", type=Path, required=True, help="folder with the cells of one model and dataset")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write")
    options.add_argument("--figures", type=Path, nargs="+", required=True, help="files to write: .pdf, .png, .svg")
    program.run(main, options)
