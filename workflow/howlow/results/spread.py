"""The spread of measured times: the interval of a median, and whether two times differ by more than their spread."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import comb
from statistics import median
from typing import NamedTuple

import pandas as pd

MIN_VALUES = 6
"""The fewest values whose median has a 95 % interval: all six are on one side of it with a probability of 3 %."""

_CONFIDENCE = 0.95

Row = pd.Series | Mapping[str, float]
"""A row of `times.csv`."""


class Spread(NamedTuple):
    """The median of repeated measurements, and the ends of its 95 % interval."""

    median: float
    low: float
    high: float


def of(values: Sequence[float]) -> Spread:
    """The median of some values, with its 95 % interval from order statistics.

    The interval holds for values of any distribution: each lies below the true median with a probability of one half,
    so that the number of those below it is binomial. The ends are the k-th smallest and the k-th largest value, with
    the largest k for which fewer than k values are on one side of the median in at most 5 % of all cases.

    Parameters
    ----------
    values : at least `MIN_VALUES` measurements, of which none depends on the others

    Raises
    ------
    ValueError
        if there are fewer values
    """
    if len(values) < MIN_VALUES:
        raise ValueError(f"a median has a 95 % interval from {MIN_VALUES} values on, and there are {len(values)}")
    ordered, k = sorted(values), _rank(len(values))
    return Spread(median(ordered), ordered[k - 1], ordered[-k])


@cache
def _rank(n: int) -> int:
    """The largest k such that fewer than k of n values are below their median with a probability of at most 2.5 %."""
    k, below = 0, comb(n, 0)  # `below` is 2^n times the probability of at most k values
    while below <= (1 - _CONFIDENCE) / 2 * 2**n:
        k += 1
        below += comb(n, k)
    return k


def columns(time: str) -> list[str]:
    """The columns of `times.csv` with the spread of a time, such as `extraction_ms`."""
    return [time, f"{time}_low", f"{time}_high"]


def differs(first: Row, second: Row, time: str) -> bool:
    """Whether a time differs between two rows of `times.csv` by more than its spread: the intervals do not overlap.

    Two 95 % intervals that do not overlap are a stricter test than one at 5 %. Without an interval, nothing differs.
    """
    _, low, high = columns(time)
    return bool(first[high] < second[low] or second[high] < first[low])
