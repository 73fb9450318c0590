"""The networks, from spectrograms (batch, 1, n_mels, n_frames) to logits (batch, n_tags)."""

from typing import TYPE_CHECKING, Any

from howlow.errors import ShapeError
from howlow.features.bands import max_mel_bands
from howlow.features.representation import CLIP_SECONDS, Cell
from howlow.networks.registry import network

if TYPE_CHECKING:
    from torch import nn


def build(
    name: str,
    *,
    sample_rate: int,
    n_mels: int,
    hop_factor: int,
    n_tags: int,
    width: float = 1.0,
    seconds: float = CLIP_SECONDS,
    **options: Any,
) -> "nn.Module":
    """Build a network for one representation; its weights follow `torch.manual_seed`.

    Parameters
    ----------
    name : `vgg` or `musicnn`
    sample_rate : int, in Hz
    n_mels : int, number of mel bands
    hop_factor : int, the hop in units of 256 samples
    n_tags : int
    width : float, factor for the number of filters; the paper's is 1
    seconds : float, length of the clips; it decides VGG-CNN's pooling
    options : those of the network, such as `batch_norm_momentum`, the share of the newest batch in the running
        statistics, as in PyTorch; the paper's is 0.01, and a training of fewer than some 500 steps needs more

    Raises
    ------
    ShapeError
        if the network can't be built for inputs of this size
    ValueError
        if there is no such network
    """
    # The log type does not matter here.
    cell = Cell(sample_rate, n_mels, hop_factor, "db", seconds=seconds, width=width)
    return build_cell(name, cell, n_tags=n_tags, options=options)


def build_cell(name: str, cell: Cell, *, n_tags: int, options: dict[str, Any]) -> "nn.Module":
    """Build the network of one cell, with the options of the configuration; see `build`."""
    return network(name).build(cell, n_tags=n_tags, **options)


def segment_frames(name: str, cell: Cell, options: dict[str, Any]) -> int | None:
    """Length of the segments that a network works on: 3 s unless the options say otherwise. None for whole clips."""
    return (options.get("segment_frames") or cell.segment_frames) if network(name).WORKS_ON_SEGMENTS else None


def check_bands(name: str, sample_rate: int, n_mels: int) -> None:
    """Refuse a number of mel bands for which there are no filters.

    Raises
    ------
    ShapeError
        if the filter bank or the network can't be built for this number of bands
    """
    fewest, most = network(name).MIN_BANDS, max_mel_bands(sample_rate)
    if not fewest <= n_mels <= most:
        raise ShapeError(f"{name} at {sample_rate} Hz takes {fewest} to {most} mel bands, not {n_mels}")


def check_frames(name: str, cell: Cell, options: dict[str, Any]) -> None:
    """Refuse cells with too few frames for the network.

    Parameters
    ----------
    name : that of the network
    cell : the cell
    options : the network's options, such as `segment_frames`

    Raises
    ------
    ShapeError
        if the network can't be built for clips of this length
    """
    network(name).check_frames(cell, options)
