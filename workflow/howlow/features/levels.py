"""The ranges of quantized values for each band by itself, from the training clips alone."""

from pathlib import Path
from typing import Any

import numpy as np

from howlow import files
from howlow.features import quantizer
from howlow.features.quantizer import HIGH_DB, LOW_DB, Quantizer
from howlow.features.representation import STORED_BITS, Representation
from howlow.features.store import Store

PERCENTILES = (0.5, 99.5)
"""The values of the training clips that become the lowest and the highest level of a band."""

NAME = "levels.json"
"""The name of the file with the ranges, in the folder of a store."""

_LOWEST_DB, _HIGHEST_DB, _BINS_PER_DB = -128, 64, 32
_MIN_RANGE_DB = 1.0  # so that a band that is always silent has levels, too
_READ_CLIPS = 64
_MAX_DB = 1000


def of_bands(store: Store, indices: np.ndarray) -> tuple[list[float], list[float]]:
    """`PERCENTILES` of the values of each band in some clips, to 1/32 dB; these are counted in bins of that size.

    Parameters
    ----------
    store : in dB, at x1
    indices : np.ndarray [shape=(n_clips,), dtype=int], positions of the training clips in the store

    Returns
    -------
    low, high : lists [length=n_mels], in dB; they are at least 1 dB apart
    """
    n_bins = (_HIGHEST_DB - _LOWEST_DB) * _BINS_PER_DB
    offsets = n_bins * np.arange(store.n_mels)[:, np.newaxis]
    counts = np.zeros(store.n_mels * n_bins, np.int64)
    for first in range(0, len(indices), _READ_CLIPS):
        decibels = store.read(indices[first : first + _READ_CLIPS])
        bins = np.rint((decibels - _LOWEST_DB) * _BINS_PER_DB).clip(0, n_bins - 1).astype(np.int64)
        counts += np.bincount((bins + offsets).ravel(), minlength=len(counts))
    shares = counts.reshape(store.n_mels, n_bins).cumsum(axis=1) / max(1, counts.sum() // store.n_mels)
    low, high = (_LOWEST_DB + (shares < q / 100).sum(axis=1) / _BINS_PER_DB for q in PERCENTILES)
    return low.tolist(), np.maximum(high, low + _MIN_RANGE_DB).tolist()


def read(manifest: Path, bits: int, kind: str | None, fold: int | None) -> dict[str, list[float]] | None:
    """The lowest and highest levels, `low_db` and `high_db`, of a store's values; None for values as they are stored.

    Parameters
    ----------
    manifest : that of the store; the ranges of the bands are beside it, in `levels.json`
    bits : int
    kind : `global` or `band`, the quantizer of the configuration
    fold : int, the fold whose training clips count; None with fixed splits
    """
    if bits == STORED_BITS:
        return None
    if kind == "global":
        return {"low_db": [LOW_DB], "high_db": [HIGH_DB]}
    return files.read_json(manifest.with_name(NAME))["folds"][str(fold or 0)]


def checked(levels: Any, representation: Representation) -> Quantizer | None:
    """The quantizer with levels that `read` has given, or None, if they are those of the representation.

    Raises
    ------
    ValueError
        if they are of another number of bits or bands, or no finite ranges; other errors where they are no levels
    """
    if (levels is None) != (representation.bits == STORED_BITS):
        raise ValueError(f"its levels are not those of {representation.bits} bits")
    if levels is None:
        return None
    low, high = bounds = np.array([levels["low_db"], levels["high_db"]], float)
    are_of_bands = bounds.shape in ((2, 1), (2, representation.n_mels))
    if not are_of_bands or not ((np.abs(bounds) < _MAX_DB) & (low < high)).all():
        raise ValueError(f"its levels are not those of {representation.n_mels} bands")
    return quantizer.between(representation.bits, low.tolist(), high.tolist())
