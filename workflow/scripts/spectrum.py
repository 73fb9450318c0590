"""Compute the power spectra of one shard of audio at x1, which serve all numbers of mel bands."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow.features import arrays, mel
from howlow.provenance import records


def main(args: Namespace) -> None:
    n_clips, n_samples = arrays.open_rows(args.audio).shape
    spectrum = partial(_spectrum, path=args.audio, window=args.spec["window"])
    rows = program.parallel(spectrum, range(n_clips), args.threads)
    shape = (mel.n_frames(n_samples), mel.FRAME_SIZE // 2 + 1)
    arrays.write_rows(args.spectra, program.progress(rows, "spectrum", n_clips), shape, "float32", durable=False)
    clips = files.read_json(args.clips)
    records.write(
        args.record,
        args.spec,
        Path(__file__),
        clip_ids=clips["clip_ids"],
        excluded=clips["excluded"],
        window=args.spec["window"],
        origin={"decode": {key: clips[key] for key in ("spec", "code", "source")}},
        versions=clips["versions"] | provenance.versions(),
    )
    print(f"{n_clips} spectra of {shape[0]} frames")


def _spectrum(index: int, path: Path, window: str) -> np.ndarray:
    return mel.power_spectrum(arrays.read_row(path, index), window)


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--audio", type=Path, required=True, help=".npy file of clips")
    options.add_argument("--clips", type=Path, required=True, help="JSON file with the record of the clips")
    options.add_argument("--spectra", type=Path, required=True, help=".npy file to write")
    options.add_argument("--threads", type=int, default=1, help="number of processes")
    program.run(main, options)
