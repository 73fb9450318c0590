"""The specification of each stage of the workflow: the settings that it reads from the configuration, as plain data.

The rules pass these to their programs, which record them beside their results. A job runs again when its specification
differs from the recorded one. So a specification holds no setting that cannot change a result, such as the places and
names of files, or the device on which a network is trained.
"""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from howlow.config import ConfigError, cells, options, paper
from howlow.config.grids import of_names
from howlow.data.datasets.registry import DATASETS
from howlow.features.representation import STORED_BITS, Cell

Spec = dict[str, Any]

_NOT_OF_TRACKS = ("exclude", "max_excluded", "root", "seconds", "table", "url")


def root(config: Spec, dataset: str) -> str:
    """The folder that holds a dataset's metadata and audio; `~` and `$VARIABLES` in it are expanded.

    Raises
    ------
    ConfigError
        if such a variable is not set
    """
    if is_made_here(config, dataset):
        return f"results/{dataset}/source"
    return _expanded(config, dataset, "root")


def _expanded(config: Spec, dataset: str, key: str) -> str:
    path = config["datasets"][dataset][key]
    try:
        expanded = str(Path(os.path.expandvars(path)).expanduser())
    except RuntimeError:  # ~name
        raise ConfigError(f"datasets.{dataset}.{key}: {path!r} names a user who has no home folder here") from None
    if "$" in expanded:
        raise ConfigError(f"datasets.{dataset}.{key}: {path!r} names an environment variable that is not set")
    return expanded


def is_made_here(config: Spec, dataset: str) -> bool:
    """Whether the workflow itself generates or downloads a dataset."""
    return "root" not in config["datasets"][dataset]


def shards(config: Spec, dataset: str) -> list[str]:
    """The names of a dataset's shards."""
    return [f"{number:02d}" for number in range(config["datasets"][dataset]["shards"])]


def sample_rates(config: Spec, dataset: str) -> list[int]:
    """All sample rates at which an experiment uses a dataset, in Hz."""
    used = [e for e in config["experiments"] if e["dataset"] == dataset]
    return sorted({cell.sample_rate for experiment in used for cell in cells(config, experiment).values()})


def download(config: Spec, dataset: str) -> Spec:
    """The specification of downloading a dataset."""
    return {"url": config["datasets"][dataset]["url"]}


def demo(config: Spec, dataset: str) -> Spec:
    """The specification of generating a demo dataset."""
    settings = config["datasets"][dataset]
    return {key: settings[key] for key in ("n_channels", "n_clips", "probes", "sample_rate", "seconds", "seed")}


def tracks(config: Spec, dataset: str) -> Spec:
    """The specification of reading a dataset's metadata; `paths` says where the metadata are."""
    settings = config["datasets"][dataset]
    chosen = {key: value for key, value in settings.items() if key not in _NOT_OF_TRACKS}
    if isinstance(chosen.get("tags"), str):  # the name of a file, of which only the content counts
        del chosen["tags"]
    return chosen | {"dataset": dataset}


def paths(config: Spec, dataset: str) -> dict[str, str]:
    """Where the metadata and the audio of a dataset are: its `root`, and the files that its settings name.

    Raises
    ------
    ConfigError
        if an environment variable in a path is not set
    """
    settings = config["datasets"][dataset]
    found = {"root": root(config, dataset)}
    if "table" in settings:
        found["table"] = _expanded(config, dataset, "table")
    return found | {key: settings[key] for key in ("tags", "exclude") if isinstance(settings.get(key), str)}


def metadata_files(config: Spec, dataset: str) -> dict[str, Path]:
    """The files that `tracks.parquet` is made from, by the role of each."""
    settings, found = config["datasets"][dataset], paths(config, dataset)
    chosen = {key: Path(path) for key, path in found.items() if key != "root"}
    names = list(DATASETS[settings["kind"]].metadata)
    if settings.get("audio") == "7digital":
        names += ["MSD_id_to_7D_id.pkl", "7D_id_to_path.pkl"]
    return chosen | {name: Path(found["root"], name) for name in names}


