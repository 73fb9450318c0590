"""The metadata of the Million Song Dataset, and pickles that are not to be opened."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from large_metadata import python2_pickle

from howlow.data.datasets import msd


@pytest.fixture
def msd_root(tmp_path: Path) -> Path:
    train, test = [f"TRAAA{i:03d}" for i in range(6)], [f"TRBBB{i:03d}" for i in range(4)]
    vectors = {clip_id: np.eye(2)[i % 2] for i, clip_id in enumerate(train[:5] + test)}
    (tmp_path / "filtered_list_train.cP").write_bytes(python2_pickle(train))
    # A pickle of protocol 0, as Python 2 wrote a list of byte strings.
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


def test_msd_through_the_7digital_maps(msd_root, monkeypatch):
    monkeypatch.setattr(msd, "N_TRAIN", 4)
    with pytest.raises(msd.PickleError, match=r"MSD_id_to_7D_id\.pkl: no such file"):
        msd.load(msd_root, audio="7digital")
    ids = {"TRAAA000": "77", "TRAAA001": "78", "TRBBB000": "79"}
    found = {"77": "7/7/77.clip.mp3", "79": "7/9/79.clip.mp3"}
    (msd_root / "MSD_id_to_7D_id.pkl").write_bytes(python2_pickle(ids))
    (msd_root / "7D_id_to_path.pkl").write_bytes(python2_pickle(found))
    tracks, left_out = msd.load(msd_root, audio="7digital")
    assert dict(zip(tracks.clip_ids, tracks.paths, strict=True)) == {
        "TRAAA000": "7/7/77.clip.mp3",
        "TRBBB000": "7/9/79.clip.mp3",
    }
    assert ("TRAAA001", "has no path in the 7digital maps") in left_out
    assert len({clip_id for clip_id, _ in left_out}) == len(left_out) == 8
    (msd_root / "7D_id_to_path.pkl").write_bytes(python2_pickle({"77": "../../etc/passwd"}))
    with pytest.raises(msd.PickleError, match=r"'\.\./\.\./etc/passwd' is not a path below"):
        msd.load(msd_root, audio="7digital")


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
