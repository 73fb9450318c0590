"""The store of spectrograms: one .npy file for each shard, at x1 and in dB, read through memory maps.

Larger hops take every k-th frame, shorter clips the frames at the centre, fewer bits round the values, and `log` is
computed from `db`, so that none of these takes storage.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from howlow import files, provenance
from howlow.features import mel, quantizer
from howlow.features.quantizer import Quantizer


class StoreError(files.DamagedFileError):
    """The content of a store does not match its manifest; the message names the file."""


@dataclass(frozen=True)
class Store:
    """The spectrograms of a dataset at one sample rate and number of bands, read as one representation.

    Attributes
    ----------
    clip_ids : list of str, in the order of the indices that `read` takes
    quantizer : Quantizer or None, by which values are rounded after `copy`; None leaves them as they are stored
    """

    clip_ids: list[str]
    _shards: list[np.ndarray]  # each (n_clips, n_mels, n_frames at x1), a view of a memory map
    _shard_of: np.ndarray  # (n_clips,)
    _row_of: np.ndarray  # (n_clips,)
    _hop_factor: int
    _log_type: str
    quantizer: Quantizer | None = None

    @property
    def n_mels(self) -> int:
        """Number of mel bands."""
        return self._shards[0].shape[1]

    @property
    def n_frames(self) -> int:
        """Number of frames of a clip at the store's hop."""
        return -(-self._shards[0].shape[2] // self._hop_factor)

    @property
    def dtype(self) -> np.dtype:
        """The type that the spectrograms are stored in: float16 or float32."""
        return self._shards[0].dtype

    @property
    def log_type(self) -> str:
        """How the spectrograms are compressed when they are read: `db`, as they are stored, or `log`."""
        return self._log_type

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Read some clips into memory, and only these.

        Parameters
        ----------
        indices : np.ndarray [shape=(batch,), dtype=int], positions in `clip_ids`, in any order

        Returns
        -------
        np.ndarray [shape=(batch, n_mels, n_frames), dtype=float32]
        """
        batch = np.empty((len(indices), self.n_mels, self.n_frames), np.float32)
        self.copy(batch, indices, np.zeros(len(indices), int))
        if self.quantizer is not None:
            batch = quantizer.values(quantizer.codes(batch, self.quantizer), self.quantizer)
        return mel.from_db(batch, self._log_type)

    def copy(self, out: np.ndarray, indices: np.ndarray, starts: np.ndarray) -> None:
        """Copy some frames of some clips, in dB as they are stored; no other frames are read from the disk.

        Parameters
        ----------
        out : np.ndarray [shape=(batch, n_mels, n_frames)], to write to; it says how many frames of each clip to copy
        indices : np.ndarray [shape=(batch,), dtype=int], positions in `clip_ids`, in any order
        starts : np.ndarray [shape=(batch,), dtype=int], the first frame of each clip, counted at the store's hop
        """
        hop = self._hop_factor
        for row, index, start in zip(out, indices, starts, strict=True):
            clip = self._shards[self._shard_of[index]][self._row_of[index]]
            row[:] = clip[:, start * hop : (start + out.shape[2]) * hop : hop]


def open_store(
    manifest_path: Path | str,
    hop_factor: int,
    log_type: str,
    *,
    n_frames: int | None = None,
    quantizer: Quantizer | None = None,
) -> Store:
    """Open a store by its manifest, at one hop and log type.

    Parameters
    ----------
    n_frames : int, number of frames at x1 that are read of each clip, those at its centre; None reads all
    quantizer : by which the values are rounded

    Raises
    ------
    StoreError
        if a shard is missing, if its shape is not that of the manifest, or if the clips have fewer than `n_frames`
    """
    manifest = files.read_json(manifest_path)
    folder = Path(manifest_path).parent
    n_stored = manifest["n_frames"]
    n_frames = n_stored if n_frames is None else n_frames
    if n_frames > n_stored:
        raise StoreError(f"{manifest_path}: its clips have {n_stored} frames at x1, fewer than the {n_frames} to read")
    first = (n_stored - n_frames) // 2
    clip_ids: list[str] = []
    shards: list[np.ndarray] = []
    shard_of: list[int] = []
    row_of: list[int] = []
    for shard in manifest["shards"]:
        if not shard["clip_ids"]:
            continue
        path = folder / shard["file"]
        array = open_shard(path, (len(shard["clip_ids"]), manifest["n_mels"], n_stored))
        shard_of += [len(shards)] * len(array)
        row_of += range(len(array))
        shards.append(array[:, :, first : first + n_frames])
        clip_ids += shard["clip_ids"]
    if not shards:
        raise StoreError(f"{manifest_path}: holds no clip")
    return Store(clip_ids, shards, np.array(shard_of), np.array(row_of), hop_factor, log_type, quantizer)


def open_shard(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Open a shard as a memory map.

    Parameters
    ----------
    path : its .npy file
    shape : its expected shape (n_clips, n_mels, n_frames), or the first of these numbers

    Raises
    ------
    StoreError
        if it is missing, has another shape or is damaged; a damaged file is renamed
    """
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise StoreError(f"{path}: is missing; start the workflow again to make it anew") from None
    except (OSError, ValueError, EOFError):
        raise files.set_aside(path, "it is cut off or overwritten") from None
    if array.shape[: len(shape)] != shape:
        raise files.set_aside(path, f"it has the shape {array.shape} and not {shape}")
    return array


def verify(manifest_path: Path | str) -> None:
    """Check by SHA-256 that the bytes of all shards are those that were written.

    This reads the whole store once, at about a gigabyte per second, and leaves it in the cache of the machine.

    Raises
    ------
    StoreError
        if a shard is missing or damaged; a damaged one is renamed, so that the next run makes it again
    """
    for shard in files.read_json(manifest_path)["shards"]:
        path = Path(manifest_path).with_name(shard["file"])
        try:
            is_intact = files.sha256(path) == shard["sha256"]
        except FileNotFoundError:
            raise StoreError(f"{path}: is missing; start the workflow again to make it anew") from None
        if not is_intact:
            raise files.set_aside(path, "its bytes are not those that were written")


def content_digest(manifest: dict[str, Any]) -> str:
    """A digest of the entries of a manifest that describe the content of its store."""
    return provenance.digest({key: manifest[key] for key in ("n_mels", "n_frames", "dtype", "shards")})