def decode(config: Spec, dataset: str, sample_rate: int) -> Spec:
    """The specification of decoding: all settings that affect the samples of a clip.

    `howlow.data.audio_files` keeps track of the clips of each shard and of their files.
    """
    return {"sample_rate": sample_rate, "seconds": config["datasets"][dataset]["seconds"]}


def spectrum(config: Spec) -> Spec:
    """The specification of the power spectra at x1, which are the same for all numbers of bands."""
    return {"window": config["spectrograms"]["window"]}


def mel(config: Spec, sample_rate: int, n_mels: int) -> Spec:
    """The specification of the mel-spectrograms of one sample rate and number of bands, at x1."""
    return {"dtype": config["spectrograms"]["dtype"], "n_mels": n_mels, "sample_rate": sample_rate}


def store(config: Spec, dataset: str) -> Spec:
    """The specification of the store that the shards of one sample rate and number of bands form."""
    return {"max_excluded": config["datasets"][dataset]["max_excluded"], "shards": shards(config, dataset)}


def levels(config: Spec) -> Spec:
    """The specification of the ranges of quantized values of each band."""
    return {"quantizer": config["spectrograms"]["quantizer"]}


def excluded(config: Spec, dataset: str) -> Spec:
    """The specification of the list of excluded clips."""
    return {"sample_rates": sample_rates(config, dataset), "shards": shards(config, dataset)}


def train(config: Spec, experiment: Spec, cell: Cell, seed: int) -> Spec:
    """The specification of training one cell with one seed."""
    n_folds = config["datasets"][experiment["dataset"]].get("folds")
    return of_training(trainings(config, experiment), cell, seed, fold(config["seeds"], seed, n_folds))


def fold(seeds: list[int], seed: int, n_folds: int | None) -> int | None:
    """The fold that the trainings with a seed test on, from 1 on; None if the splits of the dataset are fixed."""
    return seeds.index(seed) % n_folds + 1 if n_folds else None


def trainings(config: Spec, experiment: Spec) -> Spec:
    """The part that the specifications of all trainings of an experiment have in common."""
    return {
        "model": experiment["model"],
        "options": options(experiment),
        **_quantizer(config, experiment),
        "training": {key: value for key, value in experiment["training"].items() if key != "device"},
    }


def _quantizer(config: Spec, experiment: Spec) -> Spec:
    """The quantizer, if a cell of an experiment needs it."""
    is_needed = any(cell.bits != STORED_BITS for cell in cells(config, experiment).values())
    return {"quantizer": config["spectrograms"]["quantizer"]} if is_needed else {}


def of_training(common: Spec, cell: Cell, seed: int, fold: int | None = None) -> Spec:
    """The specification of one training, from what `trainings` and `fold` give."""
    spec = common | asdict(cell) | {"seed": seed}
    if cell.bits == STORED_BITS:
        spec.pop("quantizer", None)
    return spec | ({} if fold is None else {"fold": fold})


def evaluate(config: Spec) -> Spec:
    """The specification of evaluating one cell."""
    return {"seeds": config["seeds"]}


def cost(config: Spec, experiment: Spec) -> Spec:
    """The specification of computing the costs of all cells of an experiment."""
    return of_names(config, experiment) | {
        "dtype": config["spectrograms"]["dtype"],
        "model": experiment["model"],
        "options": options(experiment),
    }


def times(config: Spec, experiment: Spec) -> Spec:
    """The specification of measuring the times of all cells of an experiment."""
    return of_names(config, experiment) | {
        "batch_size": experiment["training"]["batch_size"],
        "dtype": config["spectrograms"]["dtype"],
        "model": experiment["model"],
        "options": options(experiment),
        "threads": experiment["training"]["threads"],
        "window": config["spectrograms"]["window"],
    }


