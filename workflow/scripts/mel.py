"""Mel-spectrograms of one shard of power spectra, in dB."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow import mel as mel_module


def main(args: Namespace) -> None:
    spec = args.spec
    n_clips, n_frames, _ = files.open_rows(args.spectra).shape
    bands = partial(_bands, path=args.spectra, sample_rate=spec["sample_rate"], n_mels=spec["n_mels"])
    rows = program.parallel(bands, range(n_clips), args.threads)
    shape = (spec["n_mels"], n_frames)
    files.write_rows(args.mel, program.progress(rows, "mel", n_clips), shape, spec["dtype"])
    made_by = [provenance.digest(spec), args.code]
    record = files.read_json(args.spectra_record)
    record["origin"]["mel"] = made_by
    files.write_json(
        args.record, record | {"made_by": made_by, "source": args.source, "sha256": files.sha256(args.mel)}
    )
    print(f"{n_clips} spectrograms of {shape[0]} bands and {shape[1]} frames")


def _bands(index: int, path: Path, sample_rate: int, n_mels: int) -> np.ndarray:
    power = mel_module.mel_bands(files.read_row(path, index), sample_rate, n_mels)
    return mel_module.compress(power, "db")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--spectra", type=Path, required=True, help=".npy file of power spectra")
    options.add_argument("--spectra-record", type=Path, required=True, help="JSON file that came with them")
    options.add_argument("--source", required=True, help="digest of what decides the spectra")
    options.add_argument("--mel", type=Path, required=True, help=".npy file to write")
    options.add_argument("--record", type=Path, required=True, help="JSON file to write: its clips and origin")
    options.add_argument("--threads", type=int, default=1, help="processes")
    program.run(main, options)
