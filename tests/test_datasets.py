"""Metadata to tracks: MagnaTagATune's layout and the Million Song Dataset's pickles, good and bad."""

import collections
import io
import os
import pickle
import struct
import typing
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from howlow import tracks as tracks_module
from howlow.datasets import msd, mtat

ROWS = [
    [1, 1, 0, "0/a-b-01-c-0-29.mp3"],
    [2, 0, 1, "b/a-b-01-c-0-29.mp3"],
    [5, 0, 0, "c/a-b-01-c-0-29.mp3"],
    [9, 1, 1, "d/a-b-01-c-0-29.mp3"],
    [7, 1, 1, "f/a-b-01-c-0-29.mp3"],
]


def test_mtat_splits_by_folder(annotations):
    tracks, left_out = mtat.load(annotations(ROWS), shards=4)
    assert tracks.clip_ids == ["1", "2", "5", "9", "7"]
    assert tracks.splits == ["train", "train", "validation", "test", "test"]
    assert tracks.shards == ["00", "02", "03", "03", "03"]
    assert tracks.tags == ("guitar", "slow")
    assert tracks.labels.tolist() == [[True, False], [False, True], [False, False], [True, True], [True, True]]
    assert tracks.paths[0] == "0/a-b-01-c-0-29.mp3"
    assert left_out == []


def test_mtat_audio_may_lie_in_a_subfolder(annotations):
    root = annotations(ROWS)
    (root / "mp3").mkdir()
    assert mtat.load(root)[0].paths[0] == "mp3/0/a-b-01-c-0-29.mp3"


def test_mtat_tags_are_chosen_by_name(annotations, tmp_path):
    assert mtat.load(annotations(ROWS), tags=["slow"])[0].labels[:2].tolist() == [[False], [True]]
    (tmp_path / "tags.txt").write_text("slow\nguitar\n")
    assert mtat.load(tmp_path, tags=str(tmp_path / "tags.txt"))[0].tags == ("slow", "guitar")


def test_mtat_known_unusable_clips_are_left_out(annotations, tmp_path):
    (tmp_path / "bad.csv").write_text("clip_id,reason\n9,broken\n1234,not even here\n")
    tracks, left_out = mtat.load(annotations(ROWS), exclude=str(tmp_path / "bad.csv"))
    assert tracks.clip_ids == ["1", "2", "5", "7"]
    assert left_out == [("9", "broken")]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([*ROWS, [1, 0, 0, "0/x.mp3"]], None, "row 7: clip_id '1' is that of row 2 already"),
        ([*ROWS, [10, 0, 0, ROWS[0][3]]], None, "row 7: mp3_path '0/a-b-01-c-0-29.mp3' is that of row 2 already"),
        ([[1, 2, 0, "0/x.mp3"]], None, "row 2: column 'guitar' is '2', not 0 or 1"),
        ([[1, 0, "", "0/x.mp3"]], None, "row 2: column 'slow' is '', not 0 or 1"),
        ([[1, 0, 0, "/etc/passwd"]], None, "row 2: mp3_path '/etc/passwd' is not a path below"),
        ([[1, 0, 0, "0/../../x.mp3"]], None, "row 2: mp3_path '0/../../x.mp3' is not a path below"),
        ([[1, 0, 0, "g/x.mp3"]], None, "row 2: mp3_path 'g/x.mp3' is not a path below"),
        (ROWS, ["id", "guitar", "slow", "mp3_path"], "row 1: expected tab-separated columns clip_id, the tags and"),
        (ROWS, ["clip_id", "slow", "slow", "mp3_path"], "row 1: the column 'slow' is there twice"),
        (ROWS, ["clip_id", "split", "slow", "mp3_path"], "row 1: a tag must not be named 'split'"),
        ([[1, 0, 0]], None, "Expected 4 columns, got 3"),
    ],
)
def test_mtat_bad_annotations_are_named(rows, header, message, annotations):
    with pytest.raises(mtat.MetadataError) as caught:
        mtat.load(annotations(rows, header))
    assert message in str(caught.value)
    assert "annotations_final.csv" in str(caught.value)


