"""Write tables of the results, as in the paper, and beside its figures if the experiment is the paper's.

The format follows from the ending of each file: .csv, .md (Markdown), .tex (LaTeX with booktabs) or .html.
"""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.config import paper
from howlow.data.tracks import read_size
from howlow.results import published, tables


def main(args: Namespace) -> list[Path]:
    kinds, notes = {}, {}
    for experiment in args.spec["experiments"]:
        if experiment["kind"] not in paper.DATASETS:
            continue
        pair = experiment["dataset"], experiment["model"]
        size = read_size(args.results / experiment["dataset"] / "tracks.parquet")
        if unlike := experiment["unlike"] + published.unlike(experiment["kind"], *size):
            notes[pair] = [f"Not beside the published figures: {'; '.join(unlike)}."]
        else:
            kinds[pair] = experiment["kind"]
            remarks = experiment["remarks"]
            notes[pair] = [f"The published figures are of runs with {', '.join(remarks)}."] if remarks else []
    summary = pd.concat([pd.read_csv(part) for part in args.summaries], ignore_index=True)
    table = published.beside(tables.percent(summary), kinds)
    for pair, part in table.groupby(["dataset", "model"]):
        if pair in kinds:
            notes[pair] += published.in_words(part)
    title = args.spec["title"]
    writers = {
        ".csv": lambda path: files.write_frame(path, table),
        ".md": lambda path: files.write_text(path, f"# {title}\n\n{tables.to_markdown(table, notes)}"),
        ".tex": lambda path: files.write_text(path, tables.to_latex(table, path.stem, notes)),
        ".html": lambda path: files.write_text(path, tables.page(title, tables.to_html(table, notes))),
    }
    for path in args.tables:
        writers[path.suffix](path)
    print(f"{len(table)} cells; beside the published figures: {', '.join(map(' '.join, kinds)) or 'none'}")
    return args.tables


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results, for tracks.parquet")
    options.add_argument("--summaries", type=Path, nargs="+", required=True, help="summary.csv of each experiment")
    options.add_argument("--tables", type=Path, nargs="+", required=True, help="files to write")
    program.run(main, options)
