"""What counts as a change of metadata or of an audio file, and what does not."""

import os

import pytest

from howlow.data import audio_files

CLIPS = {"00": [("1", "a.mp3"), ("2", "b.mp3")], "01": [("3", "c.mp3")]}


@pytest.fixture
def root(tmp_path):
    for name in ("a.mp3", "b.mp3", "c.mp3"):
        (tmp_path / name).write_bytes(b"audio")
    return tmp_path


def digests(root, clips=CLIPS):
    return [audio_files.digest(members, root) for members in clips.values()]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"other audio"),
        lambda path: os.utime(path, (1, 1)),
        lambda path: path.unlink(),
    ],
    ids=["size", "date", "missing"],
)
def test_replaced_file_changes_its_shard_only(root, change):
    before = digests(root)
    assert digests(root) == before
    change(root / "b.mp3")
    after = digests(root)
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_another_list_of_clips_changes_the_shard_and_another_folder_does_not(root):
    before = digests(root)
    assert digests(root, CLIPS | {"00": CLIPS["00"][:1]})[0] != before[0]
    assert digests(root, CLIPS | {"00": [("1", "a.mp3"), ("2", "c.mp3")]})[0] != before[0]
    moved = root.rename(root.with_name("moved"))
    assert digests(moved) == before


def test_by_shard_keeps_the_order_of_the_tracks():
    members = audio_files.by_shard(["01", "00", "01"], ["x", "y", "z"], ["x.mp3", "y.mp3", "z.mp3"])
    assert members["01"] == [("x", "x.mp3"), ("z", "z.mp3")]
    assert members["00"] == [("y", "y.mp3")]
    assert members["02"] == []


class TestMetadata:
    @pytest.fixture
    def table(self, tmp_path):
        (tmp_path / "tracks.csv").write_text("path,tags\na.mp3,rock\n")
        return tmp_path / "tracks.csv"

    def test_content_counts_and_neither_date_nor_name(self, table):
        recorded = audio_files.states({"table": table})
        assert audio_files.changed({"table": table}, recorded) is None
        os.utime(table, (1, 1))
        assert audio_files.changed({"table": table}, recorded) is None
        renamed = table.rename(table.with_name("renamed.csv"))
        assert audio_files.changed({"table": renamed}, recorded) is None
        renamed.write_text(renamed.read_text().replace("rock", "jazz"))  # of the same length
        os.utime(renamed, (2, 2))
        assert audio_files.changed({"table": renamed}, recorded) == "table"

    def test_a_file_more_or_less_counts(self, table):
        recorded = audio_files.states({"table": table})
        assert audio_files.changed({"table": table, "tags": table}, recorded) == "tags"
        assert audio_files.changed({}, recorded) == "table"

    def test_a_missing_file_is_for_the_program_to_report(self, table):
        recorded = audio_files.states({"table": table})
        table.unlink()
        assert audio_files.changed({"table": table}, recorded) is None
