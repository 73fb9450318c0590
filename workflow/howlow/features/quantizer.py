"""Spectrograms with fewer bits a value: uniform levels between two bounds in dB, and their packing into bytes.

A value is rounded to the nearest of 2^bits levels, the first and last of which are the bounds; values outside are
clipped to them. With 8 bits the levels are 0.47 dB apart, with 4 bits 8 dB, and with 1 bit all 120 dB. Training reads
rounded values, and these are, to the bit, those that packing to so many bits and unpacking would give.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from howlow.features.representation import STORED_BITS, Representation

LOW_DB, HIGH_DB = -100.0, 20.0
"""The range of the spectrograms: the lowest value, of silence, and the next round number above those of loud music."""


class Quantizer(NamedTuple):
    """Levels of a number of bits.

    Attributes
    ----------
    bits : int, from 1 to 8
    low, high : np.ndarray [shape=(n_mels, 1) or (1, 1), dtype=float32], the lowest and the highest level in dB
    """

    bits: int
    low: np.ndarray
    high: np.ndarray

    @property
    def highest(self) -> int:
        """The code of the highest level; the lowest one has the code 0."""
        return (1 << self.bits) - 1

    @property
    def step(self) -> np.ndarray:
        """The distance of two levels in dB."""
        return (self.high - self.low) / np.float32(self.highest)

    @property
    def scale(self) -> np.ndarray:
        """The number of levels in a dB."""
        return np.float32(self.highest) / (self.high - self.low)


def between(bits: int, low_db: Sequence[float], high_db: Sequence[float]) -> Quantizer | None:
    """The quantizer with these lowest and highest levels, of each band or one of all; None for values as stored."""
    if bits == STORED_BITS:
        return None
    return Quantizer(bits, *(np.array(bounds, np.float32)[:, np.newaxis] for bounds in (low_db, high_db)))


def over_the_whole_range(bits: int) -> Quantizer | None:
    """The quantizer with one range for all bands, from `LOW_DB` to `HIGH_DB`; None for values as they are stored."""
    return between(bits, [LOW_DB], [HIGH_DB])


def bytes_per_clip(representation: Representation, dtype: str) -> int:
    """The number of bytes of the spectrogram of one clip, if only this representation is stored.

    Parameters
    ----------
    dtype : str, the type of stored values, which those with `STORED_BITS` have; fewer bits are packed without gaps
    """
    bits = 8 * np.dtype(dtype).itemsize if representation.bits == STORED_BITS else representation.bits
    return math.ceil(representation.n_mels * representation.n_frames * bits / 8)


def codes(decibels: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """The code of the nearest level of each value.

    Parameters
    ----------
    decibels : np.ndarray [shape=(..., n_mels, n_frames)]

    Returns
    -------
    np.ndarray of the same shape [dtype=uint8]

    Raises
    ------
    ValueError
        if a value is not a number
    """
    if np.isnan(decibels).any():
        raise ValueError("a value that is not a number (NaN) has no code")
    places = (decibels.astype(np.float32) - quantizer.low) * quantizer.scale
    return np.clip(np.rint(places), 0, quantizer.highest).astype(np.uint8)


def values(codes: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """The levels of codes in dB, [dtype=float32]."""
    return codes.astype(np.float32) * quantizer.step + quantizer.low


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack codes without gaps, the highest bit of each first.

    Returns
    -------
    np.ndarray [shape=(ceil(n_codes * bits / 8),), dtype=uint8]
    """
    return np.packbits(np.unpackbits(codes[..., np.newaxis], axis=-1)[..., 8 - bits :])


def unpack(packed: np.ndarray, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    """The codes of a shape that `pack` packed."""
    digits = np.unpackbits(packed, count=int(np.prod(shape)) * bits).reshape(*shape, bits)
    return digits @ (1 << np.arange(bits - 1, -1, -1, dtype=np.uint8))
