"""Tracks are made from metadata: MagnaTagATune's layout and the Million Song Dataset's pickles, good and bad."""

import collections
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run_script
from large_metadata import python2_pickle

from howlow import files
from howlow.data import splits
from howlow.data.datasets import metadata, msd, mtat
from howlow.data.datasets import table as table_module

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
        ([*ROWS, [1, 0, 0, "0/x.mp3"]], None, "row 7: clip_id '1' is already in row 2"),
        ([*ROWS, [10, 0, 0, ROWS[0][3]]], None, "row 7: mp3_path '0/a-b-01-c-0-29.mp3' is already in row 2"),
        ([[1, 2, 0, "0/x.mp3"]], None, "row 2: column 'guitar' is '2', not 0 or 1"),
        ([[1, 0, "", "0/x.mp3"]], None, "row 2: column 'slow' is '', not 0 or 1"),
        ([[1, 0, 0, "/etc/passwd"]], None, "row 2: mp3_path '/etc/passwd' is not a path below"),
        ([[1, 0, 0, "0/../../x.mp3"]], None, "row 2: mp3_path '0/../../x.mp3' is not a path below"),
        ([[1, 0, 0, "g/x.mp3"]], None, "row 2: mp3_path 'g/x.mp3' is not a path below"),
        (ROWS, ["id", "guitar", "slow", "mp3_path"], "row 1: expected tab-separated columns clip_id, the tags and"),
        (ROWS, ["clip_id", "slow", "slow", "mp3_path"], "row 1: the tag 'slow' is there twice"),
        (ROWS, ["clip_id", "split", "slow", "mp3_path"], "row 1: a tag must not be named 'split'"),
        ([[1, 0, 0]], None, "Expected 4 columns, got 3"),
        ([[1, 1, 0, "0/x.mp3"]], None, "no clip has the tag 'slow': leave it out of `tags`"),
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


def test_mtat_untagged_clips_are_kept_or_dropped(annotations):
    root = annotations(ROWS)
    assert len(mtat.load(root)[0].clip_ids) == 5
    tracks, left_out = mtat.load(root, untagged="drop")
    assert tracks.clip_ids == ["1", "2", "9", "7"]
    assert left_out == [("5", "has none of the tags")]


def test_mtat_split_by_artist(annotations):
    rows = [[i, i % 2, 1, f"{i % 16:x}/artist{i % 40}-album-01-song{i}-0-29.mp3"] for i in range(400)]
    tracks, _ = mtat.load(annotations(rows), split="artists")
    artists: dict[str, str] = {}
    for path, split in zip(tracks.paths, tracks.splits, strict=True):
        artist = path.split("/")[1].split("-")[0]
        assert artists.setdefault(artist, split) == split
    sizes = collections.Counter(tracks.splits)
    assert sizes["train"] / 400 == pytest.approx(0.723, abs=0.05)
    assert sizes["test"] / 400 == pytest.approx(0.206, abs=0.05)
    again, _ = mtat.load(annotations(rows[::-1]), split="artists")
    assert dict(zip(again.paths, again.splits, strict=True)) == dict(zip(tracks.paths, tracks.splits, strict=True))


@pytest.mark.parametrize("change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")])
def test_mtat_as_other_systems_write_it(annotations, change):
    root = annotations(ROWS)
    expected = mtat.load(root)[0].digest()
    path = root / "annotations_final.csv"
    path.write_bytes(change(path.read_bytes()))
    assert mtat.load(root)[0].digest() == expected


@pytest.mark.parametrize("column", [0, 3])
def test_mtat_that_is_not_utf_8(annotations, column):
    root = annotations(ROWS)
    path = root / "annotations_final.csv"
    text = path.read_bytes()
    path.write_bytes(text.replace(b"guitar", b"guit\xe4r") if column == 0 else text.replace(b"a-b", b"\xe4-b"))
    with pytest.raises(metadata.MetadataError, match=r"annotations_final\.csv: .*UTF"):
        mtat.load(root)


