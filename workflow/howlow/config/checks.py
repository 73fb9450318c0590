"""Checks of a configuration against itself, after the schema has accepted it."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any

from howlow import networks
from howlow.config import grids
from howlow.errors import ConfigError, ShapeError
from howlow.features.representation import Cell

RESERVED_NAMES = ("records", "sound")
"""Names that no dataset may have, because results/ has folders of these names for something else."""

MAX_TRAININGS = 100_000
"""The largest number of trainings. More are taken for a mistake, because Snakemake would plan them for hours."""


def check(config: dict[str, Any]) -> None:
    """Check names, references, sizes, grids and folds; the defaults of `figure1` and of the grids are filled in.

    Raises
    ------
    ConfigError
        for the first mistake
    """
    _check_names(config["datasets"])
    _check_references(config)
    grids.complete(config)
    _check_size(config)
    _check_grids(config)
    _check_folds(config)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name in RESERVED_NAMES:
            raise ConfigError(f"datasets.{name}: results/{name} is not a dataset's folder; use another name")
        if re.search(r"(.+?)\1{19}", name):  # Snakemake takes this for a rule that needs its own output
            raise ConfigError(f"datasets.{name}: this name repeats itself too often for Snakemake; use another one")


def _check_references(config: dict[str, Any]) -> None:
    pairs: list[tuple[str, str]] = []
    for index, experiment in enumerate(config["experiments"]):
        if experiment["dataset"] not in config["datasets"]:
            raise ConfigError(
                f"experiments[{index}].dataset: there is no dataset {experiment['dataset']!r}"
                f" under datasets{suggestion(experiment['dataset'], config['datasets'])}"
            )
        pair = (experiment["dataset"], experiment["model"])
        if pair in pairs:
            raise ConfigError(
                f"experiments[{index}]: {pair[1]} on {pair[0]} is already experiments[{pairs.index(pair)}];"
                " put the grids of both into one experiment"
            )
        pairs.append(pair)
    shown = config.setdefault("figure1", {"dataset": pairs[0][0], "model": pairs[0][1]})
    if (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"figure1: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table4")) and (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"table4: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table5")) and shown["dataset"] not in dict(pairs):
        raise ConfigError(f"table5: no experiment uses the dataset {shown['dataset']}")


def _check_size(config: dict[str, Any]) -> None:
    entries = [entry for experiment in config["experiments"] for entry in experiment["grid"]]
    n_cells = sum(math.prod(len(entry[axis]) for axis in grids.AXES) for entry in entries)
    n_trainings = n_cells * len(config["seeds"])
    if n_trainings > MAX_TRAININGS:
        raise ConfigError(
            f"experiments: {n_cells:,} cells with {len(config['seeds'])} seeds are {n_trainings:,} trainings, more than"
            f" the {MAX_TRAININGS:,} that one run can have"
        )


def _check_folds(config: dict[str, Any]) -> None:
    n_seeds = len(config["seeds"])
    for name in dict.fromkeys(experiment["dataset"] for experiment in config["experiments"]):
        folds = config["datasets"][name].get("folds")
        if folds and n_seeds % folds:
            raise ConfigError(
                f"datasets.{name}.folds: the training with each seed tests on one fold, so {folds} folds need {folds}"
                f" seeds or a multiple of that, and `seeds` has {n_seeds}"
            )


def _check_grids(config: dict[str, Any]) -> None:
    for number, experiment in enumerate(config["experiments"]):
        stored, width = config["datasets"][experiment["dataset"]]["seconds"], experiment["options"]["width"]
        seen: set[Cell] = set()
        for index, cell in grids.grid_items(experiment):
            where, name = f"experiments[{number}].grid[{index}]", cell.name(stored, width)
            if cell in seen:
                raise ConfigError(f"{where}: {name} is in the grid twice")
            seen.add(cell)
            if cell.seconds > stored:
                raise ConfigError(
                    f"{where}.seconds: {cell.seconds} s are longer than the clips of"
                    f" datasets.{experiment['dataset']}, which have {stored} s; use at most that, or longer clips"
                )
            _check_buildable(where, name, cell, experiment)


def _check_buildable(where: str, name: str, cell: Cell, experiment: dict[str, Any]) -> None:
    model = experiment["model"]
    try:
        networks.check_bands(model, cell.sample_rate, cell.n_mels)
    except ShapeError as error:
        raise ConfigError(f"{where}.n_mels: {error}") from None
    try:
        networks.check_frames(model, cell, experiment["options"])
    except ShapeError as error:
        raise ConfigError(f"{where}.hop_factor: {name} of {cell.seconds} s: {error}") from None


def suggestion(word: Any, known: Any) -> str:
    """A hint at the end of a message: the known word that resembles an unknown one; empty if none does."""
    close = difflib.get_close_matches(str(word), list(map(str, known)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
