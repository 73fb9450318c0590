"""Batches of spectrograms for a network, from the store to the device that trains it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, log
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from howlow.store import Store

_READ_CLIPS = 256
# One thread copies 10,000 clips a second from the page cache; more of them wait together for a disk.
_READERS = 4


class Segments(NamedTuple):
    """The frames to take of each clip: `n_frames` of them from `starts` [shape=(n_clips,), dtype=int] on."""

    starts: np.ndarray
    n_frames: int


class _Part(NamedTuple):
    """The clips of one batch, by their indices, and where each starts."""

    indices: np.ndarray
    starts: np.ndarray


def batch_sizes(n_clips: int, size: int) -> list[int]:
    """Number of clips of each batch: `size`, and the last one's remainder.

    A remainder of a single clip joins the batch before it, because batch normalization needs two.
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
    """The spectrograms of a store, at one representation, as batches on a device.

    They go to the device in dB and in the type that they are stored in; all else is computed there.

    Attributes
    ----------
    store : Store
    device : torch.device
    resident : Tensor [shape=(n_clips, n_mels, n_frames)] or None, the whole store on the device, as it is stored
    readers : int, threads that read batches ahead of the training; with 0 a batch is read when it is asked for
    """

    store: Store
    device: torch.device
    resident: Tensor | None = None
    readers: int = 0

    def batches(self, indices: np.ndarray, size: int, segments: Segments | None = None) -> Iterator[Tensor]:
        """Clips by their index, as Tensors [shape=(batch, 1, n_mels, n_frames), dtype=float32].

        Parameters
        ----------
        indices : np.ndarray [shape=(n_clips,), dtype=int], positions in the store
        size : int, clips a batch, see `batch_sizes`
        segments : the frames to take of each of these clips; None takes all
        """
        for rows in self.rows(indices, size, segments):
            decibels = rows.to(self.device, non_blocking=True).float().unsqueeze(1)
            yield decibels if self.store.log_type == "db" else _log_of_db(decibels)

    def rows(self, indices: np.ndarray, size: int, segments: Segments | None = None) -> Iterator[Tensor]:
        """The batches of `batches` as they are stored: [shape=(batch, n_mels, n_frames)], not yet on the device."""
        starts, n_frames = segments or Segments(np.zeros(len(indices), int), self.store.n_frames)
        sizes = batch_sizes(len(indices), size)
        if self.resident is not None:
            # Once for all batches, so that no batch waits for a copy.
            places = torch.from_numpy(np.stack([indices, starts], 1)).to(self.device)
            windows = self.resident.unfold(2, n_frames, 1)  # a view: (n_clips, n_mels, n_starts, n_frames)
            return (windows[part[:, 0], :, part[:, 1]] for part in places.split(sizes))
        ends = np.cumsum(sizes)[:-1]
        parts = map(_Part, np.split(indices, ends), np.split(starts, ends))
        if self.readers:
            return self._read_ahead(parts, n_frames)
        return (self._read(part, n_frames) for part in parts)

    def _read_ahead(self, parts: Iterator[_Part], n_frames: int) -> Iterator[Tensor]:
        """Threads read some batches ahead, for a GPU into pinned memory, from where they are copied without waiting."""
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
    """A feed that keeps the store on a GPU where it takes `resident_bytes` at most, and else reads ahead for it."""
    if device.type != "cuda":
        return Feed(store, device)
    needed = store.dtype.itemsize * len(store.clip_ids) * store.n_mels * store.n_frames
    return Feed(store, device, load(store, device) if needed <= resident_bytes else None, _READERS)


def load(store: Store, device: torch.device) -> Tensor:
    """The whole store on a device, as it is stored: (n_clips, n_mels, n_frames)."""
    n_clips = len(store.clip_ids)
    whole = torch.empty((n_clips, store.n_mels, store.n_frames), dtype=_dtype(store), device=device)
    parts = whole.split(batch_sizes(n_clips, _READ_CLIPS))
    ahead = Feed(store, device, readers=_READERS)
    for part, rows in zip(parts, ahead.rows(np.arange(n_clips), _READ_CLIPS), strict=True):
        part.copy_(rows, non_blocking=True)
    return whole


def _dtype(store: Store) -> torch.dtype:
    return getattr(torch, store.dtype.name)


def _log_of_db(decibels: Tensor) -> Tensor:
    """`howlow.mel.from_db` with `log`, on the device and in place: log10(1 + 10000 power)."""
    power = decibels.mul_(log(10) / 10).exp_()
    return power.mul_(10_000).log1p_().mul_(1 / log(10))
