"""Write the trade-off between accuracy and cost: a table, a figure of one experiment, and recommendations."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.evaluation import resampling
from howlow.results import effects, plots, recommendation, tables
from howlow.results import tradeoff as tradeoff_module
from howlow.results.plots import tradeoff as tradeoff_plot


def main(args: Namespace) -> list[Path]:
    margins = effects.margins(args.spec)
    parts, sections = [], []
    for experiment in args.spec["experiments"]:
        folder = args.results / experiment["dataset"] / experiment["model"]
        summary, runs = pd.read_csv(folder / "summary.csv"), pd.read_csv(folder / "runs.csv")
        resampled = resampling.read(folder / "bootstrap.npz")
        part = tradeoff_module.tradeoff(summary, pd.read_csv(folder / "times.csv"), runs, margins, resampled)
        parts.append(part)
        heading, sentences = recommendation.recommendations(part, margins["roc_auc"])
        sections.append((heading, [*sentences, *filter(None, [tables.mixture(runs)])]))
    files.write_frame(args.table, pd.concat(parts, ignore_index=True))
    title = "Which representation to take"
    text = tables.sections_to_markdown(title, sections)
    files.write_text(args.text, text)
    files.write_text(args.page, tables.page(title, tables.sections_to_html(sections)))
    shown = args.spec["experiments"].index(args.spec["shown"])
    plots.save(tradeoff_plot.tradeoff(parts[shown]), *args.figures)
    print(text)
    return [args.table, args.text, args.page, *args.figures]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write")
    options.add_argument("--text", type=Path, required=True, help="Markdown file to write: the recommendations")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: the recommendations")
    options.add_argument("--figures", type=Path, nargs="+", required=True, help="files to write: .pdf, .png, .svg")
    program.run(main, options)
