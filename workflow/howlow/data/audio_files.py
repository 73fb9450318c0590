"""The files of a dataset, its metadata and its audio, which a user keeps elsewhere: finding them, and their changes."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from howlow import files

SUFFIXES = {".aac", ".aif", ".aiff", ".ape", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma", ".wv"}
"""How the names of audio files end, in lower case."""

_READERS = 16
"""Number of threads that look up files: a network file system is slow to answer, but answers many at once."""

Clip = tuple[str, str]
"""The id of a clip, and the path of its file relative to the dataset's root."""


def in_folder(folder: Path, on_error: Callable[[OSError], None]) -> list[Path]:
    """The audio files in a folder and its subfolders, sorted by path and without hidden ones.

    Parameters
    ----------
    folder : the folder
    on_error : is called for each folder that can't be read
    """
    found = [Path(parent, name) for parent, _, names in os.walk(folder, onerror=on_error) for name in names]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))


def states(metadata: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """The size, date and SHA-256 of each file, by the names in `metadata`; missing files are left out.

    Parameters
    ----------
    metadata : the files by name, see `howlow.config.specs.metadata_files`
    """
    return {name: {**_status(path), "sha256": files.sha256(path)} for name, path in metadata.items() if path.is_file()}


def changed(metadata: Mapping[str, Path], recorded: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The name of the first file whose content differs from what `states` recorded; None if none has changed.

    The content is read only if the size or the date differs. The place of a file does not count, so that it may be
    moved, copied or renamed.
    """
    for name, path in metadata.items():
        if not path.is_file():
            continue  # the program reports it, if it needs the file
        known = recorded.get(name)
        if known is None:
            return name
        if any(known[key] != value for key, value in _status(path).items()) and known["sha256"] != files.sha256(path):
            return name
    return next((name for name in recorded if name not in metadata), None)


def _status(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def by_shard(shards: Iterable[str], clip_ids: Iterable[str], paths: Iterable[str]) -> dict[str, list[Clip]]:
    """The clips of each shard, in the order of the tracks."""
    members: dict[str, list[Clip]] = defaultdict(list)
    for shard, *clip in zip(shards, clip_ids, paths, strict=True):
        members[shard].append((clip[0], clip[1]))
    return members


def digest(clips: Iterable[Clip], root: Path) -> str:
    """A digest of the clips of a shard, and of the size and date of each audio file.

    Dates are taken in whole seconds, which all file systems and ways of copying keep. The place of the folder and the
    order of the clips do not count.
    """
    members = sorted(clips)
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(_state, repeat(root), [path for _, path in members])
        rows = "\n".join(f"{clip_id}\t{path}\t{state}" for (clip_id, path), state in zip(members, found, strict=True))
    return hashlib.sha256(rows.encode(errors="surrogateescape")).hexdigest()[:16]


def _state(root: Path, path: str) -> str:
    try:
        status = (root / path).stat()
    except (OSError, ValueError):  # a ValueError means a path that no file can have
        return "missing"
    return f"{status.st_size} {int(status.st_mtime)}"
