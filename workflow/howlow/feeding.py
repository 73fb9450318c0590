"""Batches of spectrograms for a network, from the store to the device that trains it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor

from howlow.store import Store

_READ_CLIPS = 256
_AHEAD = 3


@dataclass(frozen=True)
class Feed:
    """The spectrograms of a store, at one representation, as batches on a device.

    Attributes
    ----------
    store : Store
    device : torch.device
    resident : Tensor [shape=(n_clips, n_mels, n_frames), dtype=float16] or None, the whole store on the device
    """

    store: Store
    device: torch.device
    resident: Tensor | None = None

    def batches(self, indices: np.ndarray, size: int) -> Iterator[Tensor]:
        """Clips by their index, as Tensors [shape=(batch, 1, n_mels, n_frames), dtype=float32] of `size` clips."""
        parts = [indices[start : start + size] for start in range(0, len(indices), size)]
        if self.resident is not None:
            rows = torch.from_numpy(indices).to(self.device)  # once, so that no batch waits for a copy
            return (self.resident[part].float().unsqueeze(1) for part in rows.split(size))
        if self.device.type == "cpu":
            return (torch.from_numpy(self.store.read(part)).unsqueeze(1) for part in parts)
        return self._read_ahead(parts)

    def _read_ahead(self, parts: list[np.ndarray]) -> Iterator[Tensor]:
        """A thread reads some batches ahead into pinned memory, from where they are copied without waiting."""

        def read(part: np.ndarray) -> Tensor:
            batch = torch.from_numpy(self.store.read(part)).half()
            return batch.pin_memory() if self.device.type == "cuda" else batch

        with ThreadPoolExecutor(1) as reader:
            ahead: deque[Future[Tensor]] = deque(reader.submit(read, part) for part in parts[:_AHEAD])
            for following in [*parts[_AHEAD:], *[None] * len(parts[:_AHEAD])]:
                batch = ahead.popleft().result()
                if following is not None:
                    ahead.append(reader.submit(read, following))
                yield batch.to(self.device, non_blocking=True).float().unsqueeze(1)


def feed(store: Store, device: torch.device, resident_bytes: float = inf) -> Feed:
    """A feed that keeps the store on a GPU where it takes `resident_bytes` at most; else batches are read ahead."""
    needed = 2 * len(store.clip_ids) * store.n_mels * store.n_frames
    is_resident = device.type == "cuda" and needed <= resident_bytes
    return Feed(store, device, load(store, device) if is_resident else None)


def load(store: Store, device: torch.device) -> Tensor:
    """The whole store on a device, in float16: (n_clips, n_mels, n_frames)."""
    n_clips = len(store.clip_ids)
    whole = torch.empty((n_clips, store.n_mels, store.n_frames), dtype=torch.float16, device=device)
    for start in range(0, n_clips, _READ_CLIPS):
        indices = np.arange(start, min(start + _READ_CLIPS, n_clips))
        whole[start : start + len(indices)] = torch.from_numpy(store.read(indices))
    return whole
