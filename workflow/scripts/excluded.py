"""List all excluded clips of a dataset, with stage and reason."""

from argparse import Namespace
from pathlib import Path

from howlow import files, program
from howlow.errors import HowlowError
from howlow.results import tables


def main(args: Namespace) -> list[Path]:
    rows = [tuple(row.values()) for row in files.read_csv(args.left_out)]
    for name in args.spec["shards"]:
        per_rate = {
            rate: files.read_json(args.clips / str(rate) / f"{name}.json")["excluded"]
            for rate in args.spec["sample_rates"]
        }
        first, *others = per_rate.values()
        if any(other != first for other in others):
            raise HowlowError(f"{args.clips}: shard {name} excludes other clips at one sample rate than at another")
        rows += [(clip_id, "decode", reason) for clip_id, reason in first]
    header = ["clip_id", "stage", "reason"]
    files.write_csv(args.excluded, header, rows)
    body = tables.rows_to_html(header, rows) if rows else "<p>No clip was excluded.</p>"
    files.write_text(args.page, tables.page("Excluded clips", body))
    print(f"{len(rows)} clips excluded")
    return [args.excluded, args.page]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--left-out", type=Path, required=True, help="CSV file of the clips that the metadata exclude")
    options.add_argument("--clips", type=Path, required=True, help="folder of the records of decoding, by sample rate")
    options.add_argument("--excluded", type=Path, required=True, help="CSV file to write")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write: the same list")
    program.run(main, options)
