"""The cells of the grids of a configuration."""

import itertools
from collections.abc import Iterator
from typing import Any

from howlow.features.representation import Cell

AXES = ("sample_rate", "n_mels", "hop_factor", "log_type", "bits", "seconds", "width")
"""The keys of a grid's entry, in the order of the attributes of `Cell`."""


def complete(config: dict[str, Any]) -> None:
    """Fill in the defaults of the axes that the schema has none for: the whole clips, and the width of the options."""
    for experiment in config["experiments"]:
        for entry in experiment["grid"]:
            entry.setdefault("seconds", [config["datasets"][experiment["dataset"]]["seconds"]])
            entry.setdefault("width", [experiment["options"]["width"]])


def options(experiment: dict[str, Any]) -> dict[str, Any]:
    """The options of the networks of an experiment, without the width, as each cell has its own."""
    return {key: value for key, value in experiment["options"].items() if key != "width"}


def cells(config: dict[str, Any], experiment: dict[str, Any]) -> dict[str, Cell]:
    """The cells of an experiment by the names of their folders, in the order of its grid."""
    seconds, width = config["datasets"][experiment["dataset"]]["seconds"], experiment["options"]["width"]
    return {cell.name(seconds, width): cell for _, cell in grid_items(experiment)}


def of_names(config: dict[str, Any], experiment: dict[str, Any]) -> dict[str, Any]:
    """The names of the cells of an experiment, for `howlow.features.representation.cells_of`."""
    return {
        "cells": list(cells(config, experiment)),
        "seconds": config["datasets"][experiment["dataset"]]["seconds"],
        "width": experiment["options"]["width"],
    }


def grid_items(experiment: dict[str, Any]) -> Iterator[tuple[int, Cell]]:
    """The cells of an experiment, each with the number of its entry in the grid."""
    for index, entry in enumerate(experiment["grid"]):
        for values in itertools.product(*(entry[axis] for axis in AXES)):
            yield index, Cell(*values)
