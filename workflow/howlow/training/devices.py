"""The device that trains a network: how it is chosen and prepared, and what it computes in."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

import torch
from torch import nn

from howlow.errors import TrainingError

_OUT_OF_MEMORY = ("CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
"""Texts in errors of CUDA's libraries for which PyTorch has no class of its own."""


def prepare(threads: int, device: str = "cpu") -> torch.device:
    """Choose the device, and make training repeatable: the same machine and number of threads give the same bits.

    Parameters
    ----------
    threads : int, number of CPU threads
    device : `cpu`, `cuda`, or `auto` for a GPU if PyTorch sees one and the CPU otherwise

    Raises
    ------
    TrainingError
        if a GPU was asked for and there is none
    """
    torch.set_num_threads(threads)
    _keep_freed_memory()
    has_gpu = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise TrainingError("device is cuda, but PyTorch sees no GPU; with `device: auto` it would use the CPU")
    # use_deterministic_algorithms would import the compiler. On a GPU PyTorch objects to max pooling, because it adds
    # gradients in any order, but there is nothing to add where windows don't overlap.
    torch.set_deterministic_debug_mode("warn" if has_gpu else "error")
    # The debug mode also fills all new memory with NaN, which takes a tenth of a step and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if has_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not repeatable without it
        torch.backends.cudnn.deterministic = True
        # TF32 would round factors to 11 bits. Without it, float32 means the same on all GPUs and on the CPU.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda" if has_gpu else "cpu")


def device_name(device: torch.device) -> str:
    """The model of the GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextlib.contextmanager
def out_of_memory_is_told(batch_size: int) -> Iterator[None]:
    """Turn errors of PyTorch, cuDNN and cuBLAS about too little GPU memory into a TrainingError."""
    try:
        yield
    except RuntimeError as error:
        words = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in words for sign in _OUT_OF_MEMORY):
            raise
        wanted = words.partition("Tried to allocate ")[2].partition(". ")[0]
        raise TrainingError(
            f"the memory of the GPU does not suffice for batches of {batch_size} clips"
            f"{f', PyTorch wanted {wanted} more' * bool(wanted)}; let fewer programs share the GPU, set a smaller"
            " batch_size or width for the whole experiment, or use a larger GPU"
        ) from None


def precision(device: torch.device) -> torch.dtype:
    """The type in which autocast computes training steps: bfloat16 if a GPU has it in hardware, otherwise float32.

    Scores are always computed in float32, and so is the layer that gives the logits.
    """
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bfloat16 else torch.float32


def lay_out(model: nn.Module, device: torch.device) -> None:
    """Move a network to its device, in the memory layout that is fastest there.

    The matrix units of a GPU prefer channels last. So do oneDNN's convolutions on a CPU, which work on blocks of 8
    channels. Networks too narrow to fill these blocks train faster with PyTorch's own convolutions
    (docs/performance.md has the figures).
    """
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    is_narrow = first.out_channels < 8
    if device.type == "cpu":
        torch.backends.mkldnn.set_flags(not is_narrow)
    if device.type == "cuda" or not is_narrow:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.to(device)


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next step, instead of mapping new, zeroed pages each time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # without glibc, training is only slower
    mmap_threshold, trim_threshold = -3, -1
    mallopt(mmap_threshold, 32 << 20)  # the largest value that glibc accepts
    mallopt(trim_threshold, 1 << 30)
