"""Put the results of one experiment into runs.csv (a row per cell and seed) and summary.csv (a row per cell)."""

from argparse import Namespace
from pathlib import Path

from howlow import files, program, provenance
from howlow.results import aggregation


def main(args: Namespace) -> list[Path]:
    code = {stage: provenance.code(Path(__file__).with_name(f"{stage}.py"), args.spec) for stage in aggregation.STAGES}
    aggregation.check(args.spec, args.results, code)
    runs = aggregation.runs(args.spec, args.results)
    summary = aggregation.summary(args.spec, args.results, runs)
    files.write_frame(args.runs, runs)
    files.write_frame(args.summary, summary)
    print(f"{len(runs)} runs of {len(summary)} cells")
    return [args.runs, args.summary, *aggregation.of_cells(args.spec, args.results)]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder with all results")
    options.add_argument("--runs", type=Path, required=True, help="CSV file to write")
    options.add_argument("--summary", type=Path, required=True, help="CSV file to write")
    program.run(main, options)
