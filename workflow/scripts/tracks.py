"""Turn the metadata of a dataset into tracks.parquet."""

import json
from argparse import Namespace
from collections import Counter
from pathlib import Path

from howlow import files, program, provenance
from howlow.data import audio_files, datasets
from howlow.provenance import records


def main(args: Namespace) -> None:
    states = audio_files.states({name: Path(path) for name, path in args.metadata.items()})
    tracks, left_out = datasets.load(args.spec, args.paths)
    source = provenance.digest({name: state["sha256"] for name, state in states.items()})
    tracks.write(args.tracks, args.spec["dataset"], datasets.split_rule(args.spec), source)
    files.write_csv(args.left_out, ["clip_id", "stage", "reason"], [(clip, "tracks", why) for clip, why in left_out])
    if args.record:
        content = {"metadata": states, args.tracks.name: files.sha256(args.tracks)}
        records.write(args.record, args.spec, Path(__file__), [args.tracks, args.left_out], **content)
    print(f"{len(tracks.clip_ids)} clips {dict(Counter(tracks.splits))}, {len(tracks.tags)} tags")
    for clip_id, reason in left_out:
        print(f"left out: {clip_id}: {reason}")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument(
        "--paths",
        type=json.loads,
        required=True,
        help="JSON with the paths of the dataset, see howlow.config.specs.paths",
    )
    options.add_argument("--metadata", type=json.loads, default={}, help="JSON with the metadata files by name")
    options.add_argument("--tracks", type=Path, required=True, help="Parquet file to write")
    options.add_argument("--left-out", type=Path, required=True, help="CSV file to write: clips left out, and reasons")
    program.run(main, options)
