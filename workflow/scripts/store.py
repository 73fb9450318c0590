"""Write the manifest of one store, which has all shards of one sample rate and number of bands."""

from argparse import Namespace
from pathlib import Path

from howlow import files, program
from howlow.data import audio_files
from howlow.data import tracks as tracks_module
from howlow.features import store as store_module
from howlow.provenance import records


def main(args: Namespace) -> None:
    spec, folder = args.spec, args.record.parent
    members = audio_files.by_shard(*tracks_module.read_paths(args.tracks))
    shards, shapes, origins = [], [], []
    excluded: list[tuple[str, str]] = []
    for name in spec["shards"]:
        record, path = files.read_json(folder / f"{name}.json"), folder / f"{name}.npy"
        _check_listed(args.tracks, name, [clip_id for clip_id, _ in members[name]], record)
        excluded += record["excluded"]
        array = store_module.open_shard(path, (len(record["clip_ids"]),))
        shards.append({"file": path.name, "clip_ids": record["clip_ids"], "sha256": record["sha256"]})
        shapes.append(array.shape[1:])
        made_by = record["origin"] | {"mel": {key: record[key] for key in ("spec", "code")}}
        del made_by["decode"]["source"]  # it differs from shard to shard
        origins.append(made_by)
    _check_excluded(excluded, sum(map(len, members.values())), spec["max_excluded"], folder)
    if any(origin != origins[0] for origin in origins):
        raise store_module.StoreError(
            f"{folder}: its shards come from different specifications or code; start the workflow again to remake them"
        )
    records.write(
        args.record,
        spec,
        Path(__file__),
        [folder / shard["file"] for shard in shards],
        n_mels=shapes[0][0],
        n_frames=shapes[0][1],
        dtype=str(array.dtype),
        window=record["window"],  # the same in all shards, because their origin is
        shards=shards,
        n_excluded=len(excluded),
        origin=origins[0],
        versions=record["versions"],
    )
    print(f"{sum(len(shard['clip_ids']) for shard in shards)} clips in {len(shards)} shards")


def _check_listed(tracks: Path, name: str, listed: list[str], record: dict[str, list]) -> None:
    seen = sorted(record["clip_ids"] + [clip_id for clip_id, _ in record["excluded"]])
    if seen != sorted(listed):
        raise store_module.StoreError(
            f"{tracks}: the clips of shard {name} are not those that were decoded, so this file was changed during the"
            " run; start the workflow again, and it decodes them"
        )


def _check_excluded(excluded: list[tuple[str, str]], n_clips: int, limit: float, folder: Path) -> None:
    print(f"{len(excluded)} of {n_clips} clips excluded")
    if len(excluded) > limit * n_clips:
        some = "; ".join(f"{clip_id}: {reason}" for clip_id, reason in excluded[:3])
        raise store_module.StoreError(
            f"{folder}: {len(excluded)} of {n_clips} clips are unusable, more than max_excluded {limit:g} allows:"
            f" {some}{'; ...' if len(excluded) > 3 else ''}. Repair them, or raise max_excluded of this dataset"
        )


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    program.run(main, options)
