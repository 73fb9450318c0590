"""Look at a folder of audio files, and write a table of them and a first configuration.

    howlow new ~/Music
    howlow new ~/Music --into study

It reads the genre, the artist and the album of the files' own tags, and else takes the names of the folders. It writes
tracks.csv, with a row for each file, and my.yaml, with every choice explained. Both are for you to change. It decodes
nothing, changes no audio file, and overwrites nothing.
"""

import argparse
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from howlow import config as configuration
from howlow import files, program
from howlow.config import specs, strict_yaml
from howlow.data import datasets
from howlow.errors import HowlowError
from howlow.features import decoders
from howlow.planning import collection, first_configuration
from howlow.planning.collection import Audio, Choice

_SHOWN_TAGS = 12


def main(args: argparse.Namespace) -> None:
    folder, into = args.folder.expanduser(), args.into
    table, config = into / "tracks.csv", into / "my.yaml"
    for path in (table, config):
        if path.exists() or path.is_symlink():
            raise HowlowError(f"{path}: is already there; move it away, or name another folder with --into")
    found = _look(folder)
    usable = [audio for audio in found if not isinstance(audio.seconds, str)]
    _print_files(folder, found, usable)
    try:
        tags, groups = collection.tags(usable), collection.groups(usable)
        counts = collection.counts(tags.values)
        sizes = first_configuration.sizes([float(audio.seconds) for audio in usable], counts)
    except HowlowError as error:
        raise HowlowError(f"{folder}: {error}. docs/own-data.md shows how to write a table yourself") from None
    _print_choices(tags, groups, counts, sizes)
    rows = collection.table([audio.path for audio in usable], groups.values, tags.values)
    text = first_configuration.text(str(folder.resolve()), str(table), collection.SEPARATOR, sizes)
    _check(rows, text, table)
    files.write_text(table, rows)
    files.write_text(config, text)
    print(f"\nWritten: {table} and {config}. Look at both, and then go on with\n")
    print(f"    howlow check {config}")
    print(f"    make all CONFIG={config}    # in a clone of howlow")


def _look(folder: Path) -> list[Audio]:
    """The audio files of a folder; subfolders that can't be read are told."""
    if not folder.is_dir():
        raise HowlowError(f"{folder}: is not a folder; name the folder of the audio files")
    unreadable: list[OSError] = []
    with decoders.without_remarks():
        found = list(program.progress(collection.read(folder, unreadable.append), "audio files"))
    for error in unreadable:
        print(f"warning: {error.filename}: the folder can't be read: {error.strerror}")
    if not found:
        raise HowlowError(f"{folder}: there is no audio file in this folder")
    return found


def _print_files(folder: Path, found: list[Audio], usable: list[Audio]) -> None:
    hours = sum(float(audio.seconds) for audio in usable) / 3600
    print(f"{folder}: {len(found):,} audio files, of which {len(usable):,} can be used, {hours:.1f} hours")
    for reason, number in Counter(audio.seconds for audio in found if isinstance(audio.seconds, str)).most_common():
        first = next(audio.path for audio in found if audio.seconds == reason)
        print(f"  left out: {number:,} because: {reason} (the first is {first!r})")
    if not usable:
        raise HowlowError(f"{folder}: none of the {len(found):,} audio files can be used")
    for layout in (folder, folder.resolve().parent):
        if (layout / "annotations_final.csv").is_file():
            print(f"  note: {layout} has annotations_final.csv, MagnaTagATune's layout, which needs no table:")
            print("        `kind: mtat` with this `root` takes its tags (docs/real-music.yaml is an example)")


def _print_choices(tags: Choice, groups: Choice, counts: Counter[str], chosen: first_configuration.Sizes) -> None:
    common = [(tag, number) for tag, number in counts.most_common() if number >= chosen.min_clips]
    shown = ", ".join(f"{tag} {number:,}" for tag, number in common[:_SHOWN_TAGS])
    more = f", and {len(common) - _SHOWN_TAGS} more" if len(common) > _SHOWN_TAGS else ""
    print(
        f"  tags: {tags.source}; {len(common)} of {len(counts)} with at least {chosen.min_clips} files: {shown}{more}"
    )
    print(f"  groups: {groups.source}; {len(set(groups.values)):,} of them")
    of_tag: dict[str, set[str]] = {tag: set() for tag, _ in common}
    for names, group in zip(tags.values, groups.values, strict=True):
        for name in of_tag.keys() & names:
            of_tag[name].add(group)
    rare = [tag for tag, members in of_tag.items() if len(members) < (chosen.folds or 3)]
    if rare:
        print(f"  warning: tags of so few groups that some fold or split has none of their files: {', '.join(rare)}")
    print(f"  length: {chosen.seconds:g} s, which {chosen.n_long:,} of the files have")


def _check(rows: str, text: str, table: Path) -> None:
    """Read the table and the configuration as a run does, before they are written.

    Raises
    ------
    HowlowError
        if a run would refuse them, for instance because of a name in the folder
    """
    config = configuration.complete(strict_yaml.parse(text), "the new configuration")
    specs.paths(config, "mine")
    with TemporaryDirectory() as folder:
        written = Path(folder, table.name)
        written.write_text(rows, newline="")
        datasets.load(specs.tracks(config, "mine"), specs.paths(config, "mine") | {"table": str(written)})


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("folder", type=Path, metavar="FOLDER", help="folder of audio files")
    options.add_argument(
        "--into", type=Path, metavar="FOLDER", default=Path(), help="where to write (default: the current folder)"
    )
