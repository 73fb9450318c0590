"""Read a dataset's own metadata into tracks.parquet."""

from argparse import Namespace
from collections import Counter
from pathlib import Path

from howlow import files, program, provenance, specs
from howlow.datasets import load


def main(args: Namespace) -> None:
    tracks, left_out = load(args.spec)
    source = provenance.digest({path.name: files.sha256(path) for path in specs.metadata_files(args.spec)})
    tracks.write(args.tracks, args.spec["dataset"], specs.split_rule(args.spec), source)
    files.write_csv(args.left_out, ["clip_id", "stage", "reason"], [(clip, "tracks", why) for clip, why in left_out])
    print(f"{len(tracks.clip_ids)} clips {dict(Counter(tracks.splits))}, {len(tracks.tags)} tags")
    for clip_id, reason in left_out:
        print(f"left out: {clip_id}: {reason}")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="Parquet file to write")
    options.add_argument("--left-out", type=Path, required=True, help="CSV file to write: what was left out, and why")
    program.run(main, options)
