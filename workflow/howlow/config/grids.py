"""The cells of the grids of a configuration."""

import itertools
from collections.abc import Iterator
from typing import Any

from howlow.features.representation import Representation


def representations(experiment: dict[str, Any]) -> list[Representation]:
    """The representations of an experiment, in the order of its grid."""
    return [representation for _, representation in grid_items(experiment)]


def grid_items(experiment: dict[str, Any]) -> Iterator[tuple[int, Representation]]:
    """The representations of an experiment, each with the number of its entry in the grid."""
    for index, entry in enumerate(experiment["grid"]):
        axes = (entry["sample_rate"], entry["n_mels"], entry["hop_factor"], entry["log_type"])
        for values in itertools.product(*axes):
            yield index, Representation(*values)