def test_whole_magnatagatune_is_compared_with_what_others_report(annotations, capsys):
    tags = [f"tag {i}" for i in range(mtat.PUBLISHED_TAGS)]
    rows = [[i, *[1] * len(tags), f"{i:x}/a-b-01-c-0-29.mp3"] for i in range(16)]
    mtat.load(annotations(rows, ["clip_id", *tags, "mp3_path"]))
    printed = capsys.readouterr().out
    assert "warning: 16 rows; MagnaTagATune has 25863" in printed
    assert "others report {'train': 18706, 'validation': 1825, 'test': 5329}" in printed
    mtat.load(annotations(ROWS))
    assert capsys.readouterr().out == ""


def test_the_papers_tags():
    tags = (ROOT / "resources" / "mtat_tags.txt").read_text().splitlines()
    assert len(set(tags)) == len(tags) == 50


def test_real_music(real_music):
    tracks, _ = mtat.load(real_music)
    assert collections.Counter(tracks.splits) == {"train": 598, "validation": 50, "test": 146}
    assert all((real_music / path).is_file() for path in tracks.paths)


def test_a_group_is_a_song_of_magnatagatune(annotations):
    """Clips of a song differ in the seconds at the end of their paths; other paths are groups of one clip."""
    paths = ["d/band-album-01-one-0-29.mp3", "d/band-album-01-one-29-58.mp3", "d/band-album-02-two-0-29.mp3"]
    paths += ["e/band-album-01-one-0-29.mp3", "f/a-1-b.mp3", "0/x.mp3", "c/y.mp3"]
    tracks, _ = mtat.load(annotations([[number, 1, number % 2, path] for number, path in enumerate(paths)]))
    songs = ["d/band-album-01-one"] * 2 + ["d/band-album-02-two", "e/band-album-01-one", *paths[4:]]
    assert tracks.groups == songs


def test_every_folder_of_magnatagatune_is_in_its_split(annotations):
    rows = [[number, 1, number % 2, f"{folder}/x.mp3"] for number, folder in enumerate("0123456789abcdef")]
    tracks, _ = mtat.load(annotations(rows))
    assert tracks.splits == ["train"] * 12 + ["validation"] + ["test"] * 3


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


@pytest.fixture
def table(tmp_path):
    """Writes a user's own table and loads it."""

    def load(text: str | bytes, name: str = "tracks.csv", **options: object):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return table_module.load(tmp_path, table=str(path), **options)

    return load


ONE_HOT = "path,split,rock,calm\na.mp3,train,1,0\nb.mp3,validation,0,1\nc.mp3,test,1,1\n"


def test_table_of_columns(table):
    tracks, left_out = table(ONE_HOT, shards=2)
    assert tracks.clip_ids == tracks.paths == ["a.mp3", "b.mp3", "c.mp3"]
    assert tracks.splits == ["train", "validation", "test"]
    assert tracks.shards == ["01", "00", "00"]  # the last digits of the first 32 bits of `sha256sum`: d5e42b11, ...
    assert tracks.tags == ("rock", "calm")
    assert tracks.labels.tolist() == [[True, False], [False, True], [True, True]]
    assert left_out == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ONE_HOT.replace("\n", "\r\n"), "crlf.csv"),
        ("\ufeff" + ONE_HOT, "bom.csv"),
        (ONE_HOT.replace(",", "\t"), "tabs.tsv"),
        (ONE_HOT.replace("validation", "valid"), "other-name.csv"),
    ],
)
def test_table_as_spreadsheets_write_it(table, text, name):
    expected, _ = table(ONE_HOT)
    assert table(text, name)[0].digest() == expected.digest()


def test_table_as_parquet(table, tmp_path):
    expected, _ = table(ONE_HOT)
    frame = pd.read_csv(tmp_path / "tracks.csv")
    for columns in (frame, frame.astype({"rock": bool, "calm": bool})):
        columns.to_parquet(tmp_path / "t.parquet")
        tracks, _ = table_module.load(tmp_path, table=str(tmp_path / "t.parquet"))
        assert tracks.digest() == expected.digest()


