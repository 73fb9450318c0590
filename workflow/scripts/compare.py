"""Compare representations: the average effect of each step along an axis, and all pairs that differ in one axis."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.evaluation import resampling
from howlow.networks.registry import NETWORKS
from howlow.results import answers, effects, statistics, tables


def main(args: Namespace) -> list[Path]:
    runs, margins = pd.read_csv(args.runs), effects.margins(args.spec)
    experiments = [(experiment["dataset"], experiment["model"]) for experiment in args.spec["experiments"]]
    resampled = {pair: resampling.read(args.results.joinpath(*pair, "bootstrap.npz")) for pair in experiments}
    folds = args.spec.get("folds", {})
    on_average = effects.average_effects(runs, margins, resampled, folds)
    pairs = statistics.compare(runs, margins, resampled, folds)
    files.write_frame(args.effects, on_average)
    files.write_frame(args.table, pairs)
    title, sections = "Do the representations differ?", answers.answers(on_average, pairs, folds)
    for (dataset, model), part in runs.groupby(["dataset", "model"], sort=False):
        if told := tables.mixture(part):
            sections.append((f"How {NETWORKS[model]} was trained on {dataset}", [told]))
    text = tables.sections_to_markdown(title, sections)
    files.write_text(args.text, text)
    parts = [tables.sections_to_html(sections)]
    for heading, table in (("Average effects", on_average), ("All pairs", pairs)):
        rounded = table.round(dict.fromkeys(table.select_dtypes("float"), 4))
        parts += [f"<h2>{heading}</h2>", rounded.to_html(index=False, border=0, na_rep="")]
    files.write_text(args.page, tables.page(title, "\n".join(parts)))
    print(f"{len(on_average)} average effects, {len(pairs)} comparisons of pairs\n\n{text}")
    return [args.effects, args.table, args.text, args.page]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results")
    options.add_argument("--runs", type=Path, required=True, help="runs.csv of all experiments")
    options.add_argument("--effects", type=Path, required=True, help="CSV file to write: the average effects")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write: all pairs")
    options.add_argument("--text", type=Path, required=True, help="Markdown file to write: the answer in words")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: the answer and the tables")
    program.run(main, options)