def aggregate(config: Spec, experiment: Spec) -> Spec:
    """The specification of collecting the results of an experiment, with those that the results must come from."""
    dataset = experiment["dataset"]
    n_folds = config["datasets"][dataset].get("folds")
    stores = sorted({(cell.sample_rate, cell.n_mels) for cell in cells(config, experiment).values()})
    return ({"folds": n_folds} if n_folds else {}) | {
        **of_names(config, experiment),
        "dataset": dataset,
        "model": experiment["model"],
        "seeds": config["seeds"],
        "stores": {
            f"{sample_rate}/{n_mels}": {
                "decode": decode(config, dataset, sample_rate),
                "spectrum": spectrum(config),
                "mel": mel(config, sample_rate, n_mels),
            }
            for sample_rate, n_mels in stores
        },
        "trainings": trainings(config, experiment),
    }


def collect(config: Spec) -> Spec:
    """The specification of the tables of all experiments together."""
    return {"experiments": _pairs(config["experiments"])}


def _pairs(experiments: list[Spec]) -> list[Spec]:
    return [{"dataset": e["dataset"], "model": e["model"]} for e in experiments]


def shown(config: Spec, table: str) -> list[Spec]:
    """The experiments that a table shows: `table4`, `table5` or `full`, which is all of them."""
    if table == "full":
        return config["experiments"]
    wanted = config.get(table, {"dataset": None})
    return [e for e in config["experiments"] if all(e[key] == value for key, value in wanted.items())]


def table(config: Spec, table: str) -> Spec:
    """The specification of a table: its title, and how each of its experiments differs from the paper's."""
    experiments = []
    for experiment in shown(config, table):
        dataset, model = experiment["dataset"], experiment["model"]
        kind = config["datasets"][dataset]["kind"]
        stated: Spec = {"dataset": dataset, "kind": kind, "model": model}
        if kind in paper.DATASETS:
            stated |= {"remarks": paper.remarks(config, experiment), "unlike": paper.unlike(config, experiment)}
        experiments.append(stated)
    titles = {"table4": "Table IV", "table5": "Table V", "full": "Complete results"}
    return {"experiments": experiments, "title": titles[table]}


def statistics(config: Spec) -> Spec:
    """The specification of the statistics: the margins of equivalence, all experiments, and the folds of datasets."""
    folds = {name: settings["folds"] for name, settings in config["datasets"].items() if "folds" in settings}
    return config["statistics"] | {"experiments": _pairs(config["experiments"])} | ({"folds": folds} if folds else {})


def tradeoff(config: Spec) -> Spec:
    """The specification of the trade-off: the margins, all experiments, and the one that the figure shows."""
    return config["statistics"] | {"experiments": _pairs(config["experiments"]), "shown": config["figure1"]}


def every_run(config: Spec, experiment: Spec) -> Spec:
    """The specification of what reads a file of every cell and seed of an experiment, such as a figure."""
    return of_names(config, experiment) | {
        "dataset": experiment["dataset"],
        "model": experiment["model"],
        "seeds": config["seeds"],
    }


def bootstrap(config: Spec, experiment: Spec) -> Spec:
    """The specification of resampling the test clips of an experiment; with folds, it has the fold of each seed."""
    n_folds = config["datasets"][experiment["dataset"]].get("folds")
    folds = [fold(config["seeds"], seed, n_folds) for seed in config["seeds"]]
    return every_run(config, experiment) | ({"folds": folds} if n_folds else {})


def sonify(config: Spec, experiment: Spec) -> Spec:
    """The specification of turning the representations of an experiment back into sound."""
    heard: dict[Cell, str] = {}  # the first cell of each representation, because a width can't be heard
    for name, cell in cells(config, experiment).items():
        heard.setdefault(replace(cell, width=1), name)
    return of_names(config, experiment) | {
        "cells": list(heard.values()),
        "clips": config["sound"]["n_clips"],
        "methods": config["sound"]["methods"],
        "fold": fold(config["seeds"], config["seeds"][0], config["datasets"][experiment["dataset"]].get("folds")),
        **_quantizer(config, experiment),
        "window": config["spectrograms"]["window"],
    }


def about(config: Spec) -> Spec:
    """The specification of the page about the results: the complete configuration."""
    return config
