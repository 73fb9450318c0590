"""Training of one cell with one seed, and the scores of the trained network."""

import ctypes
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

from howlow import files
from howlow.errors import HowlowError
from howlow.store import Store

# Clips whose scores are computed together; it bounds the memory of the evaluation.
_SCORE_BATCH = 8


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


@dataclass(frozen=True)
class Epoch:
    """What is noted of one pass over the training clips; `val_roc_auc` only where it selects the epoch."""

    epoch: int
    train_loss: float
    val_loss: float
    val_roc_auc: float | None
    seconds: float


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


def prepare(threads: int) -> None:
    """Make training on this process's CPU repeatable and frugal: the same thread count gives the same bits."""
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms imports the compiler
    _keep_freed_memory()


def lay_out(model: nn.Module) -> None:
    """Put a network's weights, and with them all that it computes, into the layout that is fastest on a CPU.

    oneDNN's convolutions work on blocks of 8 channels, best with the channels last; networks so narrow that the
    blocks stay half empty train faster with PyTorch's own (docs/performance.md has the figures).
    """
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    is_narrow = first.out_channels < 8
    torch.backends.mkldnn.set_flags(not is_narrow)
    if not is_narrow:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


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
    store: Store,
    train_clips: Clips,
    validation_clips: Clips,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    decay_epochs: int | None,
    keep: str,
    checkpoint: Path,
    identity: str,
) -> tuple[list[Epoch], int]:
    """Train a network in place with Adam and binary cross-entropy; it ends with the kept epoch's weights.

    A training that was killed goes on after its last finished epoch, from `checkpoint`, and ends the same.

    Parameters
    ----------
    model : gives logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames)
    store : Store
    train_clips, validation_clips : Clips
    seed : int, of the order of the clips and all else that is random
    epochs, batch_size, learning_rate : of the protocol
    decay_epochs : int or None, the learning rate is divided by 10 after each so many epochs
    keep : `last` or `best_val_roc_auc`, which epoch's weights to keep
    checkpoint : file to resume from and to write after every epoch
    identity : what this training is; a checkpoint of another is ignored

    Returns
    -------
    history : list of Epoch
    kept_epoch : int, the epoch whose weights the network has now

    Raises
    ------
    TrainingError
        if a split is empty or the loss is not finite
    """
    for name, clips in (("training", train_clips), ("validation", validation_clips)):
        if not len(clips.indices):
            raise TrainingError(f"there is no {name} clip")
    optimizer = Adam(model)
    history, kept = _resume(checkpoint, identity, model, optimizer)
    for epoch in range(len(history) + 1, epochs + 1):
        start = time.perf_counter()
        # From seed and epoch alone, so that a resumed training draws the same.
        torch.manual_seed(int(np.random.default_rng([seed, epoch, 1]).integers(1 << 62)))
        rate = learning_rate / 10 ** ((epoch - 1) // decay_epochs if decay_epochs else 0)
        order = np.random.default_rng([seed, epoch]).permutation(len(train_clips.indices))
        train_loss = _pass(model, optimizer, rate, store, train_clips, order, batch_size)
        if not np.isfinite(train_loss):
            raise TrainingError(f"the loss of epoch {epoch} is {train_loss}; a lower learning_rate may help")
        val_loss, val_roc_auc = _validate(model, store, validation_clips, need_roc_auc=keep != "last")
        history.append(Epoch(epoch, train_loss, val_loss, val_roc_auc, time.perf_counter() - start))
        print(f"epoch {epoch}/{epochs}: training loss {train_loss:.4f}, validation loss {val_loss:.4f}", flush=True)
        if keep == "last" or val_roc_auc == max(past.val_roc_auc or 0 for past in history):
            kept = Kept(epoch, {name: tensor.clone() for name, tensor in model.state_dict().items()})
        _write_checkpoint(checkpoint, identity, model, optimizer, history, kept)
    assert kept is not None
    model.load_state_dict(kept.weights)
    return history, kept.epoch


def score(model: nn.Module, store: Store, indices: np.ndarray) -> np.ndarray:
    """Tag activations (sigmoid) of some clips.

    Parameters
    ----------
    indices : np.ndarray [shape=(n_clips,), dtype=int], positions in the store

    Returns
    -------
    np.ndarray [shape=(n_clips, n_tags), dtype=float32]
    """
    return torch.sigmoid(_logits(model, store, indices)).numpy()


def _pass(
    model: nn.Module,
    optimizer: Adam,
    learning_rate: float,
    store: Store,
    clips: Clips,
    order: np.ndarray,
    batch_size: int,
) -> float:
    """One pass over the clips in that order; the mean loss of its clips."""
    model.train()
    total = torch.zeros(())
    for batch in _batches(order, batch_size):
        spectrograms, labels = _spectrograms(store, clips.indices[batch]), _float(clips.labels[batch])
        model.zero_grad(set_to_none=True)
        loss = binary_cross_entropy_with_logits(model(spectrograms), labels)
        loss.backward()
        optimizer.step(learning_rate)
        total += loss.detach() * len(batch)
    return float(total) / len(order)


def _validate(model: nn.Module, store: Store, clips: Clips, need_roc_auc: bool) -> tuple[float, float | None]:
    logits = _logits(model, store, clips.indices)
    loss = float(binary_cross_entropy_with_logits(logits, _float(clips.labels)))
    if not need_roc_auc:
        return loss, None
    from howlow import metrics  # scikit-learn takes as long to import as PyTorch: only where it is used

    names = tuple(map(str, range(clips.labels.shape[1])))
    roc_auc, _ = metrics.macro(metrics.per_tag(names, clips.labels, logits.numpy()))
    if np.isnan(roc_auc):
        raise TrainingError("no tag has both positive and negative validation clips to select an epoch by")
    return loss, roc_auc


def _logits(model: nn.Module, store: Store, indices: np.ndarray) -> Tensor:
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(_spectrograms(store, batch)) for batch in _batches(indices, _SCORE_BATCH)])


def _batches(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _spectrograms(store: Store, indices: np.ndarray) -> Tensor:
    return torch.from_numpy(store.read(indices)).unsqueeze(1)  # (batch, 1, n_mels, n_frames)


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
    with files.whole(path) as beside:
        torch.save(state, beside)


def _resume(path: Path, identity: str, model: nn.Module, optimizer: Adam) -> tuple[list[Epoch], Kept | None]:
    """Load a checkpoint of this very training; without one, start from the beginning."""
    if not path.is_file():
        return [], None
    state = torch.load(path, weights_only=True)
    if state["identity"] != identity:
        return [], None
    model.load_state_dict(state["model"])
    optimizer.state = state["optimizer"]
    history = [Epoch(*values) for values in state["history"]]
    print(f"going on after epoch {len(history)}", flush=True)
    return history, Kept(*state["kept"])