def test_table_of_separated_names(table):
    text = "path;x\n".replace(";x", ",tags,group") + "".join(
        f"{i}.mp3,{'rock|calm' if i % 2 else 'rock'}{'| rare' if i == 7 else ''},band{i % 10}\n" for i in range(100)
    )
    tracks, _ = table(text, separator="|")
    assert tracks.tags == ("calm", "rare", "rock")
    assert tracks.labels.sum(axis=0).tolist() == [50, 1, 100]
    assert table(text, separator="|", min_clips=2)[0].tags == ("calm", "rock")
    assert table(text, separator="|", top=1)[0].tags == ("rock",)
    assert table(text, separator="|", tags=["rare"], untagged="drop")[0].clip_ids == ["7.mp3"]
    split_of: dict[int, str] = {}
    for number, split in enumerate(tracks.splits):
        assert split_of.setdefault(number % 10, split) == split
    assert collections.Counter(tracks.splits) == {"train": 80, "validation": 10, "test": 10}


@pytest.mark.parametrize("n_groups", [3, 4, 5, 20])
def test_made_splits_are_never_empty(n_groups):
    groups = [f"g{i % n_groups}" for i in range(60)]
    made = splits.by_group(groups, table_module.SHARES)
    assert set(made) == {"train", "validation", "test"}
    assert made.count("train") >= 20


def artists(n_groups, n_clips, seed=0):
    """Clips of artists that have one to nine clips each, and three tags of which the last is rare."""
    rng = np.random.default_rng(seed)
    groups = [f"g{i}" for i in np.sort(rng.integers(0, n_groups, n_clips))]
    of_group = {group: rng.random(3) for group in groups}  # an artist's clips have similar tags
    return groups, np.array([rng.random(3) < of_group[group] * [1.0, 0.6, 0.2] for group in groups])


@pytest.mark.parametrize("n_folds", [3, 5, 10])
def test_folds_are_alike_in_size_and_tags_and_share_no_group(n_folds):
    groups, labels = artists(200, 800)
    folds = np.array(splits.into_folds(groups, labels, n_folds))
    assert set(folds) == {str(fold) for fold in range(1, n_folds + 1)}
    assert all(len(set(folds[np.array(groups) == group])) == 1 for group in set(groups))
    sizes = np.array([(folds == fold).sum() for fold in set(folds)])
    assert np.abs(sizes - 800 / n_folds).max() <= 0.05 * 800 / n_folds
    positives = np.array([labels[folds == fold].sum(axis=0) for fold in set(folds)])
    assert (np.abs(positives - labels.sum(axis=0) / n_folds) <= 0.1 * labels.sum(axis=0) / n_folds + 2).all()


def test_folds_do_not_depend_on_the_order_of_the_clips_nor_on_the_machine():
    groups, labels = artists(40, 120)
    folds = splits.into_folds(groups, labels, 5)
    order = np.random.default_rng(1).permutation(120)
    assert splits.into_folds([groups[i] for i in order], labels[order], 5) == [folds[i] for i in order]
    assert hashlib.sha256("".join(folds).encode()).hexdigest()[:8] == "fc82ef26"


def test_mtat_folds_by_artist(annotations):
    rows = [[i, i % 2, int(i % 3 == 0), f"{i % 16:x}/artist{i // 4}-album-{i}-title-0-29.mp3"] for i in range(80)]
    tracks, _ = mtat.load(annotations(rows), folds=4)
    assert collections.Counter(tracks.splits) == {"1": 20, "2": 20, "3": 20, "4": 20}
    of_artist = [set(tracks.splits[4 * i : 4 * i + 4]) for i in range(20)]
    assert all(len(parts) == 1 for parts in of_artist)


FOLDS = "path,fold,rock\n" + "".join(f"{i}.mp3,{10 - i % 3},{i % 2}\n" for i in range(12))


