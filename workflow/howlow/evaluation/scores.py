"""The scores and the metrics of trained networks, read back from the files that the programs wrote.

A file that is damaged is set aside, so that the next run makes it anew.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from howlow import files
from howlow.data.tracks import Tracks

METRICS = ["seed", "split", "tag", "roc_auc", "pr_auc", "n_positive", "n_clips"]
"""The columns of `metrics.csv`."""


class Scores(NamedTuple):
    """The scored clips of one training.

    Attributes
    ----------
    splits : np.ndarray [shape=(n_clips,)], the split of each clip, `validation` or `test`
    groups : np.ndarray [shape=(n_clips,)], the group of each clip, such as its song
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    activations : np.ndarray [shape=(n_clips, n_tags)], of the tags
    """

    splits: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    activations: np.ndarray


def read_scores(path: Path, tracks: Tracks) -> Scores:
    """Read a `scores.parquet`, with the labels of its clips.

    Raises
    ------
    howlow.files.DamagedFileError
        if the file is damaged
    """
    try:
        table = pq.read_table(path)
        clip_ids, splits = table["clip_id"].to_pylist(), np.array(table["split"].to_pylist())
        activations = np.column_stack([table[tag].to_numpy() for tag in tracks.tags])
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, KeyError):
        raise files.set_aside(path, "it is not the Parquet file that was written") from None
    row_of = {clip_id: row for row, clip_id in enumerate(tracks.clip_ids)}
    rows = [row_of[clip_id] for clip_id in clip_ids]
    groups = np.array([tracks.groups[row] for row in rows])
    return Scores(splits, groups, tracks.labels[rows], activations)


def read_metrics(path: Path) -> pd.DataFrame:
    """Read a `metrics.csv`: a row for each seed, split and tag.

    Raises
    ------
    howlow.files.DamagedFileError
        if the file is damaged
    """
    try:
        # A tag may be named `NA` or `null`, so only empty fields are missing values.
        table = pd.read_csv(path, dtype={"tag": str}, keep_default_na=False, na_values=[""])
    except (ValueError, pd.errors.ParserError):
        raise files.set_aside(path, "it is not the table that was written") from None
    is_whole = list(table) == METRICS and table[["seed", "split", "tag", "n_clips"]].notna().all(axis=None)
    if not is_whole or any(table[column].dtype.kind not in "if" for column in ("seed", "roc_auc", "pr_auc")):
        raise files.set_aside(path, "it is not the table that was written")
    return table.assign(tag=table["tag"].map(files.from_cell))