def test_mtat_missing_files_and_tags(annotations, tmp_path):
    with pytest.raises(mtat.MetadataError, match=r"annotations_final\.csv: no such file"):
        mtat.load(tmp_path)
    root = annotations(ROWS)
    with pytest.raises(mtat.MetadataError, match="there is no tag 'guitra'; did you mean 'guitar'"):
        mtat.load(root, tags=["guitra"])
    with pytest.raises(mtat.MetadataError, match=r"tags\.txt: no such file"):
        mtat.load(root, tags="tags.txt")
    with pytest.raises(mtat.MetadataError, match=r"bad\.csv: no such file"):
        mtat.load(root, exclude="bad.csv")


def test_the_papers_tags():
    tags = (ROOT / "resources" / "mtat_tags.txt").read_text().splitlines()
    assert len(set(tags)) == len(tags) == 50


def test_real_music(real_music):
    tracks, _ = mtat.load(real_music)
    assert collections.Counter(tracks.splits) == {"train": 598, "validation": 50, "test": 146}
    assert all((real_music / path).is_file() for path in tracks.paths)


def test_tracks_round_trip(annotations, tmp_path):
    tracks, _ = mtat.load(annotations(ROWS))
    tracks.write(tmp_path / "tracks.parquet", "mtat")
    again = tracks_module.read(tmp_path / "tracks.parquet")
    assert again.digest() == tracks.digest()
    assert tracks_module.read_tags(tmp_path / "tracks.parquet") == tracks.tags
    first = (tmp_path / "tracks.parquet").read_bytes()
    tracks.write(tmp_path / "tracks.parquet", "mtat")
    assert (tmp_path / "tracks.parquet").read_bytes() == first


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its byte strings, and NumPy under its name of then."""

    dispatch: typing.ClassVar = dict(pickle._Pickler.dispatch)

    def save_byte_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin-1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_byte_string


def python2_pickle(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(content)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture
def msd_root(tmp_path: Path) -> Path:
    train, test = [f"TRAAA{i:03d}" for i in range(6)], [f"TRBBB{i:03d}" for i in range(4)]
    vectors = {clip_id: np.eye(2)[i % 2] for i, clip_id in enumerate(train[:5] + test)}
    (tmp_path / "filtered_list_train.cP").write_bytes(python2_pickle(train))
    # Protocol 0, as Python 2 wrote a list of byte strings.
    lines = "".join(f"S'{clip_id}'\np{i + 1}\na" for i, clip_id in enumerate(test))
    (tmp_path / "filtered_list_test.cP").write_text(f"(lp0\n{lines}.")
    (tmp_path / "msd_id_to_tag_vector.cP").write_bytes(python2_pickle(vectors))
    (tmp_path / "50tagList.txt").write_text("rock\npop\n")
    return tmp_path


def test_msd(msd_root, monkeypatch):
    monkeypatch.setattr(msd, "N_TRAIN", 4)
    tracks, left_out = msd.load(msd_root, shards=3)
    assert collections.Counter(tracks.splits) == {"train": 4, "validation": 1, "test": 4}
    assert tracks.paths[0] == "A/A/A/TRAAA000.mp3"
    assert tracks.labels[0].tolist() == [True, False]
    assert sorted(set(tracks.shards)) == ["00", "01", "02"]
    assert left_out == [("TRAAA005", "has no tag vector")]


@pytest.mark.parametrize("protocol", [0, 2])
def test_msd_refuses_other_pickles_by_name(msd_root, protocol):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(msd_root / "evil"),)

    (msd_root / "filtered_list_train.cP").write_bytes(pickle.dumps(Evil(), protocol))
    with pytest.raises(msd.PickleError, match=r"filtered_list_train\.cP: holds (posix|os)\.mkdir"):
        msd.load(msd_root)
    assert not (msd_root / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", b"(lp0\nS'TR"])
def test_msd_broken_pickles(msd_root, content):
    (msd_root / "filtered_list_test.cP").write_bytes(content)
    with pytest.raises(msd.PickleError, match=r"filtered_list_test\.cP: not a pickle"):
        msd.load(msd_root)
