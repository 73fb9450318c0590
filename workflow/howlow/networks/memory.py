"""The memory that a training needs, estimated without importing PyTorch.

The feature maps of the first layer dominate the memory of the networks. The constants say how many such maps, or other
things of their size, exist at once. `python benchmarks/memory.py` measures that on narrow networks and few clips.
"""

from dataclasses import fields
from math import ceil
from typing import Any

from howlow.features.representation import Cell
from howlow.networks import segment_frames
from howlow.networks.registry import network

SCORE_BATCH = {"cpu": 8, "cuda": 16}
"""Number of clips whose scores a device computes together."""

_BASE_MB = 1_200
"""Memory of Python, PyTorch, and the weights of a network at full width with their gradients and Adam's state."""

_GPU_HOST_MB = 8_000
"""Host memory of a training on a GPU: CUDA itself, and batches that are read ahead."""

_GPU_BASE_MB = 1_000
"""GPU memory of CUDA's context, and of the weights, gradients and Adam's state of a network at full width."""

_MAPS = 4
"""Maps in a training step on a CPU. Measured: 3.0 to 4.2 for VGG-CNN, and 3.0 to 3.5 for MUSICNN."""

_GPU_MAPS = 4.5
"""Maps in a training step on a GPU. VGG-CNN saves 3.8 to 3.9 for its gradients, which take their place as the maps are
freed. MUSICNN saves 1.4 to 1.7."""

_FLOAT32, _BFLOAT16 = 4, 2
_SPARE = 1.5
"""Factor for memory that is not counted here, such as cuDNN's, before spectrograms may stay on a GPU."""

_RESIDENT_SHARE = 0.5
"""Largest share of its memory on a GPU that a training fills with spectrograms."""


def training_mb(spec: dict[str, Any]) -> int:
    """Memory of a training on a CPU, in MB.

    Parameters
    ----------
    spec : the specification of a training, see `howlow.config.specs.train`
    """
    return _BASE_MB + _mb(_FLOAT32 * max(_training_values(spec, _MAPS), _scoring_values(spec, SCORE_BATCH["cpu"])))


def host_mb(spec: dict[str, Any], on_gpu: bool) -> int:
    """Host memory of a training, or of timing one, on a GPU or on the CPU, in MB; `gpu_mb` is that of the GPU."""
    return _GPU_HOST_MB if on_gpu else training_mb(spec)


def gpu_mb(spec: dict[str, Any], value_bytes: int = _BFLOAT16) -> int:
    """The least GPU memory that a training can do with, in MB; its spectrograms are not counted.

    Parameters
    ----------
    spec : the specification of a training, see `howlow.config.specs.train`
    value_bytes : int, size of a value in a training step: 2 in bfloat16, 4 on a GPU that has only float32
    """
    training = value_bytes * _training_values(spec, _GPU_MAPS)
    scoring = _FLOAT32 * _scoring_values(spec, SCORE_BATCH["cuda"])
    return _GPU_BASE_MB + _mb(max(training, scoring))


def gpu_shortage(spec: dict[str, Any], memory_mb: int, sharing: int = 1, value_bytes: int = _BFLOAT16) -> str:
    """Why a training does not fit a GPU of `memory_mb` that `sharing` trainings share; an empty text if it fits."""
    needed, batch_size = gpu_mb(spec, value_bytes), spec["training"]["batch_size"]
    if not memory_mb or needed <= memory_mb / sharing:
        return ""
    what = f"training in batches of {batch_size} clips needs at least {needed / 1000:.1f} GB of a GPU's memory"
    if needed <= memory_mb:
        return (
            f"{what}, and {sharing} trainings are to share a GPU of {memory_mb / 1000:.1f} GB; start with a smaller"
            " `--resources gpu=N`"
        )
    return (
        f"{what}, and the GPU has {memory_mb / 1000:.1f} GB; set a smaller batch_size or width for the whole"
        " experiment, or use a larger GPU or `device: cpu`"
    )


def resident_mb(spec: dict[str, Any], memory_mb: int, sharing: int = 1, value_bytes: int = _BFLOAT16) -> int:
    """GPU memory that a training may fill with its spectrograms, in MB."""
    own = memory_mb / sharing
    return max(0, round(min(own - _SPARE * gpu_mb(spec, value_bytes), _RESIDENT_SHARE * own)))


def _mb(n_bytes: float) -> int:
    return round(n_bytes / 1e6)


def _training_values(spec: dict[str, Any], n_maps: float) -> float:
    """Number of values that a training step holds at once. It has one input of each clip."""
    return n_maps * spec["training"]["batch_size"] * _map_values(spec)


def _scoring_values(spec: dict[str, Any], n_clips: int) -> float:
    """Number of values that are held while `n_clips` whole clips are scored."""
    n_inputs = ceil(_cell(spec).n_frames / _input_frames(spec))
    return network(spec["model"]).SCORING_MAPS * n_clips * n_inputs * _map_values(spec)


def _map_values(spec: dict[str, Any]) -> float:
    """Number of values in the first layer's maps of one input: a clip, or a segment of one."""
    return network(spec["model"]).map_values(_cell(spec), _input_frames(spec), spec["options"])


def _input_frames(spec: dict[str, Any]) -> int:
    """Number of frames of an input."""
    cell = _cell(spec)
    return segment_frames(spec["model"], cell, spec["options"]) or cell.n_frames


def _cell(spec: dict[str, Any]) -> Cell:
    return Cell(**{field.name: spec[field.name] for field in fields(Cell)})
