"""The manifest of one store: all shards of one sample rate and number of bands."""

from argparse import Namespace
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow import store as store_module
from howlow import tracks as tracks_module


def main(args: Namespace) -> None:
    spec = args.spec
    tracks = tracks_module.read(args.tracks)
    folder = args.manifest.parent
    shards, shapes, origins = [], [], []
    excluded: list[tuple[str, str]] = []
    for name in spec["shards"]:
        record = files.read_json(folder / f"{name}.json")
        listed = [clip for clip, shard in zip(tracks.clip_ids, tracks.shards, strict=True) if shard == name]
        _check_listed(args, name, listed, record)
        excluded += record["excluded"]
        array = np.load(folder / f"{name}.npy", mmap_mode="r")
        if len(array) != len(record["clip_ids"]):
            raise store_module.StoreError(f"{folder / name}.npy: has {len(array)} clips, not those of its audio")
        shards.append({"file": f"{name}.npy", "clip_ids": record["clip_ids"], "sha256": record["sha256"]})
        shapes.append(array.shape[1:])
        origins.append(record["origin"])
    _check_excluded(excluded, len(tracks.clip_ids), spec["max_excluded"], folder)
    if any(origin != origins[0] for origin in origins):
        raise store_module.StoreError(f"{folder}: its shards come from different specifications or code")
    manifest = {
        "n_mels": shapes[0][0],
        "n_frames": shapes[0][1],
        "dtype": str(array.dtype),
        "window": record["window"],  # of all shards: it decides their origin
        "shards": shards,
        "n_excluded": len(excluded),
        "origin": origins[0],
        "versions": provenance.versions("numpy", "scipy", "essentia", "soundfile", "soxr"),
        "commit": provenance.commit(),
    }
    files.write_json(args.manifest, manifest)
    print(f"{sum(len(shard['clip_ids']) for shard in shards)} clips in {len(shards)} shards")


def _check_listed(args: Namespace, name: str, listed: list[str], record: dict[str, list]) -> None:
    seen = sorted(record["clip_ids"] + [clip_id for clip_id, _ in record["excluded"]])
    if seen != sorted(listed):
        raise store_module.StoreError(
            f"{args.tracks}: lists other clips in shard {name} than were decoded; start Snakemake once more, and it"
            " decodes them"
        )


def _check_excluded(excluded: list[tuple[str, str]], n_clips: int, limit: float, folder: Path) -> None:
    print(f"{len(excluded)} of {n_clips} clips excluded")
    if len(excluded) > limit * n_clips:
        some = "; ".join(f"{clip_id}: {reason}" for clip_id, reason in excluded[:3])
        raise store_module.StoreError(
            f"{folder}: {len(excluded)} of {n_clips} clips are unusable, more than max_excluded {limit:g} allows:"
            f" {some}{'; ...' if len(excluded) > 3 else ''}. Mend them, or raise max_excluded of this dataset"
        )


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--manifest", type=Path, required=True, help="JSON file to write, beside the shards")
    program.run(main, options)
