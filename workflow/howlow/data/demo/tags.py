"""Draw the tags of the demo's clips, and their splits."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from howlow.data.demo.synthesis import INSTRUMENTS

MUSICAL = (*INSTRUMENTS, "drums", "loud", "quiet", "high", "low")

FOLDERS = "0123456789abcdef"
SPLITS = {"train": "0123456789ab", "validation": "c", "test": "def"}
FORGOTTEN = 0.05
"""The fraction of the positives of a musical tag that the annotations lack."""

_SHARES = {"validation": 0.15, "test": 0.35}
_RATES = dict(zip(INSTRUMENTS, (0.34, 0.32, 0.28, 0.24, 0.20, 0.16), strict=True)) | {
    "drums": 0.42,
    "loud": 0.26,
    "quiet": 0.22,
    "high": 0.22,
    "low": 0.26,
}
_OPPOSITES = {"loud": "quiet", "high": "low"}


def tag_names(probes: Sequence[str]) -> tuple[str, ...]:
    """The tags of a dataset with the given probes, in the order of its annotations."""
    return (*MUSICAL, *probes)


def split_sizes(n_clips: int) -> dict[str, int]:
    """The number of clips in each split, with at least one in each of its folders.

    Raises
    ------
    ValueError
        if there are fewer clips than folders
    """
    if n_clips < len(FOLDERS):
        raise ValueError(f"n_clips is at least {len(FOLDERS)}, one for each folder, not {n_clips}")
    # Each small split gets four clips if there are enough, so that it has both values of every tag.
    spare = n_clips - len(FOLDERS)
    valid = 1 + min(spare, max(3, round(_SHARES["validation"] * n_clips) - 1))
    spare -= valid - 1
    test = 3 + min(spare, max(1, round(_SHARES["test"] * n_clips) - 3))
    return {"train": n_clips - valid - test, "validation": valid, "test": test}


def draw_tags(n_clips: int, seed: int, probes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the tags that are heard in every clip, and those that its annotation has.

    Parameters
    ----------
    n_clips : int
    seed : int
    probes : the names of the probes

    Returns
    -------
    folders : np.ndarray [shape=(n_clips,), dtype=<U1], in ascending order
    played : np.ndarray [shape=(n_clips, n_tags), dtype=bool], the tags that are heard in the clips: `MUSICAL`, and then
        the probes
    annotated : np.ndarray [shape=(n_clips, n_tags), dtype=bool], the same without some forgotten tags

    Raises
    ------
    ValueError
        if there are fewer clips than folders
    """
    rng = np.random.default_rng(seed)
    folders, played, annotated = [], [], []
    for split, size in split_sizes(n_clips).items():
        names = np.array(list(SPLITS[split]))
        folders.append(np.sort(names[np.arange(size) % len(names)]))
        music = _draw_musical(size, rng)
        noted = np.stack([_forget(column, rng) for column in music.T], axis=1)
        probed = _draw_probes(noted, len(probes), rng)
        played.append(np.hstack([music, probed]))
        annotated.append(np.hstack([noted, probed]))
    return np.concatenate(folders), np.concatenate(played), np.concatenate(annotated)


def _draw_musical(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the musical tags of a split. Each tag has a share of the clips by `_RATES`, but at least one clip."""
    column = {tag: np.zeros(size, bool) for tag in MUSICAL}
    count = {tag: max(1, min(round(rate * size), size // 2)) for tag, rate in _RATES.items()}
    n_playing = np.zeros(size)
    for tag in INSTRUMENTS:  # clips with the fewest instruments come first, so that every clip gets one
        column[tag][np.argsort(n_playing + rng.random(size))[: count[tag]]] = True
        n_playing += column[tag]
    for tag in ("drums",):
        column[tag][rng.permutation(size)[: count[tag]]] = True
    for tag, opposite in _OPPOSITES.items():
        order = rng.permutation(size)
        column[tag][order[: count[tag]]] = True
        column[opposite][order[count[tag] : count[tag] + count[opposite]]] = True
    return np.stack([column[tag] for tag in MUSICAL], axis=1)


def _forget(column: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Remove a fraction `FORGOTTEN` of the positives from a tag's column."""
    positives = np.flatnonzero(column)
    kept = column.copy()
    kept[rng.permutation(positives)[: round(FORGOTTEN * len(positives))]] = False
    return kept


def _draw_probes(music: np.ndarray, n_probes: int, rng: np.random.Generator, n_swaps: int = 3000) -> np.ndarray:
    """Draw the probes of a split: all combinations equally often, and uncorrelated with the musical tags.

    A random assignment is improved by exchanging the probes of two clips whenever that lowers the correlations.
    """
    size = len(music)
    combinations = np.array(list(_combinations(n_probes)))
    probes = rng.permutation(combinations[np.arange(size) % len(combinations)])
    centred = (music - music.mean(axis=0)) / (music.std(axis=0) + 1e-9)
    cross = centred.T @ probes
    for first, second in rng.integers(size, size=(n_swaps, 2)):
        step = np.outer(centred[first] - centred[second], probes[second] * 1.0 - probes[first])
        if ((cross + step) ** 2).sum() < (cross**2).sum():
            cross += step
            probes[[first, second]] = probes[[second, first]]
    return probes


def _combinations(n_probes: int) -> Iterator[tuple[bool, ...]]:
    """All combinations of probes, each before its complement, so that even a few clips have both values of each."""
    for combination in product((False, True), repeat=n_probes):
        complement = tuple(not has for has in combination)
        if (sum(combination), combination) < (sum(complement), complement):
            yield combination
            yield complement
