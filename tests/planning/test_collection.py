"""`howlow new` finds what a folder of audio says of itself, and writes what a run can read, but nothing there."""

import csv
import itertools
import os
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import yaml
from conftest import as_nobody, planned_jobs, run_command, snakemake

from howlow.errors import HowlowError
from howlow.planning import collection, first_configuration
from howlow.planning.collection import Audio

SECONDS = 12.3
CODECS = {".mp3": "mp3", ".flac": "flac", ".m4a": "aac", ".wav": "pcm_s16le"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A file of noise without tags."""
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * 8_000)), 8_000)
    return path


def tagged(path: Path, **tags: str) -> None:
    """Write a second of silence with tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(CODECS[path.suffix], rate=44_100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.int16), format="s16", layout="mono")
        silence.sample_rate = 44_100
        for frame in av.AudioResampler(stream.format, "mono", 44_100, frame_size=stream.frame_size).resample(silence):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def contents(folder: Path) -> dict[str, bytes]:
    return {os.fsencode(path).decode("latin-1"): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("suffix", CODECS)
def test_tags_of_files_are_read(tmp_path, suffix):
    tagged(tmp_path / f"a{suffix}", genre="Rock; Hard  Rock|rock", artist="The\tBand", album="An Album")
    (audio,) = collection.read(tmp_path, pytest.fail)
    assert audio.genres == ("rock", "hard rock")
    assert (audio.artist, audio.album) == ("The Band", "An Album")
    assert audio.seconds == pytest.approx(1, abs=0.1)


def test_files_that_say_nothing_or_are_broken_are_found_all_the_same(tmp_path, sound):
    shutil.copy(sound, tmp_path / "b.wav")
    (tmp_path / "a.mp3").write_bytes(b"no music")
    (tmp_path / "c.mp3").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.mp3").touch()
    shutil.copy(sound, os.fsencode(tmp_path) + b"/d\xff.wav")
    shutil.copy(sound, tmp_path / "e\n.wav")
    found = list(collection.read(tmp_path, pytest.fail))
    assert [audio.path for audio in found] == ["a.mp3", "b.wav", "c.mp3", "d\udcff.wav", "e\n.wav"]
    assert found[1] == Audio("b.wav", SECONDS)
    assert found[0].seconds.startswith("not decodable audio")
    assert found[2].seconds == "zero bytes"
    assert found[3].seconds == found[4].seconds == "its name has control characters, or is not UTF-8"


def files(*paths: str, **values: list[str]) -> list[Audio]:
    keys = {
        name: [tuple(filter(None, [v])) for v in given] if name == "genres" else given for name, given in values.items()
    }
    return [Audio(path, 30.0, **{name: given[n] for name, given in keys.items()}) for n, path in enumerate(paths)]


class TestChoices:
    def test_genres_are_the_tags_if_half_of_the_files_have_one(self):
        half = collection.tags(files("a/1", "a/2", "b/3", "4", genres=["pop", "", "folk", ""]))
        assert half.values == [("pop",), (), ("folk",), ()]
        fewer = collection.tags(files("a/x/1", "a/2", "b|c/3", "4", genres=["pop", "", "", ""]))
        assert fewer.values == [("a",), ("a",), ("b c",), ()]

    def test_without_genres_and_folders_there_are_no_tags(self):
        with pytest.raises(HowlowError, match="and they are in no folders"):
            collection.tags(files("1.mp3", "2.mp3"))

    def test_artists_are_the_groups_and_files_without_one_are_alone(self):
        names = [f"artist {n % 10}" for n in range(28)] + ["", ""]
        groups = collection.groups(files(*(f"{n}.mp3" for n in range(30)), artist=names, album=["one"] * 30))
        assert groups.source == "the artist of the files' own tags"
        assert groups.values == [*names[:28], "28.mp3", "29.mp3"]

    @pytest.mark.parametrize(
        ("paths", "albums", "source"),
        [
            ("x/{n}.mp3", "album {n}", "the album"),
            ("x/folder {n}/{i}.mp3", "", "the inner folder"),
            ("x/Band {n}-song {i}.mp3", "", "what the files' names begin with"),
            ("x/{i}.mp3", "one album of all", "each file on its own"),
            ("x/{i}-song.mp3", "", "each file on its own"),  # the number of the file groups nothing
        ],
    )
    def test_groups_without_artists(self, paths, albums, source):
        numbers = [(i, i % 12) for i in range(60)]
        found = files(*(paths.format(i=i, n=n) for i, n in numbers), album=[albums.format(n=n) for _, n in numbers])
        groups = collection.groups(found)
        assert groups.source.startswith(source)
        assert len(set(groups.values)) == (60 if "own, because" in groups.source else 12)


class TestSizes:
    @pytest.mark.parametrize(
        ("n_clips", "folds", "width", "epochs", "min_clips"),
        [(200, 5, 1 / 16, 32, 20), (794, 5, 1 / 16, 8, 20), (2_999, 5, 1 / 8, 8, 20), (3_000, None, 1 / 8, 8, 100),
         (14_999, None, 1 / 4, 8, 100), (100_000, None, 1, 8, 100)],
    )  # fmt: skip
    def test_follow_the_number_of_clips(self, n_clips, folds, width, epochs, min_clips):
        found = first_configuration.sizes([29.2] * n_clips, {"rock": n_clips // 3, "rare": 1})
        assert (found.n_clips, found.n_long) == (n_clips, n_clips)
        assert (found.folds, found.width, found.epochs) == (folds, width, epochs)
        assert (found.seconds, found.max_excluded, found.min_clips) == (29.1, 0.02, min_clips)

    @pytest.mark.parametrize(
        ("durations_s", "seconds", "max_excluded"),
        [
            ([240.0] * 98 + [3.0] * 2, 29.1, 0.02),
            ([10.06] * 99 + [9.7], 10.0, 0.02),
            ([30.0] * 91 + [3.0] * 9, 29.1, 0.1),
            ([30.0] * 80 + [3.0] * 20, 29.1, 0.25),
            ([5.0] * 100, 5.0, 0.25),
        ],
    )
    def test_length_is_one_that_most_files_have(self, durations_s, seconds, max_excluded):
        found = first_configuration.sizes(durations_s, {"rock": 50})
        assert (found.seconds, found.max_excluded) == (seconds, max_excluded)
        assert found.n_long >= (1 - max_excluded) * 100

    @pytest.mark.parametrize("count", [19, 81])
    def test_without_a_tag_to_learn(self, count):
        message = (
            f"it needs 20 files that have it, and as many without; the most frequent one, 'rock', has {count} of 100"
        )
        with pytest.raises(HowlowError, match=message):
            first_configuration.sizes([30.0] * 100, {"rock": count, "b": 1})

    def test_too_short(self):
        with pytest.raises(HowlowError, match="the files are too short: only 70 of 100 have a second"):
            first_configuration.sizes([0.9] * 30 + [60.0] * 70, {"rock": 50})


@pytest.fixture
def music(tmp_path, sound) -> Path:
    """A folder of 60 files by 12 bands in two folders, with names that a table, YAML and a shell might misread."""
    folder = tmp_path / "my \"music\" #1: {b} 'c'"
    for number in range(60):
        path = folder / ["rock", "=calm, #2"][number % 2] / f"-band {number % 12}- {number},=1+1.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(sound, path)
    return folder


class TestNew:
    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path, monkeypatch):
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")

    def test_writes_what_a_run_reads(self, music):
        before = contents(music)
        process = run_command("new", music)
        assert (process.returncode, process.stderr) == (0, "")
        assert contents(music) == before
        assert f"{music}: 60 audio files, of which 60 can be used, 0.2 hours\n" in process.stdout
        assert "tags: the uppermost folders' names, because few files name a genre; 2 of 2" in (process.stdout)
        assert "groups: what the files' names begin with, up to the first dash; " not in process.stdout  # all begin so
        assert "length: 12.3 s, which 60 of the files have" in process.stdout
        with Path("tracks.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["path"] for row in rows} == {path.relative_to(music).as_posix() for path in music.glob("*/*.wav")}
        assert all(row["tags"] == row["path"].split("/")[0] for row in rows)
        checked = run_command("check", "my.yaml")
        assert (checked.returncode, checked.stderr) == (0, "")
        assert "advice" not in checked.stdout
        plan = snakemake(Path.cwd(), "results/figure1.pdf", "-n", "--quiet", "rules", "--configfile", "my.yaml")
        assert planned_jobs(plan)["train"] == 12 * 5, plan.stdout

    def test_explains_every_setting(self, music):
        assert run_command("new", music).returncode == 0
        text = Path("my.yaml").read_text()
        settings = yaml.safe_load(text)["datasets"]["mine"]
        assert settings["root"] == str(music)
        explained = re.findall(r"^    (\w+): .* # \w", text, re.MULTILINE)
        assert {*explained, "kind"} == set(settings)

    def test_overwrites_nothing(self, music):
        for name, other in itertools.permutations(["my.yaml", "tracks.csv"]):
            Path(name).symlink_to("nowhere")
            process = run_command("new", music)
            assert process.returncode == 1
            assert (
                process.stderr
                == f"howlow new: {name}: is already there; move it away, or name another folder with --into\n"
            )
            assert not Path(other).exists()
            Path(name).unlink()
        Path("my.yaml").write_text("mine")
        assert run_command("new", music, "--into", "other").returncode == 0
        assert Path("my.yaml").read_text() == "mine"
        assert yaml.safe_load(Path("other/my.yaml").read_text())["datasets"]["mine"]["table"] == "other/tracks.csv"
        assert run_command("check", "other/my.yaml").returncode == 0

    def test_tells_what_it_leaves_out(self, music):
        for number in range(3):
            (music / f"{number}.mp3").touch()
        (music / "annotations_final.csv").touch()
        process = run_command("new", music)
        assert process.returncode == 0
        assert "left out: 3 because: zero bytes (the first is '0.mp3')" in process.stdout
        assert f"note: {music} has annotations_final.csv, MagnaTagATune's layout" in process.stdout

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda folder: None, "is not a folder; name the folder of the audio files"),
            (lambda folder: folder.write_text(""), "is not a folder; name the folder of the audio files"),
            (lambda folder: folder.mkdir(), "there is no audio file in this folder"),
            (lambda folder: tagged(folder / "a.mp3"), "fewer than half of the files have a genre"),
            (lambda folder: tagged(folder / "x" / "a.mp3"), "no tag can be learned: it needs 20 files that have it"),
        ],
        ids=["nothing", "a file", "no audio", "no tags", "too few"],
    )
    def test_refuses_in_one_line(self, tmp_path, make, message):
        make(tmp_path / "music")
        process = run_command("new", tmp_path / "music")
        assert process.returncode == 1
        assert process.stderr.startswith(f"howlow new: {tmp_path / 'music'}: {message}")
        assert process.stderr.count("\n") == 1
        assert not list(Path.cwd().iterdir())

    def test_only_broken_files(self, tmp_path):
        (tmp_path / "music").mkdir()
        (tmp_path / "music" / "a.mp3").touch()
        process = run_command("new", tmp_path / "music")
        assert process.stderr == f"howlow new: {tmp_path / 'music'}: none of the 1 audio files can be used\n"

    def test_a_folder_that_may_not_be_read_is_told(self, locked_folder, sound):
        (locked_folder / "secret").mkdir()
        shutil.copy(sound, locked_folder / "a.wav")
        run_command("new", locked_folder)  # do the imports
        (locked_folder / "secret").chmod(0)
        with as_nobody():
            process = run_command("new", locked_folder)
        assert f"warning: {locked_folder / 'secret'}: the folder can't be read: Permission denied\n" in process.stdout
