"""Write the best cell within each budget of computation and of storage."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program
from howlow.results import frontier


def main(args: Namespace) -> list[Path]:
    table = pd.read_csv(args.tradeoff)
    found = [frontier.frontier(part) for _, part in table.groupby(["dataset", "model"], sort=False)]
    files.write_frame(args.table, pd.concat(found, ignore_index=True))
    sections = map(frontier.to_markdown, found)
    text = "# The best cell within a budget\n\n" + "\n".join(f"## {title}\n\n{body}" for title, body in sections)
    files.write_text(args.text, text)
    print(text)
    return [args.table, args.text]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tradeoff", type=Path, required=True, help="tradeoff.csv")
    options.add_argument("--table", type=Path, required=True, help="CSV file to write")
    options.add_argument("--text", type=Path, required=True, help="Markdown file to write")
    program.run(main, options)
