"""Mel-spectrograms of one shard of audio, in dB at the reference hop."""

from argparse import Namespace
from functools import cache, partial
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow import mel as mel_module


def main(args: Namespace) -> None:
    spec = args.spec
    n_clips, n_samples = _clips(args.audio).shape
    options = {key: spec[key] for key in ("sample_rate", "n_mels", "window")}
    rows = program.parallel(partial(_spectrogram, path=args.audio, options=options), range(n_clips), args.threads)
    shape = (spec["n_mels"], mel_module.n_frames(n_samples))
    files.write_rows(args.mel, program.progress(rows, "mel", n_clips), shape, spec["dtype"])
    record = {"spec": provenance.digest(spec), "code": args.code, "sha256": files.sha256(args.mel)}
    files.write_json(args.record, record)
    print(f"{n_clips} spectrograms of {shape[0]} bands and {shape[1]} frames")


@cache
def _clips(path: Path) -> np.memmap:
    return np.load(path, mmap_mode="r")


def _spectrogram(index: int, path: Path, options: dict) -> np.ndarray:
    clips = _clips(path)
    # Read and not mapped: the pages of a map would count as this job's memory.
    clip = np.fromfile(path, clips.dtype, clips.shape[1], offset=clips.offset + index * clips.strides[0])
    return mel_module.compress(mel_module.mel_power(clip, **options), "db")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--audio", type=Path, required=True, help=".npy file of clips")
    options.add_argument("--mel", type=Path, required=True, help=".npy file to write")
    options.add_argument("--record", type=Path, required=True, help="JSON file to write: the .npy file's origin")
    options.add_argument("--threads", type=int, default=1, help="processes")
    program.run(main, options)
