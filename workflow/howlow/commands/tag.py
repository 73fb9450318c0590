"""Tag music of any length with a trained model: print the most probable tags of each file.

    howlow tag --model results/demo/vgg/16k_mel96_x1_db/seed1/model.pt song.mp3 album/
    howlow tag --model model.pt --format csv --output tags.csv album/

docs/tagging.md explains the model file, and how music of any length is tagged.
"""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from tqdm import tqdm

from howlow import files, program, tagging
from howlow.data import audio_files
from howlow.errors import HowlowError
from howlow.features import audio, decoders
from howlow.tagging import Tagger
from howlow.training import devices

_BAR_WIDTH = 20

Result = tuple[str, dict[str, float]]  # a file's name, and the probabilities of its most probable tags


def main(args: argparse.Namespace) -> None:
    bad: list[Path] = []
    paths = list(_expanded(args.files, bad))
    if args.output:
        _check_output(args.output, [args.model, *paths])
    tagger = tagging.load(args.model)
    device = devices.prepare(torch.get_num_threads(), args.device)
    devices.lay_out(tagger.network, device)
    torch.backends.cudnn.allow_tf32 = False  # so that a GPU computes as exactly as a CPU
    n_paths = len(paths) + len(bad)
    results = _results(tagger, program.progress(paths, "tag"), args.top, bad)
    with _opened(args.output) as stream:
        for text in FORMATS[args.format](results, tagger.description):
            tqdm.write(text, stream, end="")  # does not disturb the progress bar
    if bad:
        raise HowlowError(f"{len(bad)} of {n_paths} files could not be tagged")


def _expanded(paths: list[Path], bad: list[Path]) -> Iterator[Path]:
    """Replace folders by the audio files in them; folders that can't be read are added to `bad`."""
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - it gives False for a path that can't be accessed
            yield path
            continue
        n_bad = len(bad)
        found = _files_in(path, bad)
        if not found and len(bad) == n_bad:
            raise HowlowError(f"{path}: there is no audio file in this folder")
        yield from found


def _files_in(folder: Path, bad: list[Path]) -> list[Path]:
    """The audio files in a folder and its subfolders; folders that can't be read are reported and added to `bad`."""

    def report(error: OSError) -> None:
        _report(f"{error.filename}: the folder can't be read: {error.strerror}")
        bad.append(Path(error.filename))

    return audio_files.in_folder(folder, report)


def _check_output(path: Path, inputs: list[Path]) -> None:
    """Refuse to overwrite an input file, or music, which `--output *.mp3` would do."""
    files.refuse_overwriting(path, inputs)
    if os.path.isfile(path) and (  # noqa: PTH113 - as above
        path.suffix.lower() in audio_files.SUFFIXES or isinstance(decoders.declared_seconds(path), float)
    ):
        raise HowlowError(f"{path}: is music, and would be overwritten; name the file to write after --output")


def _results(tagger: Tagger, paths: Iterable[Path], top: int, bad: list[Path]) -> Iterator[Result]:
    """Tag one file after another; those that can't be tagged are reported and added to `bad`."""
    for path in paths:
        try:
            with _without_remarks():
                signal = audio.load_all(path, tagger.cell.sample_rate)
            tagged = tagging.tag(tagger, signal, path)
        except audio.AudioError as error:
            _report(str(error))
            bad.append(path)
            continue
        if tagged.is_repeated:
            _report(f"{path}: {tagged.seconds:.2f} s, repeated to the {tagger.cell.seconds:g} s that the model needs")
        order = np.argsort(-tagged.probabilities, kind="stable")[:top]
        name = os.fsencode(path).decode("utf-8", "backslashreplace")  # the name of a file need not be text
        # Six digits, because further ones depend on the processor.
        yield name, {tagger.tags[i]: float(f"{tagged.probabilities[i]:.6g}") for i in order}


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Suppress libmpg123's remarks on harmless faults of an MP3.

    It writes them to file descriptor 2, and not through Python. Errors are printed afterwards, and the progress bar
    loses at most one refresh.
    """
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _report(message: str) -> None:
    tqdm.write(f"howlow tag: {_printable(message)}", sys.stderr)


def _printable(text: str) -> str:
    """A text with its control characters escaped; the name of a file may have such characters."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _text(results: Iterable[Result], _: dict[str, Any]) -> Iterator[str]:
    for name, tags in results:
        width = max(map(len, tags))
        lines = [f"  {tag:<{width}}  {p:.3f}  {'#' * round(_BAR_WIDTH * p)}".rstrip() for tag, p in tags.items()]
        yield "\n".join([_printable(name), *lines]) + "\n"


def _csv(results: Iterable[Result], _: dict[str, Any]) -> Iterator[str]:
    yield _csv_rows([("path", "tag", "probability")])
    for name, tags in results:
        yield _csv_rows([(name, tag, probability) for tag, probability in tags.items()])


def _csv_rows(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(files.to_cell, row) for row in rows)
    return text.getvalue()


def _json(results: Iterable[Result], model: dict[str, Any]) -> Iterator[str]:
    opening = "[\n"
    for name, tags in results:
        yield opening + json.dumps({"path": name, "model": model, "tags": tags}, ensure_ascii=False)
        opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"


FORMATS: dict[str, Callable[[Iterable[Result], dict[str, Any]], Iterator[str]]] = {
    "text": _text,
    "csv": _csv,
    "json": _json,
}


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """The stream to write to: standard output, or the file that the user named."""
    if path is None or _is_standard_output(path):
        yield sys.stdout
        return
    with files.output(path) as target, target.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--model", type=Path, required=True, help="model.pt of a training")
    options.add_argument("--top", type=_positive, metavar="N", default=10, help="number of tags to print (default: 10)")
    options.add_argument("--format", choices=list(FORMATS), default="text", help="format of the output (default: text)")
    options.add_argument("--output", type=Path, metavar="FILE", help="file to write instead of standard output")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(default: auto)")
    options.add_argument("files", type=Path, nargs="+", help="audio files, and folders with audio files")
