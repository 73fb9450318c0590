"""Training one cell with one seed, and scoring clips with the trained network."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from howlow.errors import TrainingError
from howlow.networks import memory
from howlow.training import checkpoints, devices
from howlow.training.adam import Adam
from howlow.training.batches import Feed, Segments, batch_sizes
from howlow.training.protocol import Epoch, Protocol


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
    print(f"training on {feed.device.type} in {str(devices.precision(feed.device)).removeprefix('torch.')}", flush=True)
    optimizer = Adam(model)
    history, kept = checkpoints.resume(checkpoint, identity, model, optimizer, feed.device)
    while not protocol.is_over(history):
        history.append(_epoch(model, optimizer, feed, train_clips, validation_clips, protocol, seed, len(history)))
        if protocol.keep == "last" or protocol.is_best(history, len(history) - 1):
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            kept = checkpoints.Kept(history[-1].epoch, weights)
        checkpoints.write(checkpoint, identity, model, optimizer, history, kept)
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
    return Epoch(epoch, train_loss, val_loss, val_roc_auc, seconds, devices.device_name(feed.device))


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
    """The logits (batch, n_tags) in float32; the layers before them compute in `devices.precision`."""
    device = spectrograms.device
    dtype = devices.precision(device)
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
