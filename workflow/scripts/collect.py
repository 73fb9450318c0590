"""Join the tables of all experiments."""

from argparse import Namespace
from pathlib import Path

import pandas as pd

from howlow import files, program


def main(args: Namespace) -> list[Path]:
    for parts, whole in ((args.of_runs, args.runs), (args.of_summary, args.summary)):
        table = pd.concat([pd.read_csv(part) for part in parts], ignore_index=True)
        files.write_frame(whole, table)
        print(f"{len(table)} rows in {whole}")
    return [args.runs, args.summary]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--of-runs", type=Path, nargs="+", required=True, help="runs.csv of each experiment")
    options.add_argument("--of-summary", type=Path, nargs="+", required=True, help="summary.csv of each experiment")
    options.add_argument("--runs", type=Path, required=True, help="CSV file to write")
    options.add_argument("--summary", type=Path, required=True, help="CSV file to write")
    program.run(main, options)
