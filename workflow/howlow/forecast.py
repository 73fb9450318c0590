"""What a configuration will take, before anything runs: storage, temporary audio, trainings."""

from typing import Any

import pandas as pd
import torch

from howlow import cost, datasets, demo, models, specs
from howlow.config import representations
from howlow.representation import Representation, n_samples

_PASSES = 3
"""Multiply-accumulates of a training step in those of the network: forward, and two products backward."""


def split_sizes(config: dict[str, Any], dataset: str) -> tuple[dict[str, int], bool]:
    """Number of clips of each split of a dataset, and whether they were counted.

    Where the metadata is not there yet, the sizes are the published ones.
    """
    settings = config["datasets"][dataset]
    if settings["kind"] == "demo":
        return demo.split_sizes(settings["n_clips"]), True
    spec = specs.tracks(config, dataset)
    if settings["kind"] in ("mtat", "msd") and not specs.metadata_files(spec)[0].exists():
        return datasets.published_sizes(settings["kind"]), False
    tracks, _ = datasets.load(spec)
    return {split: tracks.splits.count(split) for split in dict.fromkeys(tracks.splits)}, True


def stores(config: dict[str, Any], dataset: str, n_clips: int) -> pd.DataFrame:
    """The stored spectrograms of a dataset: one row a sample rate and number of bands.

    Hops and log types take no storage of their own.

    Returns
    -------
    pd.DataFrame with the columns sample_rate_hz, n_mels, n_frames, bytes_per_clip, total_bytes
    """
    cells = {cell for e in config["experiments"] if e["dataset"] == dataset for cell in representations(e)}
    rows = []
    for sample_rate, n_mels in sorted({(cell.sample_rate, cell.n_mels) for cell in cells}):
        n_frames = Representation(sample_rate, n_mels, 1, "db").n_frames(config["datasets"][dataset]["seconds"])
        size = cost.bytes_per_clip(n_mels, n_frames, config["spectrograms"]["dtype"])
        rows.append([sample_rate, n_mels, n_frames, size, size * n_clips])
    return pd.DataFrame(rows, columns=["sample_rate_hz", "n_mels", "n_frames", "bytes_per_clip", "total_bytes"])


def shard_bytes(config: dict[str, Any], dataset: str, n_clips: int) -> int:
    """Size of the temporary audio of a shard of average length at the highest sample rate."""
    settings = config["datasets"][dataset]
    longest = n_samples(max(specs.sample_rates(config, dataset)), settings["seconds"])
    return longest * 4 * -(-n_clips // settings["shards"])


def trainings(config: dict[str, Any], sizes: dict[str, dict[str, int]], n_tags: int = 50) -> pd.DataFrame:
    """The trainings of every experiment, and their floating-point operations without those of scoring.

    Returns
    -------
    pd.DataFrame with the columns dataset, model, trainings, epochs, gmac_lowest, gmac_highest (a clip or, for
        MUSICNN, the segment of it that an epoch trains on), flop
    """
    rows = []
    for experiment in config["experiments"]:
        cells = representations(experiment)
        seconds = config["datasets"][experiment["dataset"]]["seconds"]
        macs = [_macs(experiment, cell, seconds, n_tags) for cell in cells]
        n_train, epochs = sizes[experiment["dataset"]]["train"], experiment["training"]["epochs"]
        flop = _flop(sum(macs), n_train, epochs) * len(config["seeds"])
        n_trainings = len(cells) * len(config["seeds"])
        rows.append(
            [experiment["dataset"], experiment["model"], n_trainings, epochs, min(macs) / 1e9, max(macs) / 1e9, flop]
        )
    columns = ["dataset", "model", "trainings", "epochs", "gmac_lowest", "gmac_highest", "flop"]
    return pd.DataFrame(rows, columns=columns)


def training_flop(config: dict[str, Any], experiment: dict[str, Any], n_train: int, n_tags: int = 50) -> list[float]:
    """Floating-point operations of one training of each cell of an experiment, without those of scoring."""
    seconds, epochs = config["datasets"][experiment["dataset"]]["seconds"], experiment["training"]["epochs"]
    cells = representations(experiment)
    return [_flop(_macs(experiment, cell, seconds, n_tags), n_train, epochs) for cell in cells]


def _flop(macs: int, n_train: int, epochs: int) -> float:
    return 2.0 * _PASSES * macs * n_train * epochs


def _macs(experiment: dict[str, Any], cell: Representation, seconds: float, n_tags: int) -> int:
    with torch.device("meta"):
        model = models.build_cell(
            experiment["model"], cell, n_tags=n_tags, seconds=seconds, options=experiment["options"]
        )
    # MUSICNN trains on one segment of a clip.
    return cost.macs(model, cell.n_mels, getattr(model, "segment_frames", cell.n_frames(seconds)))
