"""The audio files of a shard, and what tells that one of them was replaced."""

import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import repeat
from pathlib import Path

_READERS = 16
"""Threads that ask for files' sizes: a network's file system answers each after some time, but many at once."""


def shard_digest(tracks: Path, root: Path, shard: str) -> str:
    """A digest of size and date of every audio file of a shard; `unknown` before there are tracks.

    The date counts in whole seconds, which all file systems and ways of copying keep. Moving the folder changes
    nothing here.

    Parameters
    ----------
    tracks : `tracks.parquet`
    root : the dataset's root
    shard : its name, such as `03`
    """
    try:
        written_ns = tracks.stat().st_mtime_ns
    except FileNotFoundError:
        return "unknown"
    return _digest(tracks, written_ns, root, shard)


@cache
def _digest(tracks: Path, written_ns: int, root: Path, shard: str) -> str:
    paths = _paths(tracks, written_ns)[shard]
    with ThreadPoolExecutor(_READERS) as pool:
        states = pool.map(_state, repeat(root), paths)
        rows = "\n".join(f"{path}\t{state}" for path, state in zip(paths, states, strict=True))
    return hashlib.sha256(rows.encode(errors="surrogateescape")).hexdigest()[:16]


def _state(root: Path, path: str) -> str:
    try:
        status = (root / path).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {int(status.st_mtime)}"


@cache
def _paths(tracks: Path, written_ns: int) -> dict[str, list[str]]:
    """The paths of each shard's clips, relative to the dataset's root."""
    import pyarrow.parquet as pq  # here, because planning a new run does not need it

    with pq.ParquetFile(tracks) as file:
        table = file.read(columns=["path", "shard"])
    by_shard: dict[str, list[str]] = defaultdict(list)
    for path, shard in zip(table["path"].to_pylist(), table["shard"].to_pylist(), strict=True):
        by_shard[shard].append(path)
    return by_shard
