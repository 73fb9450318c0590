"""A training that takes a fraction of a second, which tests change and run."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from conftest import run_script

from howlow import files
from howlow.tracks import Tracks

N_MELS, N_FRAMES = 8, 137
SPEC = {
    "model": "vgg",
    "sample_rate": 12_000,
    "n_mels": N_MELS,
    "hop_factor": 10,
    "log_type": "db",
    "options": {"width": 1 / 64, "batch_norm_momentum": 0.1},
    "seconds": 29.1,
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
MUSICNN = {"model": "musicnn", "options": {"width": 1 / 64, "filters": 1, "segment_frames": 20}}
SPLITS = (40, 8, 16)
OUTPUTS = ["model.pt", "history.csv", "scores.parquet", "run.json"]


def make_data(folder: Path, n_of_splits: tuple[int, int, int] = SPLITS) -> Tracks:
    """Write a store of x1 spectrograms and its tracks. The tag `loud` depends on the level; `odd` is random."""
    rng = np.random.default_rng(0)
    n_clips = sum(n_of_splits)
    labels = rng.random((n_clips, 2)) < 0.5
    clips = rng.normal(-40, 10, (n_clips, N_MELS, 1366)) + 15 * labels[:, :1, None]
    files.write_rows(folder / "00.npy", clips, clips.shape[1:], "float16")
    clip_ids = [str(i) for i in range(n_clips)]
    shard = {"file": "00.npy", "clip_ids": clip_ids, "sha256": files.sha256(folder / "00.npy")}
    manifest = {"n_mels": N_MELS, "n_frames": 1366, "dtype": "float16", "window": "periodic", "shards": [shard]}
    files.write_json(folder / "manifest.json", manifest)
    splits = np.repeat(["train", "validation", "test"], n_of_splits).tolist()
    tracks = Tracks(clip_ids, clip_ids, splits, ["00"] * n_clips, clip_ids, ("loud", "odd"), labels)
    tracks.write(folder / "tracks.parquet", "made-up")
    return tracks


def changed(**training_keys: object) -> dict:
    """A copy of `SPEC` with other values of some keys of its training."""
    return SPEC | {"training": SPEC["training"] | training_keys}


def train(folder: Path, data: Path, spec: dict = SPEC, device: str = "cpu") -> SimpleNamespace:
    """Run the program `train` on the files that `make_data` wrote to the folder `data`."""
    inputs = ["--tracks", data / "tracks.parquet", "--manifest", data / "manifest.json"]
    return run_script("train", *inputs, "--folder", folder, "--device", device, spec=spec)
