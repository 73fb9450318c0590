"""Decode the audio of one shard into clips at one sample rate."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from howlow import program
from howlow.data import audio_files
from howlow.data import tracks as tracks_module
from howlow.features import arrays, audio, decoders
from howlow.provenance import records


def main(args: Namespace) -> None:
    spec = args.spec
    members = audio_files.by_shard(*tracks_module.read_paths(args.tracks))[args.shard]
    # The digest is taken before reading, so that a file that is replaced meanwhile is noticed.
    source = audio_files.digest(members, args.root)
    paths = [args.root / path for _, path in members]
    kept: list[str] = []
    excluded: list[tuple[str, str]] = []

    def clips() -> Iterator[np.ndarray]:
        load = partial(_load, root=args.root.resolve(), sample_rate=spec["sample_rate"], seconds=spec["seconds"])
        loaded = program.parallel(load, paths, args.threads)
        for (clip_id, _), clip in zip(members, program.progress(loaded, "decode", len(paths)), strict=True):
            if isinstance(clip, str):
                excluded.append((clip_id, clip))
                print(f"excluded: {clip_id}: {clip}", flush=True)
            else:
                kept.append(clip_id)
                yield clip

    length = audio.n_samples(spec["sample_rate"], spec["seconds"])
    arrays.write_rows(args.audio, clips(), (length,), "float32", durable=False)
    records.write(args.record, spec, Path(__file__), clip_ids=kept, excluded=excluded, source=source)
    print(f"{len(kept)} clips, {len(excluded)} excluded")


def _load(path: Path, root: Path, sample_rate: int, seconds: float) -> np.ndarray | str:
    """The clip, or the reason why it is excluded."""
    try:
        decoders.check_file(path)
        if not path.resolve().is_relative_to(root):
            return "a symbolic link leads out of the dataset's root"
        return audio.load_clip(path, sample_rate, seconds)
    except audio.AudioError as error:
        return error.reason


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--shard", required=True, help="name of the shard, such as 03")
    options.add_argument("--root", type=Path, required=True, help="folder that the paths of the tracks are relative to")
    options.add_argument("--audio", type=Path, required=True, help=".npy file to write")
    options.add_argument("--threads", type=int, default=1, help="number of processes that decode")
    program.run(main, options)
