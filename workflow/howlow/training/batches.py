"""Reads batches of spectrograms from a store and brings them to the device that trains a network."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, log
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from howlow.features.quantizer import Quantizer
from howlow.features.store import Store

_READ_CLIPS = 256
# One thread copies 10,000 clips a second from the page cache. Several threads can wait for a disk at the same time.
_READERS = 4


class Segments(NamedTuple):
    """The frames to take from each clip: `n_frames` of them, from `starts` [shape=(n_clips,), dtype=int] on."""

    starts: np.ndarray
    n_frames: int


class _Part(NamedTuple):
    """The indices of the clips of one batch, and the first frame to take from each."""

    indices: np.ndarray
    starts: np.ndarray


def batch_sizes(n_clips: int, size: int) -> list[int]:
    """The number of clips in each batch: `size`, and the remainder in the last one.

    A remainder of a single clip joins the batch before it, because batch normalization needs two clips.
    """
    sizes = [size] * (n_clips // size)
    remainder = n_clips % size
    if remainder == 1 and sizes:
        sizes[-1] += 1
    elif remainder:
        sizes.append(remainder)
    return sizes


@dataclass(frozen=True)
class Feed:
    """The spectrograms of a store at one representation, as batches on a device.

    They are copied to the device in dB and in the type in which they are stored. Everything else is computed there.

    Attributes
    ----------
    store : Store
    device : torch.device
    resident : Tensor [shape=(n_clips, n_mels, n_frames)] or None, a copy of the whole store on the device
    readers : int, number of threads that read batches in advance; with 0, a batch is read when it is asked for
    """

    store: Store
    device: torch.device
    resident: Tensor | None = None
    readers: int = 0

    def batches(self, indices: np.ndarray, size: int, segments: Segments | None = None) -> Iterator[Tensor]:
        """Yield clips in batches, as Tensors [shape=(batch, 1, n_mels, n_frames), dtype=float32] on the device.

        Parameters
        ----------
        indices : np.ndarray [shape=(n_clips,), dtype=int], positions in the store
        size : int, number of clips in a batch, see `batch_sizes`
        segments : the frames to take from each of these clips; None takes all
        """
        rounded = _rounding(self.store.quantizer, self.device)
        for rows in self.rows(indices, size, segments):
            decibels = rounded(rows.to(self.device, non_blocking=True).float()).unsqueeze(1)
            yield decibels if self.store.log_type == "db" else _log_of_db(decibels)

    def rows(self, indices: np.ndarray, size: int, segments: Segments | None = None) -> Iterator[Tensor]:
        """The same batches as they are stored: [shape=(batch, n_mels, n_frames)]. They may not be on the device yet."""
        starts, n_frames = segments or Segments(np.zeros(len(indices), int), self.store.n_frames)
        sizes = batch_sizes(len(indices), size)
        if self.resident is not None:
            # The indices of all batches are copied at once, so that no batch waits for a copy.
            places = torch.from_numpy(np.stack([indices, starts], 1)).to(self.device)
            windows = self.resident.unfold(2, n_frames, 1)  # a view: (n_clips, n_mels, n_starts, n_frames)
            return (windows[part[:, 0], :, part[:, 1]] for part in places.split(sizes))
        ends = np.cumsum(sizes)[:-1]
        parts = map(_Part, np.split(indices, ends), np.split(starts, ends))
        if self.readers:
            return self._read_ahead(parts, n_frames)
        return (self._read(part, n_frames) for part in parts)

    def _read_ahead(self, parts: Iterator[_Part], n_frames: int) -> Iterator[Tensor]:
        """Let threads read some batches in advance, for a GPU into pinned memory, which is copied without waiting."""
        with ThreadPoolExecutor(self.readers) as readers:
            ahead: deque[Future[Tensor]] = deque()
            for part in parts:
                ahead.append(readers.submit(self._read, part, n_frames))
                if len(ahead) > 2 * self.readers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _read(self, part: _Part, n_frames: int) -> Tensor:
        shape = (len(part.indices), self.store.n_mels, n_frames)
        rows = torch.empty(shape, dtype=_dtype(self.store), pin_memory=self.device.type == "cuda")
        self.store.copy(rows.numpy(), part.indices, part.starts)
        return rows


def feed(store: Store, device: torch.device, resident_bytes: float = inf) -> Feed:
    """Make a feed. On a GPU, it holds the whole store if that takes at most `resident_bytes`, and else reads ahead."""
    if device.type != "cuda":
        return Feed(store, device)
    needed = store.dtype.itemsize * len(store.clip_ids) * store.n_mels * store.n_frames
    return Feed(store, device, load(store, device) if needed <= resident_bytes else None, _READERS)


def load(store: Store, device: torch.device) -> Tensor:
    """Copy the whole store to a device as it is stored: (n_clips, n_mels, n_frames)."""
    n_clips = len(store.clip_ids)
    whole = torch.empty((n_clips, store.n_mels, store.n_frames), dtype=_dtype(store), device=device)
    parts = whole.split(batch_sizes(n_clips, _READ_CLIPS))
    ahead = Feed(store, device, readers=_READERS)
    for part, rows in zip(parts, ahead.rows(np.arange(n_clips), _READ_CLIPS), strict=True):
        part.copy_(rows, non_blocking=True)
    return whole


def _dtype(store: Store) -> torch.dtype:
    return getattr(torch, store.dtype.name)


def _rounding(quantizer: Quantizer | None, device: torch.device) -> Callable[[Tensor], Tensor]:
    """What rounds values in dB to the levels of a quantizer, in place."""
    if quantizer is None:
        return lambda decibels: decibels
    highest, arrays = quantizer.highest, (quantizer.low, quantizer.scale, quantizer.step)
    low, scale, step = (torch.from_numpy(np.asarray(array)).to(device) for array in arrays)

    def rounded(decibels: Tensor) -> Tensor:
        # A CPU's cache holds one clip, so that the six operations read the memory once. A GPU takes the batch at once.
        for part in decibels.split(1 if device.type == "cpu" else len(decibels)):
            # These are the operations of `howlow.features.quantizer` in the same order, so that no bit differs.
            part.sub_(low).mul_(scale).round_().clamp_(0, highest).mul_(step).add_(low)
        return decibels

    return rounded


def _log_of_db(decibels: Tensor) -> Tensor:
    """Compute log10(1 + 10000 power) as `howlow.features.mel.from_db` does with `log`, on the device and in place."""
    power = decibels.mul_(log(10) / 10).exp_()
    return power.mul_(10_000).log1p_().mul_(1 / log(10))
