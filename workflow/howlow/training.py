"""Training of one cell with one seed, and the scores of the trained network."""

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

from howlow import files, needs
from howlow.errors import HowlowError
from howlow.feeding import Feed
from howlow.protocol import Epoch, Protocol

_OUT_OF_MEMORY = ("CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
"""What stands in the errors of CUDA's libraries, for which PyTorch has no class of its own."""


class TrainingError(HowlowError):
    """A cell can't be trained; the message says why."""


@dataclass(frozen=True)
class Clips:
    """The clips of one split: where their spectrograms are in a store, and their labels.

    Attributes
    ----------
    indices : np.ndarray [shape=(n_clips,), dtype=int]
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    """

    indices: np.ndarray
    labels: np.ndarray


class Kept(NamedTuple):
    """The weights that are the best so far, and their epoch."""

    epoch: int
    weights: dict[str, Tensor]


class Adam:
    """Adam with Keras's epsilon, by PyTorch's functional interface.

    `torch.optim.Adam` itself imports PyTorch's compiler, which takes as long as PyTorch: 3 s a training.

    Attributes
    ----------
    state : dict of lists of Tensors, one a parameter: `means`, `squares` (running) and `steps`
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
        """Change the parameters by their gradients."""
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
    """Make training in this process repeatable and frugal: the same machine and thread count give the same bits.

    Parameters
    ----------
    threads : int, of the CPU
    device : `cpu`, `cuda`, or `auto`: a GPU where PyTorch sees one

    Raises
    ------
    TrainingError
        if a GPU was asked for and there is none
    """
    torch.set_num_threads(threads)
    _keep_freed_memory()
    has_gpu = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise TrainingError("device is cuda, but PyTorch sees no GPU; `device: auto` takes one where there is one")
    # By this function, because use_deterministic_algorithms imports the compiler. On a GPU PyTorch objects to max
    # pooling, which adds gradients in any order; but where windows don't overlap, there is nothing to add.
    torch.set_deterministic_debug_mode("warn" if has_gpu else "error")
    if has_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not repeatable
        torch.backends.cudnn.deterministic = True
    return torch.device("cuda" if has_gpu else "cpu")


def device_name(device: torch.device) -> str:
    """`cpu`, or the model of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextlib.contextmanager
def out_of_memory_is_told(batch_size: int) -> Iterator[None]:
    """Make a TrainingError of what PyTorch, cuDNN and cuBLAS raise when the memory of a GPU does not suffice."""
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


def lay_out(model: nn.Module, device: torch.device) -> None:
    """Put a network on its device, and its weights and all that it computes in the layout that is fastest there.

    The matrix units of a GPU want the channels last. So do oneDNN's convolutions on a CPU, which work on blocks
    of 8 channels; networks so narrow that the blocks stay half empty train faster with PyTorch's own
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
    """Have glibc keep what a step frees for the next one, instead of mapping fresh, zeroed pages each time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # not glibc: only speed is lost
    mmap_threshold, trim_threshold = -3, -1
    mallopt(mmap_threshold, 32 << 20)  # the largest that it takes
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
    """Train a network in place; it ends with the kept epoch's weights.

    A training that was killed goes on after its last finished epoch, from `checkpoint`, and ends the same.

    Parameters
    ----------
    model : gives logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames); on the feed's device
    feed : Feed
    train_clips, validation_clips : Clips
    protocol : Protocol
    seed : int, of the order of the clips and all else that is random
    checkpoint : file to resume from and to write after every epoch
    identity : what this training is; a checkpoint of another is ignored

    Returns
    -------
    history : list of Epoch
    kept_epoch : int, the epoch whose weights the network has now

    Raises
    ------
    TrainingError
        if a split is empty, or the loss is not finite
    """
    for name, clips in (("training", train_clips), ("validation", validation_clips)):
        if not len(clips.indices):
            raise TrainingError(f"there is no {name} clip")
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


def score(model: nn.Module, feed: Feed, indices: np.ndarray) -> np.ndarray:
    """Tag activations (sigmoid) of some clips.

    Parameters
    ----------
    indices : np.ndarray [shape=(n_clips,), dtype=int], positions in the store

    Returns
    -------
    np.ndarray [shape=(n_clips, n_tags), dtype=float32]
    """
    return torch.sigmoid(_logits(model, feed, indices)).numpy()


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
    """The next epoch: one pass over the training clips, and the validation clips."""
    start, epoch = time.perf_counter(), n_done + 1
    # From seed and epoch alone, so that a resumed training draws the same.
    torch.manual_seed(int(np.random.default_rng([seed, epoch, 1]).integers(1 << 62)))
    order = np.random.default_rng([seed, epoch]).permutation(len(train_clips.indices))
    shuffled = Clips(train_clips.indices[order], train_clips.labels[order])
    train_loss = _pass(model, optimizer, protocol.rate_of(epoch), feed, shuffled, protocol.batch_size)
    if not np.isfinite(train_loss):
        raise TrainingError(f"the loss of epoch {epoch} is {train_loss}; a lower learning_rate may help")
    val_loss, val_roc_auc = _validate(model, feed, validation_clips, need_roc_auc=protocol.keep != "last")
    print(
        f"epoch {epoch}/{protocol.epochs}: training loss {train_loss:.4f}, validation loss {val_loss:.4f}", flush=True
    )
    seconds = time.perf_counter() - start
    return Epoch(epoch, train_loss, val_loss, val_roc_auc, seconds, device_name(feed.device))


def _pass(model: nn.Module, optimizer: Adam, learning_rate: float, feed: Feed, clips: Clips, batch_size: int) -> float:
    """One pass over the clips in their order; the mean loss of its clips. A GPU is waited for at its end only."""
    model.train()
    total = torch.zeros((), device=feed.device)
    labels = _float(clips.labels).to(feed.device)
    for spectrograms, targets in zip(feed.batches(clips.indices, batch_size), labels.split(batch_size), strict=True):
        model.zero_grad(set_to_none=True)
        loss = binary_cross_entropy_with_logits(_forward(model, spectrograms), targets)
        loss.backward()
        optimizer.step(learning_rate)
        total += loss.detach() * len(targets)
    return float(total) / len(labels)


def _forward(model: nn.Module, spectrograms: Tensor) -> Tensor:
    """Logits in float32; a GPU computes them in bfloat16, with float32 where PyTorch's autocast sees the need."""
    device = spectrograms.device.type
    if device == "cpu":
        return model(spectrograms)
    with torch.autocast(device, torch.bfloat16):
        return model(spectrograms).float()


def _validate(model: nn.Module, feed: Feed, clips: Clips, need_roc_auc: bool) -> tuple[float, float | None]:
    logits = _logits(model, feed, clips.indices)
    loss = float(binary_cross_entropy_with_logits(logits, _float(clips.labels)))
    if not need_roc_auc:
        return loss, None
    from howlow import metrics  # scikit-learn takes as long to import as PyTorch: only where it is used

    names = tuple(map(str, range(clips.labels.shape[1])))
    roc_auc, _ = metrics.macro(metrics.per_tag(names, clips.labels, logits.numpy()))
    if np.isnan(roc_auc):
        raise TrainingError("no tag has both positive and negative validation clips to select an epoch by")
    return loss, roc_auc


def _logits(model: nn.Module, feed: Feed, indices: np.ndarray) -> Tensor:
    model.eval()
    with torch.inference_mode():
        batches = feed.batches(indices, needs.SCORE_BATCH[feed.device.type])
        return torch.cat([_forward(model, batch) for batch in batches]).cpu()


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
    with files.whole(path) as beside, beside.open("wb") as file:
        torch.save(state, file)


def _resume(
    path: Path, identity: str, model: nn.Module, optimizer: Adam, device: torch.device
) -> tuple[list[Epoch], Kept | None]:
    """Load a checkpoint of this very training; without one, start from the beginning."""
    if not path.is_file():
        return [], None
    state = torch.load(path, weights_only=True, map_location=device)
    if state["identity"] != identity:
        return [], None
    model.load_state_dict(state["model"])
    optimizer.state = state["optimizer"]
    history = [Epoch(*values) for values in state["history"]]
    print(f"going on after epoch {len(history)}", flush=True)
    if history and history[-1].device != device_name(device):
        print(f"on another device: {device_name(device)}, after {history[-1].device}", flush=True)
    return history, Kept(*state["kept"])
