"""Decode the audio of one shard to clips of one sample rate."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from howlow import audio, files, program, provenance
from howlow import tracks as tracks_module


def main(args: Namespace) -> None:
    spec = args.spec
    tracks = tracks_module.read(args.tracks)
    members = [index for index, shard in enumerate(tracks.shards) if shard == args.shard]
    clip_ids = [tracks.clip_ids[index] for index in members]
    paths = [Path(spec["source"]["root"], tracks.paths[index]) for index in members]
    kept: list[str] = []
    excluded: list[tuple[str, str]] = []

    def clips() -> Iterator[np.ndarray]:
        root = Path(spec["source"]["root"]).resolve()
        load = partial(_load, root=root, sample_rate=spec["sample_rate"], seconds=spec["seconds"])
        loaded = program.parallel(load, paths, args.threads)
        for clip_id, clip in zip(clip_ids, program.progress(loaded, "decode", len(paths)), strict=True):
            if isinstance(clip, str):
                excluded.append((clip_id, clip))
                print(f"excluded: {clip_id}: {clip}", flush=True)
            else:
                kept.append(clip_id)
                yield clip

    length = audio.n_samples(spec["sample_rate"], spec["seconds"])
    files.write_rows(args.audio, clips(), (length,), "float32", durable=False)
    record = {"clip_ids": kept, "excluded": excluded, "spec": provenance.digest(spec), "code": args.code}
    record["source"] = args.source
    files.write_json(args.clips, record)
    print(f"{len(kept)} clips, {len(excluded)} excluded")


def _load(path: Path, root: Path, sample_rate: int, seconds: float) -> np.ndarray | str:
    """The clip, or the reason why there is none."""
    try:
        audio.check_file(path)
        if not path.resolve().is_relative_to(root):
            return "a symbolic link leads out of the dataset's root"
        return audio.load_clip(path, sample_rate, seconds)
    except audio.AudioError as error:
        return error.reason


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--shard", required=True, help="name of the shard, such as 03")
    options.add_argument("--source", required=True, help="digest of sizes and dates of the shard's audio files")
    options.add_argument("--audio", type=Path, required=True, help=".npy file to write")
    options.add_argument("--clips", type=Path, required=True, help="JSON file to write: which clips, which not and why")
    options.add_argument("--threads", type=int, default=1, help="processes that decode")
    program.run(main, options)
