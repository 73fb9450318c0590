"""The first configuration for a user's own collection, with every choice sized to it and explained in a comment."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from howlow import networks
from howlow.errors import HowlowError, ShapeError
from howlow.features.representation import Cell
from howlow.planning.forecast import FEW_CLIPS

PAPER_S = 29.1
"""The length of the paper's clips, in seconds."""

_PAPERS_CLIPS = 15_000
"""From about as many clips on, the paper's network and its training are suggested; the paper has 25,000."""

_SEARCHED_CLIPS = 794
"""The clips for which the training of small collections was chosen (docs/real-music.md)."""

_MAX_EXCLUDED = 0.02
_N_FOLDS = 5
_TOP = 30
_RATES_HZ = (12_000, 16_000)
_N_MELS = (96, 48)
_HOP_FACTORS = (1, 2, 5)


class Sizes(NamedTuple):
    """The settings that depend on a collection, see config/README.md."""

    n_clips: int
    n_long: int
    seconds: float
    max_excluded: float
    folds: int | None
    min_clips: int
    width: float
    epochs: int
    shards: int
    hop_factors: tuple[int, ...]


def sizes(durations_s: Sequence[float], counts: Mapping[str, int]) -> Sizes:
    """Choose the settings for a collection.

    Parameters
    ----------
    durations_s : the lengths of the files
    counts : the number of files that have each tag

    Raises
    ------
    HowlowError
        if no tag has enough files, or the files are too short for VGG-CNN
    """
    n_clips = len(durations_s)
    seconds, max_excluded = _length(sorted(durations_s))
    n_long = sum(duration >= seconds for duration in durations_s)
    if n_long < (1 - max_excluded) * n_clips:
        raise HowlowError(f"the files are too short: only {n_long:,} of {n_clips:,} have a second")
    width = next((width for most, width in _WIDTHS if n_clips < most), 1.0)
    folds = _N_FOLDS if n_clips < FEW_CLIPS else None
    min_clips = 4 * _N_FOLDS if folds else 100
    common = [number for number in counts.values() if number >= min_clips]
    if not common or max(min(number, n_clips - number) for number in common) < min_clips:
        most = max(counts, key=lambda tag: counts[tag])
        raise HowlowError(
            f"no tag can be learned: it needs {min_clips} files that have it, and as many without; the most frequent"
            f" one, {most!r}, has {counts[most]:,} of {n_clips:,} files"
        )
    return Sizes(
        n_clips=n_clips,
        n_long=n_long,
        seconds=seconds,
        max_excluded=max_excluded,
        folds=folds,
        min_clips=min_clips,
        width=width,
        # As many steps of training as were right for the clips of the search.
        epochs=max(8, math.ceil(8 * _SEARCHED_CLIPS / n_clips)),
        shards=max(4, math.ceil(n_clips / 2_000)),
        hop_factors=tuple(hop for hop in _HOP_FACTORS if _fits(hop, seconds, width)),
    )


_WIDTHS = ((1_500, 1 / 16), (5_000, 1 / 8), (_PAPERS_CLIPS, 1 / 4))
"""The width of VGG-CNN for collections of fewer than a number of clips."""


def _length(durations_s: Sequence[float]) -> tuple[float, float]:
    """The seconds to use of each file, and the largest share of the files that may be too short for that.

    Parameters
    ----------
    durations_s : lengths in seconds, sorted
    """
    for share in (_MAX_EXCLUDED, 0.1, 0.25):
        shortest_s = durations_s[int(share * len(durations_s))]
        seconds = min(PAPER_S, math.floor(10 * shortest_s) / 10)
        if seconds >= PAPER_S / 3:
            return seconds, share
    return max(1, seconds), share


def _fits(hop_factor: int, seconds: float, width: float) -> bool:
    try:
        for rate in _RATES_HZ:
            cell = Cell(rate, min(_N_MELS), hop_factor, "db", seconds=seconds, width=width)
            networks.check_frames("vgg", cell, {})
    except ShapeError:
        return False
    return True


def text(root: str, table: str, separator: str, chosen: Sizes) -> str:
    """The configuration as YAML.

    Parameters
    ----------
    root : the folder of the audio files
    table : the path of the table
    separator : the text between the tags of a file in the table
    chosen : the settings that depend on the collection
    """
    n_cells = len(_RATES_HZ) * len(_N_MELS) * len(chosen.hop_factors)
    seeds = list(range(1, (chosen.folds or 3) + 1))
    settings = {
        "root": (json.dumps(root, ensure_ascii=False), "the folder of the audio files"),
        "table": (
            json.dumps(table, ensure_ascii=False),
            "one row a file: its path in the root, its group and its tags",
        ),
        "separator": (json.dumps(separator), "between the tags of a file"),
        "min_clips": (chosen.min_clips, "tags that fewer files have are left out: their accuracy would be chance"),
        "top": (_TOP, "of the others, the most frequent ones are learned"),
        "seconds": (f"{chosen.seconds:g}", _on_seconds(chosen)),
        "max_excluded": (chosen.max_excluded, "a run stops if a larger share is too short or can't be decoded"),
        "folds": (chosen.folds, "every file is tested once, with one of the five seeds, and all of a group at once"),
        "shards": (chosen.shards, "parts in which the spectrograms are computed and stored"),
    }
    if not chosen.folds:
        del settings["folds"]
    lines = ((f"{key}: {value}", why) for key, (value, why) in settings.items())
    rows = "".join(f"    {line:<18} # {why}\n" for line, why in lines)
    on_seeds = "one for each fold" if chosen.folds else "the spread of three trainings, as in the paper"
    return f"""# The first configuration for {root}. `howlow check` says what it will do and take.
# Every key is explained in config/README.md, and the way from here to a figure in docs/own-data.md.
datasets:
  mine: # its results are in results/mine
    kind: table
{rows}
seeds: {seeds} # {on_seeds}

experiments:
  - dataset: mine
    model: vgg
    grid: # each with each: {n_cells} representations, and {n_cells * len(seeds)} trainings
      - sample_rate: {list(_RATES_HZ)} # Hz
        n_mels: {list(_N_MELS)} # mel bands; the paper's 128 to 8 are possible
        hop_factor: {list(chosen.hop_factors)} # times the paper's hop of 256 samples; the fewer frames, the faster
{_training(chosen)}"""


def _on_seconds(chosen: Sizes) -> str:
    centre = f"the centre of each file; {chosen.n_long:,} of {chosen.n_clips:,} are long enough"
    return f"{centre}. The paper's length" if chosen.seconds == PAPER_S else centre


def _training(chosen: Sizes) -> str:
    if chosen.width == 1:
        return "    # The network and its training are the paper's; on a CPU, they take days\n"
    decay = round(0.75 * chosen.epochs)
    return f"""    options: # a narrow network, because {chosen.n_clips:,} clips are too few for the paper's
      width: {chosen.width:g} # of the paper's channels
      batch_norm_momentum: 0.1
    training: # what was right for {_SEARCHED_CLIPS} clips (docs/real-music.md); more epochs may be better
      epochs: {chosen.epochs}
      batch_size: 8
      learning_rate: 0.008
      decay_epochs: {decay}
"""
