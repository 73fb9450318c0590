"""A folder of audio files: what the files say of themselves, and a table of their tags and groups."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import StringIO
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tinytag import TinyTag, TinyTagException

from howlow.data import audio_files
from howlow.errors import HowlowError
from howlow.features import decoders

SEPARATOR = "|"
"""The text between the tags of a file, in the table and between several genres of one file."""

FEWEST_GROUPS = 10
"""A way to group the files is taken only if it gives as many groups."""

_READERS = 8


class Audio(NamedTuple):
    """An audio file.

    Attributes
    ----------
    path : its path relative to the folder, with slashes
    seconds : its length by its header, or the reason why it can't be used
    genres : the genres of its own tags, in lower case; an artist or an album that it does not name is empty
    artist, album : likewise
    """

    path: str
    seconds: float | str
    genres: tuple[str, ...] = ()
    artist: str = ""
    album: str = ""


class Choice(NamedTuple):
    """A value for each of some files, and in words where the values come from."""

    source: str
    values: list


def read(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Audio]:
    """Look at the audio files in a folder and its subfolders, in the order of their paths; nothing is decoded.

    Parameters
    ----------
    folder : the folder
    on_error : is called for each subfolder that can't be read
    """
    paths = audio_files.in_folder(folder, on_error)
    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(_look, repeat(folder), paths)


def _look(folder: Path, path: Path) -> Audio:
    relative = path.relative_to(folder).as_posix()
    if not relative.isprintable():  # `surrogateescape` gives characters that are not printable, too
        return Audio(relative, "its name has control characters, or is not UTF-8")
    seconds = decoders.declared_seconds(path)
    try:
        found = TinyTag.get(path, duration=False)
    except (TinyTagException, OSError):  # a format without tags, or a file that `seconds` says to be broken
        return Audio(relative, seconds)
    genres = SEPARATOR.join([found.genre or "", *found.other.get("genre", [])]).replace(";", SEPARATOR)
    names = dict.fromkeys(_tidy(name).lower() for name in genres.split(SEPARATOR))
    return Audio(relative, seconds, tuple(filter(None, names)), _tidy(found.artist), _tidy(found.album))


def _tidy(text: str | None) -> str:
    """A text without control characters and further blanks."""
    return " ".join("".join(each if each.isprintable() else " " for each in text or "").split())


def tags(files: Sequence[Audio]) -> Choice:
    """The tags of each file: its genres if at least half of the files have any, and else its uppermost folder.

    Raises
    ------
    HowlowError
        if the files have neither
    """
    if 2 * sum(bool(file.genres) for file in files) >= len(files):
        return Choice("the genres of the files' own tags", [file.genres for file in files])
    folders = [PurePosixPath(file.path).parts[:-1][:1] for file in files]
    if not any(folders):
        raise HowlowError("fewer than half of the files have a genre among their own tags, and they are in no folders")
    source = "the uppermost folders' names, because few files name a genre"
    return Choice(source, [tuple(map(_as_tag, names)) for names in folders])


def _as_tag(name: str) -> str:
    return _tidy(name.replace(SEPARATOR, " "))


def groups(files: Sequence[Audio]) -> Choice:
    """The group of each file, whose files must be in one split: a network might else recognize them, not their tags.

    It is the first of these that at least half of the files have, and that gives enough groups: the artist, the album,
    the folder, and what the file's name begins with, up to a dash. A file without it is a group of its own.
    """
    for source, group_of in _GROUPS:
        found = [group_of(file) for file in files]
        n_groups = len(set(found) - {""})
        if 2 * sum(map(bool, found)) >= len(files) and FEWEST_GROUPS <= n_groups < 0.9 * len(files):
            return Choice(source, [group or file.path for group, file in zip(found, files, strict=True)])
    return Choice("each file on its own, because nothing groups them", [file.path for file in files])


def _of_tags(name: str, file: Audio) -> str:
    return getattr(file, name)


def _inner_folder(file: Audio) -> str:
    """The folder of a file, if that is not the uppermost one."""
    folder = PurePosixPath(file.path).parent
    return str(folder) if len(folder.parts) > 1 else ""


def _beginning_of_name(file: Audio) -> str:
    beginning, dash, _ = PurePosixPath(file.path).name.partition("-")
    return _tidy(beginning) if dash else ""


_GROUPS: list[tuple[str, Callable[[Audio], str]]] = [
    ("the artist of the files' own tags", partial(_of_tags, "artist")),
    ("the album of the files' own tags", partial(_of_tags, "album")),
    ("the inner folder", _inner_folder),
    ("what the files' names begin with, up to the first dash", _beginning_of_name),
]


def counts(names: Sequence[tuple[str, ...]]) -> Counter[str]:
    """The number of files that have each tag."""
    return Counter(name for of_file in names for name in of_file)


def table(paths: Sequence[str], groups: Sequence[str], names: Sequence[tuple[str, ...]]) -> str:
    """The files as a table that `howlow.data.datasets.table` reads: CSV with the columns path, group and tags."""
    text = StringIO()
    rows = ((path, group, SEPARATOR.join(of_file)) for path, group, of_file in zip(paths, groups, names, strict=True))
    csv.writer(text, lineterminator=os.linesep).writerows([("path", "group", "tags"), *rows])
    return text.getvalue()
