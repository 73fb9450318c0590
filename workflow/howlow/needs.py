"""What a training asks of a machine, before PyTorch is there to be asked."""

from typing import Any

from howlow.representation import Representation

_BASE_MB = 1_200
"""Python, PyTorch and the weights of a network at full width with their gradients and Adam's state."""

_GPU_HOST_MB = 8_000
"""Host memory of a training on a GPU: CUDA itself, and batches read ahead."""

_MAPS = 4
"""Maps as large as the first layer's that are held at once; 2.8 to 3.3 were measured at full and at narrow widths."""


def training_mb(config: dict[str, Any], experiment: dict[str, Any], cell: Representation, batch: int = 0) -> int:
    """Memory of training one cell, in MB: what the first layer's maps take decides it.

    Parameters
    ----------
    config : complete configuration
    experiment : one of its experiments
    cell : one of the experiment's representations
    batch : clips at once; 0 means those of a training step
    """
    if experiment["training"]["device"] == "cuda":
        return _GPU_HOST_MB
    options = experiment["options"]
    if experiment["model"] == "vgg":
        n_frames = cell.n_frames(config["datasets"][experiment["dataset"]]["seconds"])
        n_filters = 128 * options["width"]
    else:
        n_frames = options.get("segment_frames") or cell.segment_frames
        n_filters = 14 * options["filters"] * 1.2  # six shapes of filters; 1.2 covers both orientations
    map_bytes = 4 * (batch or experiment["training"]["batch_size"]) * n_filters * cell.n_mels * n_frames
    return round(_BASE_MB + _MAPS * map_bytes / 1e6)
