"""Prints the data and the expected costs of a configuration, by its metadata and the headers of its audio files."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howlow import config as configuration
from howlow import program
from howlow.config import specs
from howlow.data.datasets.registry import DATASETS
from howlow.data.tracks import SPLITS, Tracks
from howlow.errors import HowlowError
from howlow.features import decoders
from howlow.networks import memory
from howlow.planning import forecast
from howlow.training import gpus


def show(config: dict[str, Any]) -> None:
    """Print what a configuration will read, keep and train.

    Raises
    ------
    HowlowError
        if the metadata can't be used, or so few clips can be that a run would stop
    """
    sizes = {}
    stopping = []
    for dataset in dict.fromkeys(experiment["dataset"] for experiment in config["experiments"]):
        settings = config["datasets"][dataset]
        print(f"{dataset} ({settings['kind']}) in {specs.root(config, dataset)}")
        tracks, left_out = forecast.clips(config, dataset) or (None, [])
        sizes[dataset] = forecast.split_sizes(config, dataset, tracks)
        n_clips = sum(sizes[dataset].values())
        counts = ", ".join(f"{number:,} {split}" for split, number in sizes[dataset].items())
        of_fold = f"; {settings['folds']} folds, of which this is the first" if "folds" in settings else ""
        print(f"  clips: {n_clips:,} ({counts}{of_fold})")
        if tracks is not None:
            _print_excluded("left out by the metadata", left_out)
            _print_tags(tracks)
            durations_s = _print_audio(Path(specs.root(config, dataset)), tracks, settings["seconds"])
            advice = forecast.advice_on_excluded(durations_s, n_clips, settings["seconds"], settings["max_excluded"])
            if told := forecast.advice_on_folds(config, dataset, n_clips, sizes[dataset]["test"]):
                print(f"  advice: {told}")
            stopping += [f"datasets.{dataset}: {advice}"] if advice else []
        elif DATASETS[settings["kind"]].is_generated:
            print("  The workflow generates these clips.")
        else:
            _print_missing(config, dataset)
        _print_storage(config, dataset, n_clips)
        print()
    _print_trainings(config, sizes)
    if stopping:
        raise HowlowError("; ".join(stopping))


def _print_missing(config: dict[str, Any], dataset: str) -> None:
    missing = forecast.missing_metadata(config, dataset)[0]
    print(f"  These are the published counts: {missing} is not there yet.")
    if not specs.is_made_here(config, dataset):
        print("  warning: without it, a run would stop, because the workflow does not download this dataset")


def _print_excluded(where: str, excluded: list[tuple[str, str]]) -> None:
    reasons = Counter(reason for _, reason in excluded)
    for reason, number in reasons.most_common():
        first = next(clip_id for clip_id, why in excluded if why == reason)
        print(f"  {where}: {number:,} because: {reason} (the first is {first})")


def _print_tags(tracks: Tracks) -> None:
    """Print how many clips of each split, or of each fold, have each tag."""
    splits = np.array(tracks.splits)
    names = {split: split for split in SPLITS}
    if tracks.n_folds:
        names = {f"fold {part}": str(part) for part in range(1, tracks.n_folds + 1)}
    counts = {name: tracks.labels[splits == part].sum(axis=0) for name, part in names.items()}
    table = pd.DataFrame(counts, index=pd.Index(tracks.tags))
    table = table.sort_values(next(iter(names)), ascending=False, kind="stable")
    print(f"  tags: {len(tracks.tags)}; clips without any: {int((~tracks.labels.any(axis=1)).sum()):,}")
    print("    " + table.to_string().replace("\n", "\n    "))
    for name, part in names.items():
        n_clips = int((splits == part).sum())
        for tag in table.index[(table[name] == 0) | (table[name] == n_clips)]:
            print(f"  warning: {tag!r} has {table[name][tag]} of {n_clips} {name} clips: no ROC AUC there")


def _print_audio(root: Path, tracks: Tracks, seconds: float) -> list[float]:
    """Print the durations that the headers declare, which may be wrong, and return those of the readable files."""
    with decoders.without_remarks(), ThreadPoolExecutor(8) as pool:
        found = pool.map(decoders.declared_seconds, (root / path for path in tracks.paths))
        durations = list(program.progress(found, "audio headers", len(tracks.paths)))
    bad = [(c, d) for c, d in zip(tracks.clip_ids, durations, strict=True) if isinstance(d, str)]
    good = [duration for duration in durations if not isinstance(duration, str)]
    short = sum(duration < seconds for duration in good)
    print(f"  audio: {len(good):,} files of {sum(good) / 3600:.1f} hours by their headers")
    _print_excluded("no audio", bad)
    if short:
        print(f"  warning: {short:,} files are shorter than {seconds} s by their headers, and will be excluded")
    return good


def _print_storage(config: dict[str, Any], dataset: str, n_clips: int) -> None:
    stores = forecast.stores(config, dataset, n_clips)
    dtype = config["spectrograms"]["dtype"]
    print(f"  spectrograms: {len(stores)} stores, {stores['total_bytes'].sum() / 1e9:.1f} GB to keep ({dtype}, in dB):")
    shown = stores.assign(GB=stores["total_bytes"] / 1e9).drop(columns="total_bytes")
    text = shown.to_string(index=False, formatters={"bytes_per_clip": "{:,}".format, "GB": "{:.2f}".format})
    print("    " + text.replace("\n", "\n    "))
    shard = forecast.shard_bytes(config, dataset, n_clips)
    print(f"  temporary audio: {shard / 1e9:.2f} GB for each shard, until its spectrograms are made")


def _print_trainings(config: dict[str, Any], sizes: dict[str, dict[str, int]]) -> None:
    trainings = forecast.trainings(config, sizes)
    print(trainings.to_string(index=False, float_format="{:.3g}".format, formatters={"flop": "{:.3g}".format}))
    total = trainings["flop"].sum()
    print(f"{trainings['trainings'].sum()} trainings, {total:.3g} floating-point operations")
    _print_gpus(config)


def _print_gpus(config: dict[str, Any]) -> None:
    """Print the GPU memory that the trainings need, the GPUs of this machine, and the cells that do not fit them."""
    found = gpus.visible()
    memory_mb = min((gpu.memory_mb for gpu in found), default=0)
    if found:
        print(f"GPUs of this machine: {len(found)}, each with at least {memory_mb / 1000:.1f} GB")
    largest = 0
    for experiment in config["experiments"]:
        if experiment["training"]["device"] == "cpu":
            continue
        name = f"{experiment['model']} on {experiment['dataset']}"
        cells, seed = configuration.cells(config, experiment), config["seeds"][0]
        trainings = {name: specs.train(config, experiment, cell, seed) for name, cell in cells.items()}
        least, most = (choose(trainings, key=lambda cell: memory.gpu_mb(trainings[cell])) for choose in (min, max))
        ends = (f"{memory.gpu_mb(trainings[cell]) / 1000:.1f} GB ({cell})" for cell in (least, most))
        print(f"GPU memory of a training, {name}: {' to '.join(ends)}")
        largest = max(largest, memory.gpu_mb(trainings[most]))
        for cell, spec in trainings.items():
            if shortage := memory.gpu_shortage(spec, memory_mb):
                print(f"warning: {name}, {cell}: {shortage}; a run on this machine would refuse it")
    if largest and (n_fitting := memory_mb // largest) > 1:
        print(f"Up to {n_fitting} trainings fit each GPU: `--resources gpu={n_fitting * len(found)}`")
