"""Tables of a collection: their columns, splits and folds, as people write them, and with mistakes in them."""

import collections

import pandas as pd
import pytest

from howlow.data.datasets import metadata
from howlow.data.datasets import table as table_module


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
