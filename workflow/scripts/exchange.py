"""Write what each axis costs in accuracy for what it saves: a table, a figure, and sentences."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.evaluation import resampling
from howlow.results import effects, exchange, plots, tables
from howlow.results.plots import exchange as exchange_plot


def main(args: Namespace) -> list[Path]:
    spec, runs, costs = args.spec, pd.read_csv(args.runs), pd.read_csv(args.tradeoff)
    pairs = [(experiment["dataset"], experiment["model"]) for experiment in spec["experiments"]]
    resampled = {pair: resampling.read(args.results.joinpath(*pair, "bootstrap.npz")) for pair in pairs}
    table = exchange.exchange(runs, costs, effects.margins(spec), resampled, spec.get("folds"))
    files.write_frame(args.table, table)
    text = tables.sections_to_markdown("What saving costs", exchange.sentences(table))
    files.write_text(args.text, text)
    plots.save(exchange_plot.exchange(exchange.with_most_axes(table)), *args.figures)
    print(text)
    return [args.table, args.text, *args.figures]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results")
    options.add_argument("--runs", type=Path, required=True, help="runs.csv of all experiments")
    options.add_argument("--tradeoff", type=Path, required=True, help="tradeoff.csv, for the costs")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write")
    options.add_argument("--text", type=Path, required=True, help="Markdown file to write: the sentences")
    options.add_argument("--figures", type=Path, nargs="+", required=True, help="files to write: .pdf, .png, .svg")
    program.run(main, options)
