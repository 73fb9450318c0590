"""What the readers of metadata share: checks of tags, paths and splits, and the choice of tags."""

import difflib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from howlow.data.datasets import tabular
from howlow.data.tracks import COLUMNS, MACRO, SPLITS, Tracks
from howlow.errors import MetadataError


def check_tags(path: Path, tags: Sequence[str], rows: Sequence[Collection[str]] = (), first_row: int = 2) -> None:
    """Refuse a tag that is there twice, or that has an invalid name.

    Parameters
    ----------
    rows : the tags of each row from `first_row` on, if tags stand in cells; empty if tags are the names of columns
    """
    twice = tabular.first_twice(tags)
    for tag in tags:
        if not tag:
            problem = "there is a tag, or a column, without a name"
        elif tabular.CONTROL_CHARACTER.search(tag):
            problem = f"the tag {tag!r} has a control character; rename it"
        elif tag != tag.strip():
            problem = f"the tag {tag!r} begins or ends with a blank; remove it"
        elif tag in (*COLUMNS, MACRO):
            problem = f"a tag must not be named {tag!r}"
        elif tag == twice:
            problem = f"the tag {tag!r} is there twice"
        else:
            continue
        row = next((row for row, names in enumerate(rows, start=first_row) if tag in names), 1)
        raise MetadataError(f"{path}: row {row}: {problem}")


def relative_paths(path: Path, column: str, values: Sequence[str]) -> list[str]:
    """Bring paths into their shortest form, so that each file has one path; see `shortest_path`."""
    shortest = []
    for row, value in enumerate(values, start=2):
        short = shortest_path(value)
        if not short:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is not a path below the dataset's root")
        shortest.append(short)
    return shortest


def shortest_path(value: str) -> str:
    """Shorten `./a//b.wav` to `a/b.wav`. The result is empty if the path is empty, absolute, or leads upwards."""
    parts = value.split("/")
    if value.startswith("/") or ".." in parts:
        return ""
    return "/".join(part for part in parts if part not in ("", "."))


def chosen_tags(path: Path, known: Sequence[str], tags: list[str] | str | None) -> tuple[str, ...]:
    """The tags to learn: those of a list, those of a text file with one tag a line, or all known tags."""
    if tags is None:
        return tuple(known)
    if isinstance(tags, str):
        source = Path(tags)
        if not source.is_file():
            raise MetadataError(f"{source}: no such file; `tags` has to name a text file with one tag a line")
        tags = tabular.read_list(source)
        if not tags:
            raise MetadataError(f"{source}: lists no tag; it has to name one tag a line")
        if twice := tabular.first_twice(tags):
            raise MetadataError(f"{source}: the tag {twice!r} is there twice")
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise MetadataError(f"{path}: there is no tag {tag!r}{hint}")
    return tuple(tags)


def check_positives(path: Path, tags: Sequence[str], labels: np.ndarray) -> None:
    """Refuse tags that no clip has, because they can't be learned."""
    without = np.flatnonzero(labels.sum(axis=0) == 0)
    if len(without):
        raise MetadataError(f"{path}: no clip has the tag {tags[without[0]]!r}: leave it out of `tags`")


def without_untagged(
    clip_ids: Sequence[str], labels: np.ndarray, untagged: str
) -> tuple[list[int], list[tuple[str, str]]]:
    """The indices of the clips to keep, and the clips left out with the reason.

    If `untagged` is `drop`, clips that have none of the tags are left out. If it is `keep`, all clips are kept.
    """
    is_kept = labels.any(axis=1) | (untagged == "keep")
    dropped = [(clip_ids[index], "has none of the tags") for index in np.flatnonzero(~is_kept).tolist()]
    return np.flatnonzero(is_kept).tolist(), dropped


def check_splits(dataset: str, tracks: Tracks, left_out: Sequence[tuple[str, str]], n_folds: int | None = None) -> None:
    """Refuse clips that no network can be trained and tested on.

    A single tag that all clips of a split have, or none of them, is accepted. It has no metrics there, and `check` says
    so.

    Raises
    ------
    MetadataError
        if a split or a fold is empty, or if each tag belongs to all test clips or to none of them
    """
    where = f"datasets.{dataset}"
    if not tracks.clip_ids:
        first = "".join(f"; the first is {clip_id!r}: {reason}" for clip_id, reason in left_out[:1])
        raise MetadataError(f"{where}: all {len(left_out)} clips are left out{first}")
    sizes = Counter(tracks.splits)
    without = f", {len(left_out)} being left out" if left_out else ""
    parts = [str(part) for part in range(1, n_folds + 1)] if n_folds else SPLITS
    for split in parts:
        if not sizes[split] and n_folds:
            raise MetadataError(
                f"{where}: none of its {len(tracks.clip_ids)} clips is in fold {split} of {n_folds}{without}; every"
                " fold needs clips, so set fewer `folds` or add groups"
            )
        if not sizes[split]:
            raise MetadataError(
                f"{where}: none of its {len(tracks.clip_ids)} clips is in the split {split!r}{without}; every split"
                " needs clips, and splits that are made need at least three clips or, with groups, three groups"
            )
    for part in parts if n_folds else ("test",):
        labels = tracks.labels[np.array(tracks.splits) == part]
        if not (labels.any(axis=0) & ~labels.all(axis=0)).any():
            of_fold = f" of fold {part}" if n_folds else ""
            raise MetadataError(
                f"{where}: each tag belongs to all {len(labels)} test clips{of_fold} or to none of them, so no accuracy"
                " can be measured; add clips or choose other tags"
            )
