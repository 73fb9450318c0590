"""MagnaTagATune, and any collection in its layout.

It has 25,863 clips of about 29 s of music from Magnatune, which players of a game tagged.

Law, West, Mandel, Bay and Downie, "Evaluation of algorithms using games: The case of music tagging",
ISMIR 2009. Licence of the annotations: CC BY-NC-SA.

Layout: `annotations_final.csv` (tab-separated: `clip_id`, one column of 0 and 1 for each tag, `mp3_path`), and the
audio folders `0` to `f`, in the root or in its subfolder `mp3`.
"""

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from howlow.data import splits
from howlow.data.datasets import metadata, tabular
from howlow.data.tracks import Tracks
from howlow.errors import MetadataError

PUBLISHED_ROWS = 25_863
PUBLISHED_TAGS = 188
PUBLISHED_SIZES = {"train": 18_706, "validation": 1_825, "test": 5_329}
PUBLISHED_TAGGED_SIZES = {"train": 15_247, "validation": 1_529, "test": 4_332}
"""The number of usable clips, and the number of those that have one of the literature's 50 tags."""

ANNOTATIONS = "annotations_final.csv"
FOLDERS = "0123456789abcdef"
_EXCERPT = re.compile(r"-\d+-\d+\.[^./]*$")
"""The end of the path of a clip: from which second of its song it is, and to which."""
_SPLITS = dict.fromkeys("0123456789ab", "train") | {"c": "validation"} | dict.fromkeys("def", "test")


def load(
    root: Path | str,
    *,
    tags: list[str] | str | None = None,
    exclude: str | None = None,
    untagged: str = "keep",
    split: str = "folders",
    folds: int | None = None,
    shards: int = 16,
) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the annotations.

    Parameters
    ----------
    root : the folder with `annotations_final.csv`
    tags : the names of the tags to keep: a list, or a text file with one tag a line; None keeps all
    exclude : a CSV file of unusable clips, with columns `clip_id` and `reason`
    untagged : `keep` or `drop` the clips that have none of the tags
    split : `folders` (0-b train, c validation, d-f test), or `artists` (about the same sizes, no artist in two splits)
    folds : number of folds by artist, in place of the split
    shards : number of shards, 1 to 16; each takes whole folders

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason)

    Raises
    ------
    MetadataError
        if a file is missing, or a row or column is invalid
    """
    path = Path(root) / ANNOTATIONS
    table = _read(path)
    chosen = metadata.chosen_tags(path, table.column_names[1:-1], tags)
    clip_ids, mp3_paths = _clips(path, table)
    labels = np.column_stack([tabular.booleans(path, table, tag) for tag in chosen])
    metadata.check_positives(path, chosen, labels)

    folders = [mp3_path[0] for mp3_path in mp3_paths]
    excluded = _read_excluded(exclude)
    tagged, left_out = metadata.without_untagged(clip_ids, labels, untagged)
    left_out = [(clip_id, reason) for clip_id, reason in left_out if clip_id not in excluded]
    left_out += [(clip_id, excluded[clip_id]) for clip_id in clip_ids if clip_id in excluded]
    kept = [index for index in tagged if clip_ids[index] not in excluded]
    split_of = _splits(mp3_paths, labels, kept, split, folds)
    prefix = "mp3/" if (Path(root) / "mp3").is_dir() else ""
    tracks = Tracks(
        clip_ids=[clip_ids[index] for index in kept],
        paths=[prefix + mp3_paths[index] for index in kept],
        splits=split_of,
        shards=[f"{FOLDERS.index(folders[index]) * shards // len(FOLDERS):02d}" for index in kept],
        groups=[song(mp3_paths[index]) for index in kept],
        tags=chosen,
        labels=labels[kept],
    )
    _report_difference(table, tracks, untagged, is_published=folds is None and split == "folders")
    return tracks, left_out


def split_rule(spec: dict[str, Any]) -> str:
    """How the clips are split without folds."""
    return f"by {spec.get('split', 'folders')}"


def song(mp3_path: str) -> str:
    """The song that a clip is an excerpt of: its path without the seconds; the whole path if it names no seconds."""
    return _EXCERPT.sub("", mp3_path)


def _splits(mp3_paths: list[str], labels: np.ndarray, kept: list[int], split: str, folds: int | None) -> list[str]:
    """The split, or the part, of each clip that is kept. A path is `folder/artist-album-track-title-from-to.mp3`."""
    artists = [PurePosixPath(mp3_path).name.split("-")[0] for mp3_path in mp3_paths]
    if folds is not None:
        return splits.into_folds([artists[index] for index in kept], labels[kept], folds)
    if split == "folders":
        return [_SPLITS[mp3_paths[index][0]] for index in kept]
    total = sum(PUBLISHED_SIZES.values())  # the sizes are like those by folder
    split_of = splits.by_group(artists, {split: size / total for split, size in PUBLISHED_SIZES.items()})
    return [split_of[index] for index in kept]


def _report_difference(table: pa.Table, tracks: Tracks, untagged: str, is_published: bool) -> None:
    """Warn if the whole MagnaTagATune differs from what others report. Other collections are not compared."""
    if table.num_columns - 2 != PUBLISHED_TAGS:
        return
    if table.num_rows != PUBLISHED_ROWS:
        print(f"warning: {table.num_rows} rows; MagnaTagATune has {PUBLISHED_ROWS}")
    expected = PUBLISHED_SIZES if untagged == "keep" else PUBLISHED_TAGGED_SIZES
    sizes = dict(Counter(tracks.splits))
    if is_published and sizes != expected:
        print(f"warning: {sizes} clips; others report {expected}")


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise MetadataError(f"{path}: no such file; the dataset's root has to hold {ANNOTATIONS}")
    header = tabular.header(path, "\t")
    if len(header) < 3 or header[0] != "clip_id" or header[-1] != "mp3_path":
        raise MetadataError(
            f"{path}: row 1: expected tab-separated columns clip_id, the tags and mp3_path, found {len(header)}"
            f" column(s) from {header[0] if header else ''!r} to {header[-1] if header else ''!r}"
        )
    metadata.check_tags(path, header[1:-1])
    return tabular.read_text(path, header, "\t")


def _clips(path: Path, table: pa.Table) -> tuple[list[str], list[str]]:
    """The ids of the clips, and the paths of their files."""
    clip_ids = tabular.full_text(path, table, "clip_id")
    mp3_paths = metadata.relative_paths(path, "mp3_path", tabular.full_text(path, table, "mp3_path"))
    tabular.check_unique(path, "clip_id", clip_ids)
    tabular.check_unique(path, "mp3_path", mp3_paths)
    _check_folders(path, mp3_paths)
    return clip_ids, mp3_paths


def _check_folders(path: Path, mp3_paths: list[str]) -> None:
    for row, mp3_path in enumerate(mp3_paths, start=2):
        if mp3_path[0] not in FOLDERS or mp3_path[1:2] != "/":
            raise MetadataError(
                f"{path}: row {row}: mp3_path {mp3_path!r} is not a path below one of the folders 0 to f"
            )


def _read_excluded(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    if not Path(path).is_file():
        raise MetadataError(f"{path}: no such file; `exclude` has to name a CSV file with clip_id and reason")
    table = tabular.read_table(Path(path), ["clip_id", "reason"])
    return dict(zip(*(tabular.full_text(Path(path), table, name) for name in ("clip_id", "reason")), strict=True))
