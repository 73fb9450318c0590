"""The file `tracks.parquet`, which lists the clips of a dataset with their split, shard and tags."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from howlow import files

SPLITS = ("train", "validation", "test")
COLUMNS = ("clip_id", "path", "split", "shard", "group")
MACRO = "(macro)"
"""Stands for the name of a tag where figures are means over the tags; no tag may have this name."""


@dataclass(frozen=True)
class Tracks:
    """The clips of a dataset.

    Attributes
    ----------
    clip_ids : list of str, unique
    paths : list of str, relative to the dataset's root
    splits : list of str, each one of `SPLITS` or, with folds, the clip's part: `1`, `2`, ...
    shards : list of str, such as `03`
    groups : list of str, what a clip is an excerpt of, such as its song; statistics resample whole groups
    tags : tuple of str, the names of the tags
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    """

    clip_ids: list[str]
    paths: list[str]
    splits: list[str]
    shards: list[str]
    groups: list[str]
    tags: tuple[str, ...]
    labels: np.ndarray

    @property
    def n_folds(self) -> int:
        """The number of parts that the clips are divided into; 0 if their splits are fixed."""
        parts = set(self.splits)
        return 0 if parts <= set(SPLITS) else len(parts)

    def of_fold(self, fold: int | None) -> list[str]:
        """The split of each clip in the trainings of one fold: they test on its part, and validate on the next one.

        Parameters
        ----------
        fold : int, from 1 on; None if the splits are fixed
        """
        if fold is None:
            return self.splits
        split_of = {str(fold): "test", str(fold % self.n_folds + 1): "validation"}
        return [split_of.get(part, "train") for part in self.splits]

    def digest(self) -> str:
        """SHA-256 of the content that training depends on, which does not depend on how the content is stored."""
        sums = hashlib.sha256()
        for column in (self.clip_ids, self.paths, self.splits, self.shards, self.tags):
            sums.update("\n".join(column).encode() + b"\0")
        sums.update(np.packbits(self.labels).tobytes())
        return sums.hexdigest()

    def write(self, path: Path | str, dataset: str, split_rule: str = "", source: str = "") -> None:
        """Write the tracks as Parquet.

        The metadata of the schema hold the dataset, the tags in order (one per line), the rule of the split, the digest
        of the source's files, and the digest of the content.
        """
        columns = [pa.array(column) for column in (self.clip_ids, self.paths, self.splits, self.shards, self.groups)]
        columns += [pa.array(column) for column in self.labels.T]
        metadata = {
            "dataset": dataset,
            "tags": "\n".join(self.tags),
            "split_rule": split_rule,
            "source": source,
            "digest": self.digest(),
        }
        schema = pa.schema(
            [*(pa.field(name, pa.string()) for name in COLUMNS), *(pa.field(tag, pa.bool_()) for tag in self.tags)],
            metadata=metadata,
        )
        with files.whole(path) as beside:
            pq.write_table(pa.Table.from_arrays(columns, schema=schema), beside)


def read(path: Path | str) -> Tracks:
    """Read a file that `Tracks.write` wrote.

    Raises
    ------
    howlow.files.DamagedFileError
        if the file is damaged
    """
    table = _table(path)
    tags = tuple(table.schema.metadata[b"tags"].decode().split("\n"))
    clip_ids, paths, splits, shards, groups = (table[name].to_pylist() for name in COLUMNS)
    labels = np.column_stack([_booleans(table[tag]) for tag in tags])
    return Tracks(clip_ids, paths, splits, shards, groups, tags, labels)


def _table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:  # pq.read_table would import pandas, which takes half a second
            return file.read(columns)
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):  # of the system, such as of a missing file
            raise
        raise files.DamagedFileError(f"{path}: is damaged; start the workflow again to make it anew") from None


def shards_by_hash(clip_ids: Sequence[str], n_shards: int) -> list[str]:
    """The shard of each clip, by a hash of its id, so that adding or removing a clip does not move the others."""
    return [f"{int(hashlib.sha256(clip_id.encode()).hexdigest()[:8], 16) % n_shards:02d}" for clip_id in clip_ids]


def _booleans(column: pa.ChunkedArray) -> np.ndarray:
    # The buffer has one byte for each value. `to_numpy` would import pandas.
    array = pa.concat_arrays(column.cast(pa.uint8()).chunks)
    return np.frombuffer(array.buffers()[1], np.uint8, len(array), array.offset).astype(bool)


def read_paths(path: Path | str) -> tuple[list[str], list[str], list[str]]:
    """Read only shards, clip ids and paths of a `tracks.parquet`, as `howlow.data.audio_files.by_shard` takes them."""
    table = _table(path, ["shard", "clip_id", "path"])
    return table["shard"].to_pylist(), table["clip_id"].to_pylist(), table["path"].to_pylist()


def read_tags(path: Path | str) -> tuple[str, ...]:
    """Read only the tags of a `tracks.parquet`, in their order."""
    return tuple(pq.read_schema(path).metadata[b"tags"].decode().split("\n"))


def read_size(path: Path | str) -> tuple[int, int]:
    """Read only the numbers of clips and of tags of a `tracks.parquet`."""
    return pq.read_metadata(path).num_rows, len(read_tags(path))
