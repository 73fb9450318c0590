"""Compute the ranges of quantized values of each band from the training clips, for each fold by itself."""

from argparse import Namespace
from pathlib import Path

import numpy as np

from howlow import files, program
from howlow.data import tracks as tracks_module
from howlow.features import levels
from howlow.features.store import content_digest, open_store
from howlow.provenance import records


def main(args: Namespace) -> None:
    tracks, store = tracks_module.read(args.tracks), open_store(args.manifest, 1, "db")
    of_folds = {}
    for fold in range(1, tracks.n_folds + 1) if tracks.n_folds else [None]:
        splits = dict(zip(tracks.clip_ids, tracks.of_fold(fold), strict=True))
        training = np.array([row for row, clip_id in enumerate(store.clip_ids) if splits[clip_id] == "train"], int)
        low, high = levels.of_bands(store, training)
        of_folds[str(fold or 0)] = {"low_db": low, "high_db": high}
        print(f"{'fold ' * bool(fold)}{fold or 'training'}: {len(training)} clips, {min(low)} to {max(high)} dB")
    inputs = {"manifest": content_digest(files.read_json(args.manifest)), "tracks": tracks.digest()}
    records.write(args.record, args.spec, Path(__file__), folds=of_folds, inputs=inputs)


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for the training clips")
    options.add_argument("--manifest", type=Path, required=True, help="manifest of the store")
    program.run(main, options)
