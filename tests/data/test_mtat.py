"""MagnaTagATune as it is published, with mistakes in it, and in folds."""

import collections

import pytest
from conftest import ROOT, run_script

from howlow import files
from howlow.data.datasets import metadata, mtat

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


def test_mtat_folds_by_artist(annotations):
    rows = [[i, i % 2, int(i % 3 == 0), f"{i % 16:x}/artist{i // 4}-album-{i}-title-0-29.mp3"] for i in range(80)]
    tracks, _ = mtat.load(annotations(rows), folds=4)
    assert collections.Counter(tracks.splits) == {"1": 20, "2": 20, "3": 20, "4": 20}
    of_artist = [set(tracks.splits[4 * i : 4 * i + 4]) for i in range(20)]
    assert all(len(parts) == 1 for parts in of_artist)


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