def test_a_table_has_folds_of_its_own(table):
    assert table(FOLDS, folds=3)[0].splits == ["3", "2", "1"] * 4  # 8, 9 and 10 in the order of numbers
    made = table(FOLDS.replace("fold", "group"), folds=3)[0].splits
    assert made[:3] == made[3:6] == made[6:9] and sorted(made[:3]) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "folds", "message"),
    [
        (FOLDS, None, "has a column 'fold': set `folds: 3`, or give this column another name"),
        (FOLDS, 4, "the column 'fold' has 3 different values, but `folds` is 4"),
        (FOLDS.replace("fold", "group"), 4, "4 folds need as many groups, and there are 3"),
        (ONE_HOT, 3, "has a column 'split', but `folds` is set: remove one of them"),
        ("path,fold,group,rock\na.mp3,1,x,1\nb.mp3,2,x,1\n", 2, "row 3: group 'x' is in 2, but in row 2 in 1"),
        ("path,fold,rock\na.mp3,1,1\nb.mp3,,1\n", 2, "row 3: fold is empty"),
    ],
)
def test_folds_that_do_not_fit(table, text, folds, message):
    with pytest.raises(metadata.MetadataError) as caught:
        table(text, folds=folds)
    assert message in str(caught.value)
    assert "tracks.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no column 'path'"),
        ("path,rock\n", "has no rows"),
        ("file,rock\na.mp3,1\n", "row 1: there is no column 'path' among ['file', 'rock']"),
        ("path;rock\na.mp3;1\n", "there is no column 'path' among ['path;rock']; columns are separated by commas"),
        ("path,rock\na.mp3,1\nb.mp3,yes\n", "row 3: column 'rock' is 'yes', not 0 or 1"),
        ("path,rock\na.mp3,1\na.mp3,0\n", "row 3: path 'a.mp3' is already in row 2"),
        ("path,clip_id,rock\na.mp3,7,1\nb.mp3,7,0\n", "row 3: clip_id '7' is already in row 2"),
        ("path,rock\n/a.mp3,1\n", "row 2: path '/a.mp3' is not a path below the dataset's root"),
        ("path,rock\nx/../../a.mp3,1\n", "row 2: path 'x/../../a.mp3' is not a path below the dataset's root"),
        ("path,rock\n,1\n", "row 2: path is empty"),
        ("path,split,rock\na.mp3,dev,1\n", "row 2: split 'dev' is not one of train, validation, test"),
        ("path,split,group,rock\na.mp3,train,x,1\nb.mp3,test,x,1\n", "row 3: group 'x' is in test, but in row 2 in"),
        ("path,shard\na.mp3,1\n", "a tag must not be named 'shard'"),
        ("path,rock,rock\na.mp3,1,1\n", "row 1: the column 'rock' is there twice"),
        ("path\na.mp3\n", "has neither a column 'tags' nor columns of 0 and 1"),
        ("path,tags\na.mp3,\n", "the column 'tags' is empty in every row"),
        ("path,rock\na.mp3,0\n", "no tag reaches min_clips 1; the most frequent has 0 clips"),
        ("path,rock\na.mp3,1,1\n", "Expected 2 columns, got 3"),
        (b"path,r\xf6ck\na.mp3,1\n", "row 1: not UTF-8"),
        (b"path,rock\n\xf6.mp3,1\n", "row 2: not UTF-8"),
    ],
)
def test_bad_tables_are_named(table, text, message):
    with pytest.raises(metadata.MetadataError) as caught:
        table(text)
    assert message in str(caught.value)
    assert "tracks.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_tag_is_frequent_enough(table):
    with pytest.raises(metadata.MetadataError, match="no tag reaches min_clips 3; the most frequent has 2 clips"):
        table(ONE_HOT, min_clips=3)


def test_symbolic_links_out_of_the_root_are_excluded(annotations, tmp_path, tone):
    root = annotations([[1, 1, 1, "0/a.wav"], [2, 1, 1, "0/b.wav"]])
    (root / "0").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.wav"
    tone("a.wav").rename(outside)
    (root / "0" / "a.wav").symlink_to(outside)
    tone("b.wav").rename(root / "0" / "real.wav")
    (root / "0" / "b.wav").symlink_to("real.wav")
    mtat.load(root)[0].write(root / "tracks.parquet", "mine")
    spec = {"sample_rate": 12_000, "seconds": 29.1}
    outputs = ["--audio", root / "a.npy", "--record", root / "clips.json"]
    inputs = ["--tracks", root / "tracks.parquet", "--shard", "00", "--root", root]
    process = run_script("decode", *inputs, *outputs, spec=spec)
    assert process.returncode == 0
    record = files.read_json(root / "clips.json")
    assert record["clip_ids"] == ["2"]
    assert record["excluded"] == [["1", "a symbolic link leads out of the dataset's root"]]
