"""The table of clips is read back as it was written, and its digest follows what training reads from it."""

import hashlib
from dataclasses import asdict, replace

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from howlow import files
from howlow.data import tracks as tracks_module
from howlow.data.tracks import Tracks

TRACKS = Tracks(
    clip_ids=["9", "ä b", "2", "7", "x"],
    paths=["f/9.mp3", "0/ä b.mp3", "c/2.mp3", "1/7.mp3", "d/x.mp3"],
    splits=["test", "train", "validation", "train", "test"],
    shards=["01", "00", "01", "02", "00"],
    groups=["song 1", "song 2", "song 1", "song 3", "song 3"],
    tags=("rock", "no vocals", "=1+1"),
    labels=np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], bool),
)


@pytest.fixture
def written(tmp_path):
    TRACKS.write(tmp_path / "tracks.parquet", "mine", "by artist", "0123")
    return tmp_path / "tracks.parquet"


def assert_equal(found, expected):
    for name, value in asdict(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert found.labels.dtype == bool
    assert isinstance(found.tags, tuple)


def test_what_is_written_is_read(written):
    assert_equal(tracks_module.read(written), TRACKS)
    assert tracks_module.read_tags(written) == TRACKS.tags
    assert tracks_module.read_size(written) == (5, 3)
    assert tracks_module.read_paths(written) == (TRACKS.shards, TRACKS.clip_ids, TRACKS.paths)


def test_each_fold_is_tested_once_and_validates_on_the_next():
    folds = replace(TRACKS, splits=["2", "1", "3", "4", "1"])
    assert (TRACKS.n_folds, folds.n_folds) == (0, 4)
    assert TRACKS.of_fold(None) == TRACKS.splits
    assert [folds.of_fold(fold) for fold in (1, 2, 4)] == [
        ["validation", "test", "train", "train", "test"],
        ["test", "train", "validation", "train", "train"],
        ["train", "validation", "train", "test", "validation"],
    ]


def test_tracks_are_read_by_others(written):
    frame = pd.read_parquet(written)
    assert list(frame.columns) == ["clip_id", "path", "split", "shard", "group", "rock", "no vocals", "=1+1"]
    assert frame["rock"].tolist() == [True, False, True, False, False]
    query = f"select count(*), sum(\"no vocals\"::int) from '{written}' where split <> 'test'"
    assert duckdb.sql(query).fetchall() == [(3, 2)]
    assert pq.read_schema(written).metadata == {
        b"dataset": b"mine",
        b"tags": b"rock\nno vocals\n=1+1",
        b"split_rule": b"by artist",
        b"source": b"0123",
        b"digest": TRACKS.digest().encode(),
    }


def test_names_that_files_of_results_hold(written):
    assert (tracks_module.SPLITS, tracks_module.MACRO) == (("train", "validation", "test"), "(macro)")
    TRACKS.write(written, "mine")
    metadata = pq.read_schema(written).metadata
    assert (metadata[b"split_rule"], metadata[b"source"]) == (b"", b"")


def test_the_same_tracks_give_the_same_bytes(written):
    first = written.read_bytes()
    TRACKS.write(written, "mine", "by artist", "0123")
    assert written.read_bytes() == first


@pytest.mark.parametrize("row_group_size", [1, 3, 7, 1000])
def test_tables_in_pieces(row_group_size, tmp_path):
    """Large tables are stored in pieces, and a piece of a column of bits may begin within a byte."""
    n_clips = 100
    names = [f"{number}" for number in range(n_clips)]
    labels = np.random.default_rng(0).random((n_clips, 3)) < 0.5
    tracks = Tracks(names, names, ["train"] * n_clips, ["00"] * n_clips, names, ("a", "b", "c"), labels)
    tracks.write(tmp_path / "whole.parquet", "mine")
    pq.write_table(pq.read_table(tmp_path / "whole.parquet"), tmp_path / "t.parquet", row_group_size=row_group_size)
    assert_equal(tracks_module.read(tmp_path / "t.parquet"), tracks)


def test_damaged_and_missing_tracks(written):
    content = written.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"hello"):
        written.write_bytes(damaged)
        with pytest.raises(files.DamagedFileError) as error:
            tracks_module.read(written)
        assert str(error.value) == f"{written}: is damaged; start the workflow again to make it anew"
    written.unlink()
    with pytest.raises(FileNotFoundError):
        tracks_module.read(written)


def test_the_digest_of_known_tracks():
    """The names in their order, each list ended by a zero byte, and then the labels, eight of them in a byte."""
    text = (
        "9\nä b\n2\n7\nx\0f/9.mp3\n0/ä b.mp3\nc/2.mp3\n1/7.mp3\nd/x.mp3\0test\ntrain\nvalidation\ntrain\ntest\0"
        "01\n00\n01\n02\n00\0rock\nno vocals\n=1+1\0"
    )
    labels = bytes([0b10001011, 0b00000010])
    assert TRACKS.digest() == hashlib.sha256(text.encode() + labels).hexdigest()


def swapped(values, first=0, second=1):
    """The same values with two of them swapped."""
    values = list(values)
    values[first], values[second] = values[second], values[first]
    return values


@pytest.mark.parametrize(
    "change",
    [
        {"clip_ids": swapped(TRACKS.clip_ids)},
        {"clip_ids": ["9", "a b", "2", "7", "x"]},
        {"paths": swapped(TRACKS.paths)},
        {"splits": swapped(TRACKS.splits)},
        {"splits": ["test", "train", "train", "train", "test"]},
        {"shards": swapped(TRACKS.shards)},
        {"tags": tuple(swapped(TRACKS.tags))},
        {"labels": np.roll(TRACKS.labels, 1, axis=0)},
        {"labels": np.roll(TRACKS.labels, 1, axis=1)},
        {"labels": TRACKS.labels ^ np.eye(5, 3, -2, dtype=bool)},
    ],
    ids=lambda change: "-".join(change),
)
def test_digest_follows_all_that_training_reads(change):
    """The records of trainings have this digest among their inputs."""
    assert replace(TRACKS, **change).digest() != TRACKS.digest()


def test_digest_does_not_follow_what_training_does_not_read(written):
    assert replace(TRACKS, groups=["another"] * 5).digest() == TRACKS.digest()
    assert tracks_module.read(written).digest() == TRACKS.digest()


@pytest.mark.parametrize(
    ("n_shards", "expected"), [(1, ["00"] * 3), (2, ["01", "00", "00"]), (100, ["41", "42", "74"])]
)
def test_shards_by_hash(n_shards, expected):
    """The first 32 bits by `sha256sum` of a.mp3, b.mp3 and c.mp3, modulo the number of shards."""
    assert tracks_module.shards_by_hash(["a.mp3", "b.mp3", "c.mp3"], n_shards) == expected


def test_a_clip_more_or_less_leaves_the_shards_of_the_others():
    ids = [str(number) for number in range(60)]
    shards = tracks_module.shards_by_hash(ids, 4)
    assert set(shards) == {"00", "01", "02", "03"}
    assert tracks_module.shards_by_hash(ids[1:], 4) == shards[1:]
