"""Mel-spectrograms of one shard of audio, in dB at the reference hop."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow import mel as mel_module


def main(args: Namespace) -> None:
    spec = args.spec
    sample_rate, n_mels = spec["sample_rate"], spec["n_mels"]
    clips = np.load(args.audio, mmap_mode="r")

    def spectrograms() -> Iterator[np.ndarray]:
        for clip in program.progress(clips, "mel"):
            yield mel_module.compress(mel_module.mel_power(clip, sample_rate, n_mels), "db")

    shape = (n_mels, mel_module.n_frames(clips.shape[1]))
    n_clips = files.write_rows(args.mel, spectrograms(), shape, spec["dtype"])
    record = {"spec": provenance.digest(spec), "code": args.code, "sha256": files.sha256(args.mel)}
    files.write_json(args.record, record)
    print(f"{n_clips} spectrograms of {shape[0]} bands and {shape[1]} frames")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--audio", type=Path, required=True, help=".npy file of clips")
    options.add_argument("--mel", type=Path, required=True, help=".npy file to write")
    options.add_argument("--record", type=Path, required=True, help="JSON file to write: the .npy file's origin")
    program.run(main, options)
