"""Make a folder in MagnaTagATune's layout from Emotify: music of four genres, and the emotions that listeners felt.

    python docs/emotify.py emotifymusic.zip data.csv music

Emotify has 400 songs of Magnatune (Aljanaki, Wiering and Veltkamp, "Studying emotion induced by music through a
crowdsourcing game", Information Processing & Management, 2016). Both files are on its page,
https://www2.projects.science.uu.nl/memotion/emotifydata/. A song gives two clips of 29.2 s, from its beginning and from
30 s on. The tags of both are its genre, and each emotion that at least a quarter of its listeners felt.
"""

import csv
import io
import re
import sys
import unicodedata
import zipfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pandas as pd
import soundfile

from howlow import files, program
from howlow.errors import HowlowError
from howlow.features import audio

ROOT = Path(__file__).resolve().parents[1]

GENRES = ["classical", "electronic", "pop", "rock"]
EMOTIONS = [
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful_activation", "tension", "sadness",
]  # fmt: skip
"""The emotions by the names of their columns in data.csv. A tag has a blank in place of an underscore."""

SHARE = 0.25
"""The least share of a song's listeners that makes an emotion a tag."""

SAMPLE_RATE = 16_000
CLIP_S = 29.2
STARTS_S = (0, 30)

_SONGS_PER_GENRE = 100
_LETTERS = 40
_LEVEL_OF_32_KBIT = (160 - 32) / (160 - 8)  # libsndfile maps 0 to 160 kbit/s and 1 to 8 kbit/s

Info = dict[str, Any]
"""A row of clip_info_final.csv."""


def main(args: Namespace) -> None:
    if args.folder.exists():
        raise HowlowError(f"{args.folder} is there already; name a new folder")
    tags = read_tags(args.ratings)
    infos: list[Info] = []
    with files.whole_folder(args.folder) as folder, zipfile.ZipFile(args.archive) as archive:
        for song in program.progress(list(tags.index), "songs"):
            infos += _write_clips(archive, *song, folder / "mp3", {info["mp3_path"] for info in infos})
        table = pd.DataFrame(infos)
        table.insert(0, "clip_id", range(1, len(table) + 1))
        of_clips = tags.loc[list(zip(table["genre"], table["number"], strict=True))].reset_index(drop=True)
        annotations = pd.concat([table["clip_id"], of_clips.astype(int), table["mp3_path"]], axis=1)
        for name, rows in (("annotations_final.csv", annotations), ("clip_info_final.csv", table)):
            rows.to_csv(folder / name, sep="\t", index=False, quoting=csv.QUOTE_ALL)
    print(f"{args.folder}: {len(table)} clips of {len(table[['genre', 'number']].drop_duplicates())} songs")


def read_tags(path: Path) -> pd.DataFrame:
    """Read the tags of all songs from data.csv, in which each row is what one listener felt at one song.

    Returns
    -------
    pd.DataFrame of bool with a column for each tag, indexed by genre and by the number of the song in its genre

    Raises
    ------
    HowlowError
        if a column is missing
    """
    ratings = pd.read_csv(path, skipinitialspace=True)  # the names of its columns begin with a blank
    if missing := [name for name in ("track id", "genre", *EMOTIONS) if name not in ratings]:
        raise HowlowError(f"{path}: there is no column '{missing[0]}'; this has to be Emotify's data.csv")
    number = (ratings["track id"] - 1) % _SONGS_PER_GENRE + 1
    felt = ratings.groupby([ratings["genre"], number.rename("number")])[EMOTIONS].mean() >= SHARE
    of_genre = {genre: felt.index.get_level_values("genre") == genre for genre in GENRES}
    names = {emotion: emotion.replace("_", " ") for emotion in EMOTIONS}
    return pd.concat([pd.DataFrame(of_genre, index=felt.index), felt.rename(columns=names)], axis=1)


def _write_clips(archive: zipfile.ZipFile, genre: str, number: int, folder: Path, taken: set[str]) -> Iterator[Info]:
    """Write the clips of one song; a song that is missing, undecodable or too short gives fewer."""
    with TemporaryDirectory() as temporary:
        try:
            path = Path(temporary, f"{genre}-{number}.mp3")
            path.write_bytes(archive.read(_member(archive, genre, number)))
            signal, info = audio.load_all(path, SAMPLE_RATE), _read_info(path)
        except (audio.AudioError, KeyError) as error:
            print(f"left out: {genre}/{number}.mp3: {getattr(error, 'reason', 'not in the archive')}", file=sys.stderr)
            return
    for start_s in STARTS_S:
        clip = signal[start_s * SAMPLE_RATE :][: round(CLIP_S * SAMPLE_RATE)]
        if len(clip) < round(CLIP_S * SAMPLE_RATE):
            print(f"left out: {genre}/{number}.mp3 ends before {start_s + CLIP_S:g} s", file=sys.stderr)
            continue
        of_clip = info | {"segmentStart": start_s, "segmentEnd": start_s + int(CLIP_S)}
        mp3_path = path_of(of_clip)
        if mp3_path in taken:  # another song has the same names
            mp3_path = path_of(of_clip | {"title": f"{genre} {number} {info['title']}"})
        _write_mp3(folder / mp3_path, clip)
        yield of_clip | {"genre": genre, "number": number, "mp3_path": mp3_path}


def _member(archive: zipfile.ZipFile, genre: str, number: int) -> str:
    """The name of a song in the archive, in which the genres are folders."""
    end = f"{genre}/{number}.mp3"
    names = [name for name in archive.namelist() if name.endswith(f"/{end}") or name == end]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if not names:
        raise KeyError(end)
    return names[0]


def _read_info(path: Path) -> Info:
    """What an MP3 file says of itself: artist, album, title and track number."""
    with av.open(str(path)) as container:
        said = {key.lower(): value.strip() for key, value in container.metadata.items()}
    if not said.get("artist"):
        raise audio.AudioError(path, "its ID3 tags name no artist, by whom clips are kept together")
    track = re.match(r"\d+", said.get("track", ""))
    names = {key: said.get(key, "") for key in ("title", "artist", "album")}
    return {"track_number": int(track[0]) if track else 0} | names


def path_of(info: Info) -> str:
    """The path of a clip, named as in MagnaTagATune. All clips of an artist are in the same folder of 16."""
    artist, album, title = (_slug(info[key]) for key in ("artist", "album", "title"))
    folder = sha256(artist.encode()).hexdigest()[0]
    span = f"{info['segmentStart']}-{info['segmentEnd']}"
    return f"{folder}/{artist}-{album}-{int(info['track_number']):02d}-{title}-{span}.mp3"


def _slug(name: str) -> str:
    """A name in lower-case letters, digits and underscores."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")[:_LETTERS]


def _write_mp3(path: Path, clip: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()  # in memory, because libsndfile reports a full disk as "System error"
    options = {"bitrate_mode": "CONSTANT", "compression_level": _LEVEL_OF_32_KBIT}
    soundfile.write(content, clip, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", **options)
    path.write_bytes(content.getbuffer())


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    options.add_argument("archive", type=Path, help="emotifymusic.zip")
    options.add_argument("ratings", type=Path, help="data.csv")
    options.add_argument("folder", type=Path, help="folder to make")
    program.run(main, options)
