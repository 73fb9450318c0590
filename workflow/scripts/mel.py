"""Compute the mel-spectrograms of one shard of power spectra, in dB."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from howlow import files, program, provenance
from howlow.features import arrays
from howlow.features import mel as mel_module
from howlow.provenance import records


def main(args: Namespace) -> None:
    spec = args.spec
    n_clips, n_frames, _ = arrays.open_rows(args.spectra).shape
    bands = partial(_bands, path=args.spectra, sample_rate=spec["sample_rate"], n_mels=spec["n_mels"])
    rows = program.parallel(bands, range(n_clips), args.threads)
    shape = (spec["n_mels"], n_frames)
    arrays.write_rows(args.mel, program.progress(rows, "mel", n_clips), shape, spec["dtype"])
    spectra = files.read_json(args.spectra_record)
    records.write(
        args.record,
        spec,
        Path(__file__),
        [args.mel],
        clip_ids=spectra["clip_ids"],
        excluded=spectra["excluded"],
        window=spectra["window"],
        origin=spectra["origin"] | {"spectrum": {key: spectra[key] for key in ("spec", "code")}},
        versions=spectra["versions"] | provenance.versions(),
        sha256=files.sha256(args.mel),
    )
    print(f"{n_clips} spectrograms of {shape[0]} bands and {shape[1]} frames")


def _bands(index: int, path: Path, sample_rate: int, n_mels: int) -> np.ndarray:
    power = mel_module.mel_bands(arrays.read_row(path, index), sample_rate, n_mels)
    return mel_module.compress(power, "db")


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--spectra", type=Path, required=True, help=".npy file of power spectra")
    options.add_argument("--spectra-record", type=Path, required=True, help="JSON file with the record of the spectra")
    options.add_argument("--mel", type=Path, required=True, help=".npy file to write")
    options.add_argument("--threads", type=int, default=1, help="number of processes")
    program.run(main, options)
