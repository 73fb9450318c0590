"""The networks by name, and what the module of each one has.

A network is a module of this package, `howlow.networks.<name>`, a line here, and a block under `networks` in the schema
of the configuration. The trainings of a network do not depend on this file: a further line makes nothing run again.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from howlow.features.representation import Cell

if TYPE_CHECKING:
    from torch import nn

NETWORKS = {
    "vgg": "VGG-CNN",
    "musicnn": "MUSICNN",
}
"""The name of each network in tables, figures and sentences."""


class Network(Protocol):
    """What the module of a network has.

    Snakemake imports it to check the configuration. PyTorch is imported in `build`, because it takes seconds.

    Attributes
    ----------
    MIN_BANDS : the fewest mel bands that it takes
    WORKS_ON_SEGMENTS : whether it takes segments of clips, and not whole clips; then the object that `build` gives has
        the attribute `segment_frames`, and an option may have the same name
    SCORING_MAPS : number of maps of the first layer that exist at once while inputs are scored, by benchmarks/memory.py
    """

    MIN_BANDS: int
    WORKS_ON_SEGMENTS: bool
    SCORING_MAPS: float

    def build(self, cell: Cell, *, n_tags: int, **options: Any) -> "nn.Module":
        """Build the network of a cell; see `howlow.networks.build`."""

    def check_frames(self, cell: Cell, options: dict[str, Any]) -> None:
        """Raise a ShapeError if the network can't be built for clips of this length."""

    def map_values(self, cell: Cell, n_frames: int, options: dict[str, Any]) -> float:
        """Number of values in the first layer's maps of one input of `n_frames` frames."""


def network(name: str) -> Network:
    """The module of a network.

    Raises
    ------
    ValueError
        if there is no such network
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no network named {name!r}")
    return cast(Network, import_module(f"howlow.networks.{name}"))
