"""A training that takes a fraction of a second, which tests change and run."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from conftest import run_script

from howlow import files
from howlow.data.tracks import Tracks
from howlow.features import arrays

N_MELS, N_FRAMES = 8, 137
SPEC = {
    "model": "vgg",
    "sample_rate": 12_000,
    "n_mels": N_MELS,
    "hop_factor": 10,
    "log_type": "db",
    "bits": 16,
    "seconds": 29.1,
    "width": 1 / 64,
    "options": {"batch_norm_momentum": 0.1},
    "seed": 1,
    "training": {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 0.003,
        "decay_epochs": None,
        "keep": "last",
        "patience": None,
        "threads": 1,
    },
}
MUSICNN = {"model": "musicnn", "options": {"filters": 1, "segment_frames": 20}}
SPLITS = {"train": 40, "validation": 8, "test": 16}
N_EXCLUDED = 9
OUTPUTS = ["model.pt", "history.csv", "scores.parquet", "run.json"]


def make_data(folder: Path, sizes: dict[str, int] = SPLITS) -> Tracks:
    """Write a store of x1 spectrograms and its tracks. A clip has the tag `loud` or the tag `quiet`.

    The tracks list the clips in another order than the store and with the splits mixed. Nine of them, three of each
    split, are not in the store; the others of each split are as many as `sizes` says.
    """
    rng = np.random.default_rng(0)
    n_clips = sum(sizes.values()) + N_EXCLUDED
    clip_ids = [f"clip {number}" for number in rng.permutation(n_clips)]
    splits = rng.permutation(np.repeat([*SPLITS], [sizes[split] + N_EXCLUDED // 3 for split in SPLITS]))
    is_loud = np.zeros(n_clips, bool)
    for split in SPLITS:  # half of each split
        rows = np.flatnonzero(splits == split)
        is_loud[rows] = rng.permutation(len(rows)) % 2
    labels = np.stack([is_loud, ~is_loud], 1)
    tracks = Tracks(clip_ids, clip_ids, splits.tolist(), ["00"] * n_clips, clip_ids, ("loud", "quiet"), labels)
    tracks.write(folder / "tracks.parquet", "made-up")

    excluded = {row for split in SPLITS for row in np.flatnonzero(splits == split)[: N_EXCLUDED // 3]}
    stored = [row for row in rng.permutation(n_clips) if row not in excluded]
    shards = []
    for name, rows in (("00.npy", stored[:30]), ("01.npy", stored[30:])):
        clips = rng.normal(-40, 10, (len(rows), N_MELS, 1366)) + 15 * is_loud[rows, None, None]
        arrays.write_rows(folder / name, clips, clips.shape[1:], "float16")
        shard_ids = [clip_ids[row] for row in rows]
        shards.append({"file": name, "clip_ids": shard_ids, "sha256": files.sha256(folder / name)})
    manifest = {"n_mels": N_MELS, "n_frames": 1366, "dtype": "float16", "window": "periodic", "shards": shards}
    files.write_json(folder / "manifest.json", manifest)
    return tracks


def spectrograms(folder: Path, hop_factor: int = 10, seconds: float = 29.1) -> dict[str, np.ndarray]:
    """The spectrogram of the centre of each clip of the store in dB, by clip id."""
    n_frames = math.ceil(round(12_000 * seconds) / 256) + 1
    first = (1366 - n_frames) // 2
    shards = files.read_json(folder / "manifest.json")["shards"]
    return {
        clip_id: clip[:, first : first + n_frames : hop_factor].astype(np.float32)
        for shard in shards
        for clip_id, clip in zip(shard["clip_ids"], np.load(folder / shard["file"]), strict=True)
    }


def changed(**training_keys: object) -> dict:
    """A copy of `SPEC` with other values of some keys of its training."""
    return SPEC | {"training": SPEC["training"] | training_keys}


def train(folder: Path, data: Path, spec: dict = SPEC, device: str = "cpu") -> SimpleNamespace:
    """Run the program `train` on the files that `make_data` wrote to the folder `data`."""
    inputs = ["--tracks", data / "tracks.parquet", "--manifest", data / "manifest.json"]
    return run_script("train", *inputs, "--folder", folder, "--device", device, spec=spec)


def run(folder, data_folder, spec=SPEC):
    process = train(folder, data_folder, spec)
    assert process.returncode == 0, process.stderr
    return process.stdout


def scores(folder):
    """The bytes of the scores of a training."""
    return (folder / "scores.parquet").read_bytes()
