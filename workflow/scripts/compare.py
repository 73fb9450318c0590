"""Compare all pairs of representations that differ in one axis: difference, equivalence and effect size."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from howlow import comparison, files, program, tables
from howlow import tracks as tracks_module
from howlow.representation import Representation
from howlow.scores import read_scores
from howlow.words import CELL, MODELS


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    runs = pd.read_csv(args.runs)
    margin_points = spec["margin_points"]
    table = comparison.compare(runs, margin_points)
    if not table.empty:
        cells = [
            (row[0], row[1], Representation(*row[2:]).name)
            for row in runs[["dataset", "model", *CELL]].drop_duplicates().itertuples(index=False, name=None)
        ]
        resample = partial(_resampled, results=args.results, seed=spec["seed"])
        areas = program.parallel(resample, cells, args.threads)
        resampled = dict(zip(cells, program.progress(areas, "bootstrap", len(cells)), strict=True))
        table = comparison.add_bootstrap(table, resampled)
    files.write_frame(args.table, table)
    title, sections = "Do the representations differ?", comparison.answers(table, margin_points)
    for (dataset, model), part in runs.groupby(["dataset", "model"], sort=False):
        if told := tables.mixture(part):
            sections.append((f"How {MODELS[model]} was trained on {dataset}", [told]))
    text = tables.sections_to_markdown(title, sections)
    files.write_text(args.text, text)
    rounded = table.round(dict.fromkeys(table.select_dtypes("float"), 4)).to_html(index=False, border=0, na_rep="")
    body = f"{tables.sections_to_html(sections)}\n<h2>All comparisons</h2>\n{rounded}"
    files.write_text(args.page, tables.page(title, body))
    print(f"{len(table)} comparisons\n\n{text}")
    return [args.table, args.text, args.page]


def _resampled(cell: tuple[str, str, str], results: Path, seed: int) -> np.ndarray:
    """The ROC AUC of one cell and seed on resampled test clips."""
    dataset, model, name = cell
    tracks = tracks_module.read(results / dataset / "tracks.parquet")
    scores = read_scores(results / dataset / model / name / f"seed{seed}" / "scores.parquet", tracks)
    is_test = scores.splits == "test"
    return comparison.bootstrap(scores.labels[is_test], scores.activations[is_test])


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results, for the scores")
    options.add_argument("--runs", type=Path, required=True, help="runs.csv of all experiments")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write")
    options.add_argument("--text", type=Path, required=True, help="Markdown file to write: the answer in words")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: the answer and the table")
    options.add_argument("--threads", type=int, default=1, help="processes that resample")
    program.run(main, options)
