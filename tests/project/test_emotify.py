"""The program that makes a folder in MagnaTagATune's layout from Emotify, on made-up files of the same form."""

import csv
import importlib.util
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT

from howlow.data.datasets import mtat

PROGRAM = ROOT / "docs" / "emotify.py"
EMOTIONS = [
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful_activation", "tension", "sadness",
]  # fmt: skip


@pytest.fixture(scope="module")
def emotify():
    specification = importlib.util.spec_from_file_location("emotify", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def write_song(path, seconds, pitch_hz, artist="Trio Nord", title="Air No. 3", album="Summer"):
    """A tone that is twice as high from 30 s on, as an MP3 in stereo."""
    time = np.arange(round(seconds * 44_100)) / 44_100
    tone = 0.3 * np.sin(2 * np.pi * pitch_hz * (1 + (time >= 30)) * time)
    with soundfile.SoundFile(path, "w", 44_100, 2, format="MP3") as file:
        file.title, file.album, file.tracknumber = title, album, "4/12"
        if artist:
            file.artist = artist
        file.write(np.stack([tone, tone], 1))


def write_ratings(path, ratings):
    """Emotify's data.csv: the names of all columns but the first begin with a blank. `ratings`: (id, genre, felt)."""
    lines = [", ".join(["track id", "genre", *EMOTIONS, "mood", "liked", "disliked", "age", "gender", "mother tongue"])]
    for number, genre, felt in ratings:
        row = [str(number), genre, *(str(int(name in felt)) for name in EMOTIONS), "3", "1", "0", "30", "0", "English"]
        lines.append(",".join(row))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """Six songs: whole, too short for a second clip, with the same names, broken, without an artist, and missing."""
    folder = tmp_path_factory.mktemp("emotify")
    write_song(folder / "a.mp3", 61, 500)
    write_song(folder / "b.mp3", 40, 500, artist="Bjork & Co.", title="x" * 60)
    write_song(folder / "c.mp3", 61, 800)
    write_song(folder / "e.mp3", 61, 800, artist="")
    with zipfile.ZipFile(folder / "emotifymusic.zip", "w") as archive:
        for name, member in (("a", "classical/1"), ("b", "rock/100"), ("c", "classical/2"), ("e", "pop/5")):
            archive.write(folder / f"{name}.mp3", f"emotifymusic/{member}.mp3")
        archive.writestr("emotifymusic/electronic/7.mp3", b"no music")
        archive.writestr("__MACOSX/emotifymusic/classical/1.mp3", b"what a Mac adds")
    ratings = [(1, "classical", {"calmness", "joyful_activation"}), *[(1, "classical", {"calmness"})] * 3]
    ratings += [(2, "classical", {"sadness"}), *[(2, "classical", set())] * 4]  # a fifth of its listeners
    ratings += [(400, "rock", {"power"}), (107, "electronic", set()), (205, "pop", set()), (206, "pop", set())]
    write_ratings(folder / "data.csv", ratings)
    return folder


def run(downloads, folder, ratings="data.csv"):
    command = [sys.executable, PROGRAM, downloads / "emotifymusic.zip", downloads / ratings, folder]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.fixture(scope="module")
def music(downloads):
    process = run(downloads, downloads / "music")
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"{downloads / 'music'}: 5 clips of 3 songs\n"
    left_out = [line for line in process.stderr.splitlines() if line.startswith("left out")]
    assert left_out[0].startswith("left out: electronic/7.mp3: ")
    assert left_out[1:] == [
        "left out: pop/5.mp3: its ID3 tags name no artist, by whom clips are kept together",
        "left out: pop/6.mp3: not in the archive",
        "left out: rock/100.mp3 ends before 59.2 s",
    ]
    return downloads / "music"


def test_tags_are_the_genre_and_what_a_quarter_of_the_listeners_felt(music):
    with (music / "annotations_final.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["clip_id"] for row in rows] == ["1", "2", "3", "4", "5"]
    found = [{name for name, value in row.items() if value == "1" and name != "clip_id"} for row in rows]
    first = {"classical", "calmness", "joyful activation"}
    assert found == [first, first, {"classical"}, {"classical"}, {"rock", "power"}]


def test_paths_are_as_in_magnatagatune(music):
    rows = pd.read_csv(music / "annotations_final.csv", sep="\t")
    folder = rows["mp3_path"].str[0].iloc[0]
    assert rows["mp3_path"].tolist() == [
        f"{folder}/trio_nord-summer-04-air_no_3-0-29.mp3",
        f"{folder}/trio_nord-summer-04-air_no_3-30-59.mp3",
        f"{folder}/trio_nord-summer-04-classical_2_air_no_3-0-29.mp3",
        f"{folder}/trio_nord-summer-04-classical_2_air_no_3-30-59.mp3",
        rows["mp3_path"].iloc[4],
    ]
    assert rows["mp3_path"].iloc[4][1:] == f"/bjork_co-summer-04-{'x' * 40}-0-29.mp3"


def test_names_are_in_plain_letters(emotify):
    info = {"artist": "Björk & Cô.", "album": "Été", "track_number": 4, "title": "A-B?", "segmentStart": 0}
    assert emotify.path_of(info | {"segmentEnd": 29})[1:] == "/bjork_co-ete-04-a_b-0-29.mp3"


def test_clips_are_cut_from_the_beginning_and_from_30_s(music):
    rows = pd.read_csv(music / "annotations_final.csv", sep="\t")
    pitches = []
    for path in rows["mp3_path"]:
        info = soundfile.info(music / "mp3" / path)
        assert (info.samplerate, info.channels, info.format) == (16_000, 1, "MP3")
        assert info.duration == pytest.approx(29.2, abs=0.15)
        assert (music / "mp3" / path).stat().st_size == pytest.approx(29.2 * 32_000 / 8, rel=0.03)
        signal, _ = soundfile.read(music / "mp3" / path)
        spectrum = np.abs(np.fft.rfft(signal[16_000:-16_000]))
        pitches.append(spectrum.argmax() * 16_000 / (len(signal) - 32_000))
    assert pitches == pytest.approx([500, 1000, 800, 1600, 500], abs=1)


def test_the_workflow_reads_it(music):
    tracks, left_out = mtat.load(music, tags=["classical", "calmness"])
    assert not left_out
    assert tracks.labels.tolist() == [[True, True], [True, True], [True, False], [True, False], [False, False]]
    assert all((music / path).is_file() for path in tracks.paths)
    assert len(set(tracks.groups)) == 3, "one for each song"


def test_mistakes_get_one_line(downloads, music):
    process = run(downloads, music)
    assert process.stderr.splitlines()[-1] == f"howlow emotify: {music} is there already; name a new folder"
    (downloads / "other.csv").write_text("track id, genre\n1,rock\n")
    process = run(downloads, downloads / "new", "other.csv")
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    assert "there is no column 'amazement'; this has to be Emotify's data.csv" in process.stderr
    assert not (downloads / "new").exists()


def test_names_of_the_real_folder_follow_from_its_table(real_music, emotify):
    """The folder that the published results are of has the names that this program gives."""
    rows = pd.read_csv(real_music / "clip_info_final.csv", sep="\t", keep_default_na=False)
    found = [emotify.path_of(row)[2:].removesuffix(".mp3") for row in rows.to_dict("records")]
    expected = [path[2:].removesuffix(".mp3") for path in rows["mp3_path"]]
    assert len(rows) == 794
    assert sum(not e.startswith(f) for f, e in zip(found, expected, strict=True)) == 0
