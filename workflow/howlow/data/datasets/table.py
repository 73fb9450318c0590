"""A user's own collection: a CSV or Parquet table with one row for each clip.

The column `path` is relative to the root. Without a column `clip_id`, the path is the id. Without a column `split`, or
`fold` where there are folds, a split is made. The clips of one `group`, such as an artist or an album, are always in
one split or fold. The tags are either one column `tags` of separated names, or all other columns, which hold 0 and 1.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from howlow.data import splits
from howlow.data.datasets import metadata, tabular
from howlow.data.tracks import SPLITS, Tracks, shards_by_hash
from howlow.errors import MetadataError

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""The share of the clips that each split gets if the table has no column `split`."""

_RESERVED = ("clip_id", "path", "split", "fold", "group", "tags")
_SYNONYMS = {"valid": "validation", "val": "validation", "training": "train", "testing": "test"}


def load(
    root: Path | str,
    *,
    table: str,
    tags: list[str] | str | None = None,
    top: int | None = None,
    min_clips: int = 1,
    separator: str = ",",
    untagged: str = "keep",
    folds: int | None = None,
    shards: int = 4,
) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the table.

    Parameters
    ----------
    root : the folder that paths are relative to
    table : a CSV file (separated by commas or tabs) or a Parquet file
    tags : the names of the tags to keep: a list, or a text file with one tag a line; None keeps all
    top : keep only this number of tags, those with the most clips
    min_clips : keep only tags that have at least this number of clips
    separator : the text between the names in the column `tags`
    untagged : `keep` or `drop` the clips that have none of the tags
    folds : number of folds; without it, the splits are fixed
    shards : number of shards; a hash of a clip's id decides which shard the clip is in

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason)

    Raises
    ------
    MetadataError
        if the file is missing, or a row or column is invalid
    """
    path = Path(table)
    content = _read(path)
    paths = metadata.relative_paths(path, "path", tabular.full_text(path, content, "path"))
    clip_ids = tabular.full_text(path, content, "clip_id") if "clip_id" in content.column_names else paths
    tabular.check_unique(path, "path", paths)
    tabular.check_unique(path, "clip_id", clip_ids)
    known, labels = _labels(path, content, separator)
    chosen = _choose(path, known, labels, tags, top, min_clips)
    labels = labels[:, [known.index(tag) for tag in chosen]]
    kept, left_out = metadata.without_untagged(clip_ids, labels, untagged)
    groups = tabular.full_text(path, content, "group") if "group" in content.column_names else paths
    split_of = _folds(path, content, groups, labels, kept, folds) if folds else _splits(path, content, groups, kept)
    tracks = Tracks(
        clip_ids=[clip_ids[index] for index in kept],
        paths=[paths[index] for index in kept],
        splits=[split_of[index] for index in kept],
        shards=shards_by_hash([clip_ids[index] for index in kept], shards),
        groups=[groups[index] for index in kept],
        tags=chosen,
        labels=labels[kept],
    )
    return tracks, left_out


def split_rule(spec: dict[str, Any]) -> str:
    """How the clips are split without folds."""
    return "as the table says, or else by group"


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise MetadataError(f"{path}: no such file; `table` has to name a CSV or Parquet file with a row for each clip")
    content = tabular.read_table(path, ["path"])
    if not content.num_rows:
        raise MetadataError(f"{path}: has no rows")
    return content


def _labels(path: Path, content: pa.Table, separator: str) -> tuple[list[str], np.ndarray]:
    """All tags, and a boolean array (n_clips, n_tags) that says which clip has which tag."""
    columns = [name for name in content.column_names if name not in _RESERVED]
    if "tags" not in content.column_names:
        if not columns:
            raise MetadataError(f"{path}: has neither a column 'tags' nor columns of 0 and 1")
        metadata.check_tags(path, columns)
        return columns, np.column_stack([tabular.booleans(path, content, tag) for tag in columns])
    texts = [value or "" for value in tabular.text(path, content, "tags").to_pylist()]
    names = [[name.strip() for name in text.split(separator) if name.strip()] for text in texts]
    known = sorted({name for row in names for name in row})
    if not known:
        raise MetadataError(f"{path}: the column 'tags' is empty in every row")
    metadata.check_tags(path, known, names)
    position = {tag: index for index, tag in enumerate(known)}
    labels = np.zeros((len(names), len(known)), bool)
    for row, tags in enumerate(names):
        labels[row, [position[tag] for tag in tags]] = True
    return known, labels


def _choose(
    path: Path, known: list[str], labels: np.ndarray, tags: list[str] | str | None, top: int | None, min_clips: int
) -> tuple[str, ...]:
    """The requested tags that are frequent enough, in the given order or, with `top`, by decreasing frequency."""
    asked = metadata.chosen_tags(path, known, tags)
    count = dict(zip(known, labels.sum(axis=0).tolist(), strict=True))
    frequent = [tag for tag in asked if count[tag] >= min_clips]
    if len(frequent) < len(asked):
        rare = [tag for tag in asked if count[tag] < min_clips]
        print(
            f"{len(rare)} tags left out, because they have fewer than {min_clips} clips (min_clips):"
            f" {', '.join(rare[:20])}"
        )
    if top is not None:
        frequent = sorted(frequent, key=lambda tag: (-count[tag], tag))[:top]
    if not frequent:
        raise MetadataError(
            f"{path}: no tag reaches min_clips {min_clips}; the most frequent has {max(count.values())} clips"
        )
    return tuple(frequent)


def _splits(path: Path, content: pa.Table, groups: list[str], kept: list[int]) -> dict[int, str]:
    """The split of each clip, by index: as the table says, or a new split of the clips that are kept."""
    if "fold" in content.column_names:
        n_folds = len(set(tabular.full_text(path, content, "fold")))
        raise MetadataError(f"{path}: has a column 'fold': set `folds: {n_folds}`, or give this column another name")
    if "split" not in content.column_names:
        return dict(zip(kept, splits.by_group([groups[index] for index in kept], SHARES), strict=True))
    given = [_SYNONYMS.get(name, name) for name in tabular.full_text(path, content, "split")]
    for row, split in enumerate(given, start=2):
        if split not in SPLITS:
            raise MetadataError(f"{path}: row {row}: split {split!r} is not one of {', '.join(SPLITS)}")
    _check_groups(path, groups, given)
    return dict(enumerate(given))


def _folds(
    path: Path, content: pa.Table, groups: list[str], labels: np.ndarray, kept: list[int], n_folds: int
) -> dict[int, str]:
    """The part of each clip, by index: as the table says, or new parts of the clips that are kept."""
    if "split" in content.column_names:
        raise MetadataError(f"{path}: has a column 'split', but `folds` is set: remove one of them")
    if "fold" not in content.column_names:
        of_kept = [groups[index] for index in kept]
        if len(set(of_kept)) < n_folds:
            raise MetadataError(f"{path}: {n_folds} folds need as many groups, and there are {len(set(of_kept))}")
        return dict(zip(kept, splits.into_folds(of_kept, labels[kept], n_folds), strict=True))
    given = tabular.full_text(path, content, "fold")
    names = sorted(set(given), key=lambda name: (len(name), name))  # 10 comes after 9
    if len(names) != n_folds:
        raise MetadataError(f"{path}: the column 'fold' has {len(names)} different values, but `folds` is {n_folds}")
    _check_groups(path, groups, given)
    return dict(enumerate(str(names.index(name) + 1) for name in given))


def _check_groups(path: Path, groups: list[str], given: list[str]) -> None:
    """Refuse a group whose clips are not all in the same split or fold."""
    seen: dict[str, tuple[str, int]] = {}
    for row, (split, group) in enumerate(zip(given, groups, strict=True), start=2):
        other, at = seen.setdefault(group, (split, row))
        if other != split:
            raise MetadataError(f"{path}: row {row}: group {group!r} is in {split}, but in row {at} in {other}")
