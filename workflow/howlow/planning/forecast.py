"""Computes in advance what a run of a configuration takes: storage, temporary audio and trainings."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from howlow import networks
from howlow.config import cells, options, specs
from howlow.data import datasets
from howlow.data.datasets.metadata import chosen_tags
from howlow.data.datasets.registry import DATASETS
from howlow.data.demo.tags import split_sizes as demo_sizes
from howlow.data.demo.tags import tag_names
from howlow.data.tracks import SPLITS, Tracks
from howlow.features import quantizer
from howlow.features.representation import Cell, Representation, n_samples
from howlow.networks import cost

FEW_CLIPS = 3000
"""Collections with fewer clips are advised to use folds."""

_PASSES = 3
"""A training step takes three times the multiply-accumulates of the network: once forward and twice backward."""


def clips(config: dict[str, Any], dataset: str) -> tuple[Tracks, list[tuple[str, str]]] | None:
    """The clips of a dataset by its metadata, and the clips left out with the reasons.

    The result is None if nothing can be read yet: for a demo, which is generated, and for a published dataset whose
    files are not there.

    Raises
    ------
    HowlowError
        if the metadata can't be used, or the configuration asks for a tag that the dataset does not have
    """
    settings = config["datasets"][dataset]
    if DATASETS[settings["kind"]].is_generated:
        chosen_tags(Path(f"datasets.{dataset}.tags"), tag_names(settings["probes"]), settings.get("tags"))
        return None
    return (
        None
        if missing_metadata(config, dataset)
        else datasets.load(specs.tracks(config, dataset), specs.paths(config, dataset))
    )


def missing_metadata(config: dict[str, Any], dataset: str) -> list[Path]:
    """The metadata files of a published dataset that are missing."""
    kind = DATASETS[config["datasets"][dataset]["kind"]]
    if kind.is_generated or not kind.metadata:
        return []
    files = specs.metadata_files(config, dataset).values()
    return [path for path in files if path.is_relative_to(specs.root(config, dataset)) and not path.exists()]


def split_sizes(config: dict[str, Any], dataset: str, tracks: Tracks | None) -> dict[str, int]:
    """The number of clips in each split of a dataset, by its metadata or, without metadata, as published.

    With folds, it is the number for the trainings of the first one.
    """
    settings = config["datasets"][dataset]
    if DATASETS[settings["kind"]].is_generated:
        return demo_sizes(settings["n_clips"])
    if tracks is None:
        sizes = datasets.published_sizes(settings["kind"])
        if "folds" not in settings:
            return sizes
        part = sum(sizes.values()) // settings["folds"]
        return {"train": sum(sizes.values()) - 2 * part, "validation": part, "test": part}
    splits = tracks.of_fold(1 if tracks.n_folds else None)
    return {split: splits.count(split) for split in SPLITS}


def advice_on_folds(config: dict[str, Any], dataset: str, n_clips: int, n_test: int) -> str | None:
    """Advice to use folds, for a collection so small that fixed splits measure little. None if there is no need."""
    settings = config["datasets"][dataset]
    if not DATASETS[settings["kind"]].folds_by or "folds" in settings or n_clips >= FEW_CLIPS:
        return None
    return (
        f"only {n_test:,} of {n_clips:,} clips are tested. With `folds: 5` and five `seeds`, every clip is tested once,"
        " which gives narrower intervals (docs/own-data.md)"
    )


def advice_on_excluded(durations_s: list[float], n_clips: int, seconds: float, max_excluded: float) -> str | None:
    """Advice if a run would stop because too many clips are unusable. None if the run would go on.

    Parameters
    ----------
    durations_s : lengths of the files by their headers; clips whose file is missing or can't be opened have none
    n_clips : number of all clips
    seconds, max_excluded : the settings of the dataset
    """
    n_unusable = n_clips - sum(duration >= seconds for duration in durations_s)
    allowed = int(max_excluded * n_clips)
    if n_unusable <= max_excluded * n_clips:
        return None
    share = math.ceil(100 * n_unusable / n_clips) / 100
    advice = f"`max_excluded: {share:g}`"
    n_short = allowed - (n_clips - len(durations_s))  # files that may stay too short
    if n_short >= 0 and len(durations_s) > n_short:
        shorter_s = math.floor(10 * sorted(durations_s)[n_short]) / 10
        if shorter_s >= 1:
            advice = f"`seconds: {shorter_s:g}`, which nearly all files have, or {advice}"
    return (
        f"a run would stop after decoding: {n_unusable:,} of {n_clips:,} clips are unusable by their headers, and"
        f" max_excluded {max_excluded:g} allows {allowed:,}. Repair these files, or set {advice}"
    )


def stores(config: dict[str, Any], dataset: str, n_clips: int) -> pd.DataFrame:
    """The stored spectrograms of a dataset, with one row for each sample rate and number of bands.

    Hops and log types are applied when the spectrograms are read, so they take no storage.

    Returns
    -------
    pd.DataFrame with the columns sample_rate_hz, n_mels, n_frames, bytes_per_clip, total_bytes
    """
    experiments = [experiment for experiment in config["experiments"] if experiment["dataset"] == dataset]
    used = [cell for experiment in experiments for cell in cells(config, experiment).values()]
    rows = []
    for sample_rate, n_mels in sorted({(cell.sample_rate, cell.n_mels) for cell in used}):
        stored = Representation(sample_rate, n_mels, 1, "db", seconds=config["datasets"][dataset]["seconds"])
        size = quantizer.bytes_per_clip(stored, config["spectrograms"]["dtype"])
        rows.append([sample_rate, n_mels, stored.n_frames, size, size * n_clips])
    return pd.DataFrame(rows, columns=["sample_rate_hz", "n_mels", "n_frames", "bytes_per_clip", "total_bytes"])


def shard_bytes(config: dict[str, Any], dataset: str, n_clips: int) -> int:
    """The bytes of temporary audio of an average shard at the highest sample rate."""
    settings = config["datasets"][dataset]
    longest = n_samples(max(specs.sample_rates(config, dataset)), settings["seconds"])
    return longest * 4 * -(-n_clips // settings["shards"])


def trainings(config: dict[str, Any], sizes: dict[str, dict[str, int]], n_tags: int = 50) -> pd.DataFrame:
    """The trainings of each experiment and their floating-point operations, without those of scoring.

    Returns
    -------
    pd.DataFrame with the columns dataset, model, trainings, epochs, gmac_lowest, gmac_highest (for one clip or, with
        MUSICNN, for the segment of it that an epoch trains on), flop
    """
    rows = []
    for experiment in config["experiments"]:
        macs = [_macs(experiment, cell, n_tags) for cell in cells(config, experiment).values()]
        n_train, epochs = sizes[experiment["dataset"]]["train"], experiment["training"]["epochs"]
        flop = _flop(sum(macs), n_train, epochs) * len(config["seeds"])
        n_trainings = len(macs) * len(config["seeds"])
        rows.append(
            [experiment["dataset"], experiment["model"], n_trainings, epochs, min(macs) / 1e9, max(macs) / 1e9, flop]
        )
    columns = ["dataset", "model", "trainings", "epochs", "gmac_lowest", "gmac_highest", "flop"]
    return pd.DataFrame(rows, columns=columns)


def training_flop(config: dict[str, Any], experiment: dict[str, Any], n_train: int, n_tags: int = 50) -> list[float]:
    """The floating-point operations of one training of each cell of an experiment, without those of scoring."""
    epochs = experiment["training"]["epochs"]
    macs = [_macs(experiment, cell, n_tags) for cell in cells(config, experiment).values()]
    return [_flop(of_cell, n_train, epochs) for of_cell in macs]


def _flop(macs: int, n_train: int, epochs: int) -> float:
    return 2.0 * _PASSES * macs * n_train * epochs


def _macs(experiment: dict[str, Any], cell: Cell, n_tags: int) -> int:
    with torch.device("meta"):
        model = networks.build_cell(experiment["model"], cell, n_tags=n_tags, options=options(experiment))
    # MUSICNN trains on one segment of a clip.
    return cost.macs(model, cell.n_mels, getattr(model, "segment_frames", cell.n_frames))
