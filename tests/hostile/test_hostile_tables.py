"""Metadata that are damaged, odd or useless: one line names file, row and column, before anything is decoded."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import run_script

from howlow import commands, files
from howlow.data import tracks

N_CLIPS = 24
NAMES = [f"c{number:02d}.wav" for number in range(N_CLIPS)]
ROCK = [number % 2 for number in range(N_CLIPS)]
CALM = [number % 3 % 2 for number in range(N_CLIPS)]


def text(header: str = "path,rock,calm", rows: Callable[[int], str] | None = None, extra: str = "") -> bytes:
    """A table of text with two tags, in which row `number + 2` is what `rows` gives."""
    write = rows or (lambda number: f"{NAMES[number]},{ROCK[number]},{CALM[number]}")
    return "\n".join([header, *map(write, range(N_CLIPS)), *filter(None, [extra]), ""]).encode()


def tagged(tag: str) -> bytes:
    """A table of text with a given tag in row 2, and another tag in the other rows."""
    cell = '"' + tag.replace('"', '""') + ';calm"'
    return text("path,tags", lambda number: f"{NAMES[number]},{'rock' if ROCK[number] else cell}")


def parquet(**columns: Any) -> Callable[[Path], None]:
    """A Parquet table with these columns, beside or instead of the usual ones."""
    table = pa.table({"path": NAMES, "rock": ROCK, "calm": CALM} | columns)
    return lambda path: pq.write_table(table, path)


def _not_utf8() -> pa.Array:
    """A column of text whose fourth value is not UTF-8."""
    buffers = pa.array([name.encode() if name != NAMES[3] else b"c\xff3.wav" for name in NAMES], pa.binary()).buffers()
    return pa.StringArray.from_buffers(N_CLIPS, buffers[1], buffers[2])


TABLES: dict[str, tuple[str, bytes | Callable[[Path], None], dict[str, Any], str]] = {
    # name: the file, its content, settings, and the message
    "list-for-a-path": ("t.parquet", parquet(path=[[n] for n in NAMES]), {}, "t.parquet: column 'path' holds list<"),
    "struct-for-a-path": ("t.parquet", parquet(path=[{"a": n} for n in NAMES]), {}, "column 'path' holds struct<a: s"),
    "list-for-a-label": ("t.parquet", parquet(rock=[[1]] * N_CLIPS), {}, "column 'rock' holds list<"),
    "list-of-tags": ("t.parquet", parquet(tags=[["a", "b"]] * N_CLIPS), {}, "column 'tags' holds list<"),
    "map-of-tags": (
        "t.parquet",
        parquet(tags=pa.array([[("a", 1)]] * N_CLIPS, pa.map_(pa.string(), pa.int8()))),
        {},
        "column 'tags' holds map<",
    ),
    "parquet-not-utf8": ("t.parquet", parquet(path=_not_utf8()), {}, "t.parquet: row 5: column 'path' is not UTF-8"),
    "parquet-bytes": (
        "t.parquet",
        parquet(path=[name.encode().replace(b"c07", b"\xff") for name in NAMES]),
        {},
        "row 9: column 'path' is not UTF-8",
    ),
    "parquet-without-a-path": ("t.parquet", parquet(path=[None, *NAMES[1:]]), {}, "row 2: path is empty"),
    "parquet-without-a-label": ("t.parquet", parquet(calm=[1, None, *CALM[2:]]), {}, "row 3: column 'calm' is None"),
    "parquet-cut-off": ("t.parquet", b"PAR1 and no more", {}, "t.parquet: not Parquet, or damaged"),
    "no-parquet-at-all": ("t.PARQUET", text(), {}, "t.PARQUET: not Parquet, or damaged"),
    "latin-1": ("t.csv", text() + b"c\xf6.wav,0,0\n", {}, "t.csv: row 26: not UTF-8"),
    "latin-1-header": ("t.csv", text("path,r\xf6ck,calm").decode().encode("latin-1"), {}, "row 1: not UTF-8"),
    "utf-16": ("t.csv", text().decode().encode("utf-16"), {}, "row 1: not UTF-8"),
    "short-row": ("t.csv", text(extra="c24.wav,1"), {}, "Row #26: Expected 3 columns, got 2"),
    "long-row": ("t.csv", text(extra="c24.wav,1,0,1"), {}, "Row #26: Expected 3 columns, got 4"),
    "one-endless-line": ("t.csv", b"path," + b"x" * 200_000 + b"\na.wav,1\n", {}, "row 1: not a table of text: field"),
    "column-without-a-name": ("t.csv", text("path,,calm"), {}, "row 1: there is a tag, or a column, without a name"),
    "header-with-a-newline": ("t.csv", text('path,"ro\nck",calm'), {}, r"row 1: the tag 'ro\nck' has a control char"),
    "header-with-blanks": ("t.csv", text("path, rock,calm"), {}, "row 1: the tag ' rock' begins or ends with a blank"),
    "parquet-newline": ("t.parquet", parquet(**{"ro\nck": ROCK}), {}, r"row 1: the tag 'ro\nck' has a control char"),
    "tag-with-a-newline": ("t.csv", tagged("so\nft"), {"separator": ";"}, r"row 2: the tag 'so\nft' has a control c"),
    "tag-with-an-escape": ("t.csv", tagged("\x1b[31m"), {"separator": ";"}, r"row 2: the tag '\x1b[31m' has a control"),
    "tag-macro": ("t.csv", tagged("(macro)"), {"separator": ";"}, "row 2: a tag must not be named '(macro)'"),
    "tag-split": ("t.csv", tagged("split"), {"separator": ";"}, "row 2: a tag must not be named 'split'"),
    "path-with-a-null": ("t.csv", text(extra="a\0b.wav,0,0"), {}, r"row 26: path 'a\x00b.wav' has a control character"),
    "same-file-dot": ("t.csv", text(extra="./c03.wav,0,0"), {}, "row 26: path 'c03.wav' is already in row 5"),
    "same-file-slashes": (
        "t.csv",
        text(extra=".//c03.wav/,0,0"),
        {},
        "row 26: path 'c03.wav' is already in row 5",
    ),
    "path-of-the-root": ("t.csv", text(extra="./,0,0"), {}, "row 26: path './' is not a path below the dataset's root"),
    "no-group-for-testing": (
        "t.csv",
        text("path,rock,calm,group", lambda n: f"{NAMES[n]},{ROCK[n]},{CALM[n]},{n % 2}"),
        {},
        "datasets.mine: none of its 24 clips is in the split 'test'; every split needs clips",
    ),
    "one-group": (
        "t.csv",
        text("path,rock,calm,group", lambda n: f"{NAMES[n]},{ROCK[n]},{CALM[n]},x"),
        {},
        "in the sp",
    ),
    "one-clip": ("t.csv", b"path,rock\na.wav,1\n", {}, "none of its 1 clips is in the split 'validation'"),
    "two-clips": ("t.csv", b"path,rock\na.wav,1\nb.wav,0\n", {}, "none of its 2 clips is in the split 'test'"),
    "three-clips": ("t.csv", b"path,rock\na.wav,1\nb.wav,0\nc.wav,1\n", {}, "each tag belongs to all 1 test clips"),
    "tag-of-all-clips": ("t.csv", text("path,tags", lambda n: f"{NAMES[n]},rock"), {}, "each tag belongs to all 2"),
    "no-validation-row": (
        "t.csv",
        text("path,rock,calm,split", lambda n: f"{NAMES[n]},{ROCK[n]},{CALM[n]},{'test' if n < 9 else 'train'}"),
        {},
        "none of its 24 clips is in the split 'validation'",
    ),
    "validation-is-dropped": (
        "t.csv",
        text("path,tags,split", lambda n: f"{NAMES[n]},{'a' * (n > 2)},{['valid', 'test', 'train'][min(n // 3, 2)]}"),
        {"untagged": "drop"},
        "none of its 21 clips is in the split 'validation', 3 being left out",
    ),
    "all-are-dropped": (
        "t.csv",
        text("path,rock,calm", lambda n: f"{NAMES[n]},0,{n % 2}"),
        {"untagged": "drop", "tags": ["rock"], "min_clips": 0},
        "datasets.mine: all 24 clips are left out; the first is 'c00.wav': has none of the tags",
    ),
}


def run_tracks(root: Path, **settings: Any):
    """Run `tracks` on the metadata in a folder."""
    named = {key: str(settings.pop(key)) for key in ("table", "exclude", "tags") if isinstance(settings.get(key), str)}
    spec = {"dataset": "mine", "kind": "table", "shards": 2} | settings
    paths = ["--paths", json.dumps({"root": str(root), **named})]
    outputs = ["--tracks", root / "tracks.parquet", "--left-out", root / "left_out.csv"]
    return run_script("tracks", *paths, *outputs, spec=spec)


def write(path: Path, content: bytes | Callable[[Path], None]) -> Path:
    """Write a file from bytes, or by a function."""
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    return path


def refused(process: Any, message: str) -> None:
    """Check that the program ends with one line that contains the message."""
    assert process.returncode == 1, process.stdout
    assert process.stderr.startswith("howlow tracks: ")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("case", TABLES)
def test_a_table_is_refused_in_one_line(case, tmp_path):
    name, content, settings, message = TABLES[case]
    path = write(tmp_path / name, content)
    refused(run_tracks(tmp_path, table=str(path), **settings), message)
    assert not (tmp_path / "tracks.parquet").exists()


@pytest.mark.parametrize("case", ["list-for-a-path", "same-file-dot", "tag-macro", "two-clips", "tag-of-all-clips"])
def test_check_refuses_it_with_the_same_words(case, tmp_path, monkeypatch):
    name, content, settings, message = TABLES[case]
    path = write(tmp_path / name, content)
    dataset = {"kind": "table", "root": str(tmp_path), "table": str(path)} | settings
    with pytest.raises(SystemExit) as stopped:
        check(monkeypatch, tmp_path, dataset)
    assert message in str(stopped.value)


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, dataset: dict[str, Any]) -> None:
    """Run `check` on a configuration with one dataset."""
    grid = [{"sample_rate": [12_000], "n_mels": [48]}]
    content = {"datasets": {"mine": dataset}, "experiments": [{"dataset": "mine", "model": "vgg", "grid": grid}]}
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(sys, "argv", ["howlow", "check", str(folder / "mine.yaml")])
    commands.main()


SAME_TABLES = {
    # name: a file and its content, which give the same tracks as the plain table
    "old-mac": ("t.csv", text().replace(b"\n", b"\r")),
    "parquet-in-capitals": ("t.PARQUET", parquet()),
    "parquet-named-csv": ("t.csv", parquet()),
    "parquet-categories": ("t.parquet", parquet(path=pa.array(NAMES).dictionary_encode())),
    "parquet-large-text": ("t.parquet", parquet(path=pa.array(NAMES, pa.large_string()))),
    "as-find-writes-paths": ("t.csv", text(rows=lambda n: f"./{NAMES[n]},{ROCK[n]},{CALM[n]}")),
}


@pytest.mark.parametrize("case", SAME_TABLES)
def test_a_table_in_another_form_is_the_same_table(case, tmp_path):
    for name, content in (("plain.csv", text()), SAME_TABLES[case]):
        path = write(tmp_path / name, content)
        process = run_tracks(tmp_path, table=str(path))
        assert process.returncode == 0, process.stderr
        (tmp_path / "tracks.parquet").rename(tmp_path / f"{name}.tracks")
    found = [tracks.read(tmp_path / f"{name}.tracks").digest() for name in ("plain.csv", SAME_TABLES[case][0])]
    assert found[0] == found[1]


def test_a_split_is_made_of_the_clips_that_are_left(tmp_path):
    """Half of the 200 clips have no tag and are dropped. The others are split into 80, 10 and 10 %."""
    rows = [f"c{number}.wav,{['', 'a', '', 'b'][number % 4]}" for number in range(200)]
    path = write(tmp_path / "t.csv", "\n".join(["path,tags", *rows]).encode())
    process = run_tracks(tmp_path, table=str(path), untagged="drop")
    assert process.returncode == 0, process.stderr
    assert Counter(tracks.read(tmp_path / "tracks.parquet").splits) == {"train": 80, "validation": 10, "test": 10}


DAMAGES = {
    "cut off": lambda content: content[:6],
    "zeros inside": lambda content: content[:400] + bytes(len(content) - 800) + content[-400:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_tracks_that_are_damaged_are_named(damage, tmp_path):
    path = write(tmp_path / "t.csv", text())
    assert run_tracks(tmp_path, table=str(path)).returncode == 0
    written = tmp_path / "tracks.parquet"
    written.write_bytes(damage(written.read_bytes()))
    with pytest.raises(files.DamagedFileError, match=r"tracks\.parquet: is damaged; start the workflow again"):
        tracks.read(written)


TAG_LISTS = {
    # name: the content of the text file that `tags` names, and the message
    "empty": (b"", "tags.txt: lists no tag; it has to name one tag a line"),
    "blank": (b"\xef\xbb\xbf\n  \r\n", "tags.txt: lists no tag"),
    "latin-1": (b"rock\nr\xf6ck\n", "tags.txt: row 2: not UTF-8"),
    "twice": (b"rock\ncalm\nrock\n", "tags.txt: the tag 'rock' is there twice"),
    "unknown": (b"rock\nclam\n", "there is no tag 'clam'; did you mean 'calm'?"),
}


@pytest.mark.parametrize("case", TAG_LISTS)
def test_a_list_of_tags_is_refused_in_one_line(case, tmp_path):
    content, message = TAG_LISTS[case]
    path, listed = write(tmp_path / "t.csv", text()), write(tmp_path / "tags.txt", content)
    refused(run_tracks(tmp_path, table=str(path), tags=str(listed)), message)


def test_a_list_of_tags_with_old_line_ends(tmp_path):
    path, listed = write(tmp_path / "t.csv", text()), write(tmp_path / "tags.txt", b"calm\rrock\r")
    assert run_tracks(tmp_path, table=str(path), tags=str(listed)).returncode == 0
    assert tracks.read_tags(tmp_path / "tracks.parquet") == ("calm", "rock")


MTAT_ROWS = [[n, ROCK[n], CALM[n], f"{'0cdef'[n % 5]}/artist{n}-b-01-c-0-29.mp3"] for n in range(N_CLIPS)]
ALL = "".join(f"{n},x\n" for n in range(N_CLIPS))
EXCLUDED = {
    # name: the content of the file that `exclude` names, and the message
    "no-such-column": (b"clip,reason\n3,x\n", "bad.csv: row 1: there is no column 'clip_id' among ['clip', 'reason']"),
    "no-reason": (b"clip_id\n3\n", "bad.csv: row 1: there is no column 'reason' among ['clip_id']"),
    "latin-1": (b"clip_id,reason\n3,kaputt\n4,besch\xe4digt\n", "bad.csv: row 3: not UTF-8"),
    "short-row": (b"clip_id,reason\n3\n", "bad.csv: CSV parse error: Row #2: Expected 2 columns, got 1"),
    "empty": (b"", "bad.csv: row 1: there is no column 'clip_id' among []"),
    "all-clips": (f"clip_id,reason\n{ALL}".encode(), "datasets.mine: all 24 clips are left out; the first is '0': x"),
}


@pytest.mark.parametrize("case", EXCLUDED)
def test_a_list_of_unusable_clips_is_refused_in_one_line(case, tmp_path, annotations):
    content, message = EXCLUDED[case]
    exclude = write(tmp_path / "bad.csv", content)
    refused(run_tracks(annotations(MTAT_ROWS), kind="mtat", exclude=str(exclude)), message)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [b",", b"\t"])
def test_a_list_of_unusable_clips_as_spreadsheets_write_it(mark, separator, tmp_path, annotations):
    exclude = write(tmp_path / "bad.csv", mark + b"clip_id,reason\r\n3,broken\r\n".replace(b",", separator))
    process = run_tracks(annotations(MTAT_ROWS), kind="mtat", exclude=str(exclude))
    assert process.returncode == 0, process.stderr
    assert "left out: 3: broken" in process.stdout


ANNOTATIONS = {
    # name: the rows of `annotations_final.csv`, and the message
    "nothing-for-validation": ([row for row in MTAT_ROWS if row[3][0] != "c"], "is in the split 'validation'"),
    "nothing-for-testing": ([row for row in MTAT_ROWS if row[3][0] in "0c"], "is in the split 'test'"),
    "folder-of-two-letters": (
        [*MTAT_ROWS, [99, 0, 0, "01/x.mp3"]],
        "row 26: mp3_path '01/x.mp3' is not a path below o",
    ),
    "same-file": ([*MTAT_ROWS, [99, 0, 0, f"./{MTAT_ROWS[0][3]}"]], "is already in row 2"),
    "tag-is-twice": (MTAT_ROWS, "row 1: the tag 'slow' is there twice"),
}


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_annotations_are_refused_in_one_line(case, annotations):
    rows, message = ANNOTATIONS[case]
    header = ["clip_id", "slow", "slow", "mp3_path"] if case == "tag-is-twice" else None
    refused(run_tracks(annotations(rows, header), kind="mtat"), message)


def test_a_split_by_artist_needs_the_annotations_alone(annotations):
    process = run_tracks(annotations(MTAT_ROWS), kind="mtat", split="artists")
    assert process.returncode == 0, process.stderr


def test_check_says_what_is_wrong_with_annotations_that_are_there(annotations, monkeypatch, tmp_path):
    """Published counts take the place of missing annotations only."""
    annotations([*MTAT_ROWS, [99, 0, 0, "g/x.mp3"]])
    with pytest.raises(SystemExit) as stopped:
        check(monkeypatch, tmp_path, {"kind": "mtat", "root": str(tmp_path)})
    assert "row 26: mp3_path 'g/x.mp3' is not a path below one of the folders" in str(stopped.value)


def test_metadata_that_may_not_be_read_is_said_to_be_that(tmp_path, monkeypatch):
    """Root may read everything, so the refusal of the operating system is simulated."""
    path = write(tmp_path / "t.csv", text())

    def refuse(self: Path, *arguments: object, **settings: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    refused(run_tracks(tmp_path, table=str(path)), "t.csv: permission denied")


ODD_TAGS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "'=1",
    "-0.5",
    "$x^$",
    r"$\frac{1",
    "NA",
    "null",
    "1980",
    "True",
]


def test_odd_tags_come_through_to_tables_and_figure(tmp_path):
    """No tag is run by a spreadsheet, taken for a missing value, or typeset as mathematics."""
    rng = np.random.default_rng(0)
    labels = rng.random((N_CLIPS, len(ODD_TAGS))) < 0.5
    splits = ["test"] * 20 + ["validation"] * 4
    truth = tracks.Tracks(NAMES, NAMES, splits, ["00"] * N_CLIPS, NAMES, tuple(ODD_TAGS), labels)
    truth.write(tmp_path / "tracks.parquet", "mine")
    cell = tmp_path / "12k_mel8_x1_db"
    (cell / "seed1").mkdir(parents=True)
    scores = {tag: rng.random(N_CLIPS) for tag in ODD_TAGS}
    pq.write_table(pa.table({"clip_id": NAMES, "split": splits} | scores), cell / "seed1" / "scores.parquet")
    arguments = ["--tracks", tmp_path / "tracks.parquet", "--folder", cell]
    assert run_script("evaluate", *arguments, spec={"seeds": [1]}).returncode == 0
    spec = {"cells": [cell.name], "seconds": 29.1, "width": 1.0, "dataset": "mine", "model": "vgg"}
    outputs = ["--table", tmp_path / "tags.csv", "--figures", tmp_path / "tags.pdf"]
    process = run_script("heatmap", "--folder", tmp_path, *outputs, spec=spec)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "tags.pdf").exists()
    for path in (cell / "metrics.csv", tmp_path / "tags.csv"):
        rows = files.read_csv(path)
        assert {row["tag"] for row in rows} - {"(macro)"} == set(ODD_TAGS)
        with path.open(newline="") as file:
            cells = [text for row in csv.reader(file) for text in row]
        assert not [text for text in cells if text[:1] in ("=", "+", "@") or text.startswith("-2+")]
    aucs = pd.read_csv(tmp_path / "tags.csv")["roc_auc"]
    assert aucs.dtype == float


@pytest.mark.parametrize("text", [*ODD_TAGS, "", "'", "''=1", "'a", "a=1", "-", "é", "=\n"])
def test_a_cell_that_is_read_is_the_one_that_was_written(text, tmp_path):
    files.write_csv(tmp_path / "a.csv", ["tag", "other"], [(text, -1.5)])
    files.write_frame(tmp_path / "b.csv", pd.DataFrame({"tag": [text], "other": [-1.5]}))
    for name in ("a.csv", "b.csv"):
        assert files.read_csv(tmp_path / name) == [{"tag": text, "other": "-1.5"}]
        assert pd.read_csv(tmp_path / name)["other"].tolist() == [-1.5]
