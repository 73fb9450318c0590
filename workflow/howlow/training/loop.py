"""Training one cell with one seed, and scoring clips with the trained network."""

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.adam import adam

from howlow.errors import HowlowError
from howlow.networks import archive, memory
from howlow.networks.archive import ArchiveError
from howlow.training.batches import Feed, Segments, batch_sizes
from howlow.training.protocol import Epoch, Protocol

_OUT_OF_MEMORY = ("CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
"""Texts in errors of CUDA's libraries for which PyTorch has no class of its own."""


class TrainingError(HowlowError):
    """A cell can't be trained; the message says why."""


@dataclass(frozen=True)
class Clips:
    """The clips of one split: their positions in a store, and their labels.

    Attributes
    ----------
    indices : np.ndarray [shape=(n_clips,), dtype=int]
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    """

    indices: np.ndarray
    labels: np.ndarray


class Kept(NamedTuple):
    """The weights to keep so far, and their epoch."""

    epoch: int
    weights: dict[str, Tensor]


class Adam:
    """Adam with Keras's epsilon, through PyTorch's functional interface.

    `torch.optim.Adam` itself would import PyTorch's compiler, which takes 3 s in every training.

    Attributes
    ----------
    state : dict of the lists `means`, `squares` (both running) and `steps`, with one Tensor for each parameter
    """

    def __init__(self, model: nn.Module):
        self.parameters: list[Tensor] = list(model.parameters())
        self.state = {
            "means": [torch.zeros_like(parameter) for parameter in self.parameters],
            "squares": [torch.zeros_like(parameter) for parameter in self.parameters],
            "steps": [torch.zeros((), device=parameter.device) for parameter in self.parameters],
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters by their gradients."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        means, squares, steps = self.state["means"], self.state["squares"], self.state["steps"]
        adam(
            self.parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=learning_rate,
            weight_decay=0,
            eps=1e-7,
            maximize=False,
        )


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


def train(
    model: nn.Module,
    feed: Feed,
    train_clips: Clips,
    validation_clips: Clips,
    protocol: Protocol,
    *,
    seed: int,
    checkpoint: Path,
    identity: str,
) -> tuple[list[Epoch], int]:
    """Train a network in place; it ends with the weights of the kept epoch.

    A training that was killed resumes from `checkpoint` after its last finished epoch, and gives the same result.

    Parameters
    ----------
    model : gives logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames), on the device of the feed. If it
        has `segment_frames`, it is trained on a random segment of this number of frames of each clip
    feed : Feed
    train_clips, validation_clips : Clips
    protocol : Protocol
    seed : int, seed of the order of the clips and of everything else that is random
    checkpoint : file to resume from, which is written after every epoch
    identity : text that identifies this training; checkpoints of other trainings are ignored

    Returns
    -------
    history : list of Epoch
    kept_epoch : int, the epoch whose weights the network has now

    Raises
    ------
    TrainingError
        if a split is empty, a batch would have a single clip, or a loss or a weight is not finite
    """
    _check_sizes(len(train_clips.indices), len(validation_clips.indices), protocol.batch_size)
    print(f"training on {feed.device.type} in {str(precision(feed.device)).removeprefix('torch.')}", flush=True)
    optimizer = Adam(model)
    history, kept = _resume(checkpoint, identity, model, optimizer, feed.device)
    while not protocol.is_over(history):
        history.append(_epoch(model, optimizer, feed, train_clips, validation_clips, protocol, seed, len(history)))
        if protocol.keep == "last" or protocol.is_best(history, len(history) - 1):
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            kept = Kept(history[-1].epoch, weights)
        _write_checkpoint(checkpoint, identity, model, optimizer, history, kept)
    assert kept is not None
    model.load_state_dict(kept.weights)
    return history, kept.epoch


def _check_sizes(n_train: int, n_validation: int, batch_size: int) -> None:
    """Refuse an empty split, and a batch of one clip, which has no variance to normalize by."""
    for name, n_clips in (("training", n_train), ("validation", n_validation)):
        if not n_clips:
            raise TrainingError(
                f"there is no {name} clip; each split needs clips, so add some to the dataset or change its `split`"
            )
    if 1 in batch_sizes(n_train, batch_size):
        raise TrainingError(
            f"a batch would have a single clip, and batch normalization needs two: there are {n_train} training clips"
            f" and batch_size is {batch_size}; use at least 2 of each"
        )


def score(model: nn.Module, feed: Feed, indices: np.ndarray) -> np.ndarray:
    """The tag activations (sigmoid) of some clips.

    Parameters
    ----------
    indices : np.ndarray [shape=(n_clips,), dtype=int], positions in the store

    Returns
    -------
    np.ndarray [shape=(n_clips, n_tags), dtype=float32]

    Raises
    ------
    TrainingError
        if a score is not finite; the message names its clip
    """
    scores = torch.sigmoid(_logits(model, feed, indices)).numpy()
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        clip_id = feed.store.clip_ids[indices[bad[0]]]
        raise TrainingError(
            f"the scores of {len(bad)} of {len(scores)} clips are not finite, the first is that of clip {clip_id}"
        )
    return scores


def _epoch(
    model: nn.Module,
    optimizer: Adam,
    feed: Feed,
    train_clips: Clips,
    validation_clips: Clips,
    protocol: Protocol,
    seed: int,
    n_done: int,
) -> Epoch:
    """Train one more epoch, and compute its losses."""
    start, epoch = time.perf_counter(), n_done + 1
    # Random numbers depend on seed and epoch only, so that a resumed training draws the same.
    torch.manual_seed(int(np.random.default_rng([seed, epoch, 1]).integers(1 << 62)))
    order = np.random.default_rng([seed, epoch]).permutation(len(train_clips.indices))
    shuffled = Clips(train_clips.indices[order], train_clips.labels[order])
    segments = _draw_segments(model, feed, len(order), np.random.default_rng([seed, epoch, 2]))
    train_loss = _pass(model, optimizer, protocol.rate_of(epoch), feed, shuffled, protocol.batch_size, segments)
    logits = _logits(model, feed, validation_clips.indices)
    val_loss = float(binary_cross_entropy_with_logits(logits, _float(validation_clips.labels)))
    _check_finite(epoch, train_loss, model, val_loss, protocol.learning_rate)
    val_roc_auc = None if protocol.keep == "last" else _roc_auc(validation_clips.labels, logits)
    print(
        f"epoch {epoch}/{protocol.epochs}: training loss {train_loss:.4f}, validation loss {val_loss:.4f}", flush=True
    )
    seconds = time.perf_counter() - start
    return Epoch(epoch, train_loss, val_loss, val_roc_auc, seconds, device_name(feed.device))


def _draw_segments(model: nn.Module, feed: Feed, n_clips: int, rng: np.random.Generator) -> Segments | None:
    """Draw the segment of each clip to train on, so that no other frames are read; None without segments."""
    n_frames = getattr(model, "segment_frames", None)
    return n_frames and Segments(rng.integers(feed.store.n_frames - n_frames + 1, size=n_clips), n_frames)


def _pass(
    model: nn.Module,
    optimizer: Adam,
    learning_rate: float,
    feed: Feed,
    clips: Clips,
    batch_size: int,
    segments: Segments | None = None,
) -> float:
    """Train on the clips in their order, and return their mean loss. It waits for a GPU only at the end."""
    model.train()
    total = torch.zeros((), device=feed.device)
    labels = _float(clips.labels).to(feed.device).split(batch_sizes(len(clips.labels), batch_size))
    for spectrograms, targets in zip(feed.batches(clips.indices, batch_size, segments), labels, strict=True):
        model.zero_grad(set_to_none=True)
        loss = binary_cross_entropy_with_logits(_training_logits(model, spectrograms), targets)
        loss.backward()
        optimizer.step(learning_rate)
        total += loss.detach() * len(targets)
    return float(total) / len(clips.labels)


def _training_logits(model: nn.Module, spectrograms: Tensor) -> Tensor:
    """The logits (batch, n_tags) in float32; the layers before them may use fewer bits, see `precision`."""
    device = spectrograms.device
    dtype = precision(device)
    if dtype == torch.float32:
        return model(spectrograms)
    with torch.autocast(device.type, dtype):
        return model(spectrograms)


def _logits(model: nn.Module, feed: Feed, indices: np.ndarray) -> Tensor:
    """The logits (n_clips, n_tags) of some clips, computed in float32 and moved to the CPU."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in feed.batches(indices, memory.SCORE_BATCH[feed.device.type])]).cpu()


def _check_finite(epoch: int, train_loss: float, model: nn.Module, val_loss: float, learning_rate: float) -> None:
    """Refuse an epoch with losses or weights that are not finite."""
    weights = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    losses = {"the training loss": train_loss, "the validation loss": val_loss}
    bad = [name for name, loss in losses.items() if not np.isfinite(loss)]
    if weights:
        bad.append(f"{len(weights)} of the network's weights and statistics, the first of them {weights[0]}")
    if bad:
        raise TrainingError(
            f"after epoch {epoch} these are not finite: {', '.join(bad)}; a lower learning_rate (it is"
            f" {learning_rate:g}) or a batch_norm_momentum between 0 and 1 may help"
        )


def _roc_auc(labels: np.ndarray, logits: Tensor) -> float:
    from howlow.evaluation import metrics  # imported here, because scikit-learn takes seconds to import

    names = tuple(map(str, range(labels.shape[1])))
    roc_auc, _ = metrics.macro(metrics.per_tag(names, labels, logits.numpy()))
    if np.isnan(roc_auc):
        raise TrainingError("no tag has positive and negative validation clips to select an epoch by; set `keep: last`")
    return roc_auc


def _float(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.astype(np.float32))


def _write_checkpoint(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizer: Adam,
    history: list[Epoch],
    kept: Kept | None,
) -> None:
    state = {
        "identity": identity,
        "model": model.state_dict(),
        "optimizer": optimizer.state,
        "history": [astuple(epoch) for epoch in history],
        "kept": kept and tuple(kept),
    }
    archive.write(path, state)


def _resume(
    path: Path, identity: str, model: nn.Module, optimizer: Adam, device: torch.device
) -> tuple[list[Epoch], Kept | None]:
    """Load the checkpoint of this training; without one, start from the beginning."""
    if path.is_dir():
        aside = path.with_name(f"{path.name}.{time.time_ns()}")
        path.rename(aside)
        print(f"{path}: is a folder, which is now {aside.name}; the training starts from the beginning", flush=True)
    if not path.is_file():
        return [], None
    try:
        state = archive.read(path)
    except ArchiveError as error:
        print(f"{error}; the training starts from the beginning", flush=True)
        return [], None
    if not isinstance(state, dict) or state.get("identity") != identity:
        print(f"{path}: belongs to another training; this one starts from the beginning", flush=True)
        return [], None
    model.load_state_dict(state["model"])
    optimizer.state = {name: [tensor.to(device) for tensor in tensors] for name, tensors in state["optimizer"].items()}
    history = [Epoch(*values) for values in state["history"]]
    print(f"going on after epoch {len(history)}", flush=True)
    if history and history[-1].device != device_name(device):
        print(f"the device has changed from {history[-1].device} to {device_name(device)}", flush=True)
    return history, Kept(*state["kept"])
