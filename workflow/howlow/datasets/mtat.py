"""MagnaTagATune, and any collection in its layout.

25,863 clips of about 29 s of music from Magnatune, tagged by players of a game.

Law, West, Mandel, Bay and Downie, "Evaluation of algorithms using games: The case of music tagging",
ISMIR 2009. Licence of the annotations: CC BY-NC-SA.

Layout: `annotations_final.csv` (tab-separated: `clip_id`, one 0/1 column a tag, `mp3_path`) and the audio
folders `0` to `f`, in the root or in its subfolder `mp3`.
"""

import csv
import difflib
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from howlow import files
from howlow.errors import HowlowError
from howlow.tracks import COLUMNS, Tracks

PUBLISHED_SIZES = {"train": 18_706, "validation": 1_825, "test": 5_329}
ANNOTATIONS = "annotations_final.csv"
FOLDERS = "0123456789abcdef"
_SPLITS = dict.fromkeys("0123456789ab", "train") | {"c": "validation"} | dict.fromkeys("def", "test")


class MetadataError(HowlowError):
    """The annotations say something that they may not; the message names file, row and column."""


def load(
    root: Path | str, *, tags: list[str] | str | None = None, exclude: str | None = None, shards: int = 16
) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the annotations; split by folder: 0-b train, c validation, d-f test.

    Parameters
    ----------
    root : the folder with `annotations_final.csv`
    tags : the tags to keep, by name: a list, or a text file with one a line; None keeps all
    exclude : a CSV file of unusable clips, with columns `clip_id` and `reason`
    shards : number of shards, 1 to 16; each takes whole folders

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason)

    Raises
    ------
    MetadataError
        if a file is missing, or a row or column is not as it must be
    """
    path = Path(root) / ANNOTATIONS
    table = _read(path)
    chosen = _chosen_tags(path, table.column_names[1:-1], tags)
    clip_ids, mp3_paths = table["clip_id"].to_pylist(), table["mp3_path"].to_pylist()
    _check_unique(path, "clip_id", clip_ids)
    _check_unique(path, "mp3_path", mp3_paths)
    for row, mp3_path in enumerate(mp3_paths, start=2):
        _check_path(path, row, mp3_path)
    labels = np.column_stack([_boolean(path, table, tag) for tag in chosen])

    excluded = _read_excluded(exclude)
    kept = [index for index, clip_id in enumerate(clip_ids) if clip_id not in excluded]
    left_out = [(clip_id, excluded[clip_id]) for clip_id in clip_ids if clip_id in excluded]
    prefix = "mp3/" if (Path(root) / "mp3").is_dir() else ""
    folders = [mp3_paths[index][0] for index in kept]
    tracks = Tracks(
        clip_ids=[clip_ids[index] for index in kept],
        paths=[prefix + mp3_paths[index] for index in kept],
        splits=[_SPLITS[folder] for folder in folders],
        shards=[f"{FOLDERS.index(folder) * shards // len(FOLDERS):02d}" for folder in folders],
        tags=chosen,
        labels=labels[kept],
    )
    return tracks, left_out


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise MetadataError(f"{path}: no such file; the dataset's root has to hold {ANNOTATIONS}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader([file.readline()], delimiter="\t"), [])
    if len(header) < 3 or header[0] != "clip_id" or header[-1] != "mp3_path":
        raise MetadataError(
            f"{path}: row 1: expected tab-separated columns clip_id, the tags and mp3_path, found {len(header)}"
            f" column(s) from {header[0] if header else ''!r} to {header[-1] if header else ''!r}"
        )
    for name in header:
        if header.count(name) > 1:
            raise MetadataError(f"{path}: row 1: the column {name!r} is there twice")
    reserved = set(header[1:-1]) & set(COLUMNS)
    if reserved:
        raise MetadataError(f"{path}: row 1: a tag must not be named {sorted(reserved)[0]!r}")
    try:
        return arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(delimiter="\t"),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise MetadataError(f"{path}: {' '.join(str(error).split())}") from None


def _chosen_tags(path: Path, known: list[str], tags: list[str] | str | None) -> tuple[str, ...]:
    if tags is None:
        return tuple(known)
    if isinstance(tags, str):
        source = Path(tags)
        if not source.is_file():
            raise MetadataError(f"{source}: no such file; `tags` has to name a text file with one tag a line")
        tags = [line.strip() for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise MetadataError(f"{path}: there is no tag {tag!r}{hint}")
    return tuple(tags)


def _check_unique(path: Path, column: str, values: list[str]) -> None:
    first: dict[str, int] = {}
    for row, value in enumerate(values, start=2):
        if value in first:
            raise MetadataError(f"{path}: row {row}: {column} {value!r} is that of row {first[value]} already")
        first[value] = row


def _check_path(path: Path, row: int, mp3_path: str) -> None:
    parts = PurePosixPath(mp3_path).parts
    if len(parts) < 2 or parts[0] not in FOLDERS or ".." in parts:
        raise MetadataError(f"{path}: row {row}: mp3_path {mp3_path!r} is not a path below one of the folders 0 to f")


def _boolean(path: Path, table: pa.Table, tag: str) -> np.ndarray:
    column = table[tag]
    is_one = pc.equal(column, "1")
    wrong = pc.invert(pc.or_(is_one, pc.equal(column, "0"))).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise MetadataError(f"{path}: row {row + 2}: column {tag!r} is {column[row].as_py()!r}, not 0 or 1")
    return is_one.to_numpy()


def _read_excluded(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    if not Path(path).is_file():
        raise MetadataError(f"{path}: no such file; `exclude` has to name a CSV file with clip_id and reason")
    return {row["clip_id"]: row["reason"] for row in files.read_csv(path)}
