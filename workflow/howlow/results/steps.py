"""The cells of an experiment as a matrix of runs, and the steps between them, such as from 96 to 48 bands."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from howlow.names import CELL

AXES = ("n_mels", "hop_factor", "sample_rate_hz", "log_type", "bits", "seconds", "width")
"""The axes along which cells are compared."""

PAPERS_STEPS = [("n_mels", 96, 48), ("hop_factor", 1, 2), ("hop_factor", 1, 10)]
"""The steps that the paper has conclusions about; the last one goes over all hops between."""

_POOR_IS_LARGE = ("hop_factor", "log_type")  # `log` comes after `db`


class Step(NamedTuple):
    """A step from one value to another on an axis, and the pairs of cells that differ in it alone.

    Attributes
    ----------
    first, second : np.ndarray [shape=(n_pairs,), dtype=int], the rows of the richer and of the poorer cell of each pair
    """

    axis: str
    before: object
    after: object
    first: np.ndarray
    second: np.ndarray


def steps(cells: pd.DataFrame) -> Iterator[Step]:
    """All steps of a grid: from each value of an axis to the next one, and those that the paper asks about.

    Parameters
    ----------
    cells : a row for each cell, with the columns `CELL`, indexed from 0
    """
    for axis in AXES:
        yield from _steps_along(cells, axis)


def _steps_along(cells: pd.DataFrame, axis: str) -> Iterator[Step]:
    others = [key for key in CELL if key != axis]
    found: dict[tuple[object, object], tuple[list[int], list[int]]] = {}
    for _, group in cells.groupby(others, sort=False):
        ordered = group.sort_values(axis, ascending=axis in _POOR_IS_LARGE)
        for (i, (before, first)), (j, (after, second)) in combinations(
            enumerate(zip(ordered[axis], ordered.index, strict=True)), 2
        ):
            if j == i + 1 or (axis, before, after) in PAPERS_STEPS:
                rows = found.setdefault((before, after), ([], []))
                rows[0].append(int(first))
                rows[1].append(int(second))
    for (before, after), (firsts, seconds) in found.items():
        yield Step(axis, before, after, np.array(firsts), np.array(seconds))


def from_richest(cells: pd.DataFrame) -> Iterator[Step]:
    """The steps from the richest value of each axis to each of its other values.

    Parameters
    ----------
    cells : see `steps`
    """
    for axis in AXES:
        values = cells[axis].drop_duplicates().sort_values(ascending=axis in _POOR_IS_LARGE)
        others = [key for key in CELL if key != axis]
        rows = {key: group.index for key, group in cells.groupby([axis, *others], sort=False)}
        richest, *poorer = values
        for value in poorer:
            pairs = [
                (index[0], rows[value, *key[1:]][0])
                for key, index in rows.items()
                if key[0] == richest and (value, *key[1:]) in rows
            ]
            if pairs:
                first, second = np.array(pairs).T
                yield Step(axis, richest, value, first, second)


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """A table of rows that have the ends of a step in `from` and `to`, whose types are kept: 48 bands, width 0.5."""
    table = pd.DataFrame(rows)
    ends = {name: pd.Series([row[name] for row in rows], table.index, dtype=object) for name in ("from", "to")}
    return table.assign(**ends)


def matrix(runs: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The cells of one experiment, and a metric of their runs in points.

    Returns
    -------
    cells : pd.DataFrame, a row for each cell with the columns `CELL` and its name, `cell`
    values : np.ndarray [shape=(n_cells, n_seeds)], NaN where a cell has no run with a seed
    """
    cells = runs[[*CELL, "cell"]].drop_duplicates().reset_index(drop=True)
    seeds, seed_of_run = np.unique(runs["seed"], return_inverse=True)
    values = np.full((len(cells), len(seeds)), np.nan)
    values[runs.groupby(CELL, sort=False).ngroup(), seed_of_run] = 100 * runs[metric]
    return cells, values


def experiment_of(rows: pd.DataFrame) -> tuple[str, str]:
    """The dataset and the model of rows of one experiment."""
    dataset, model = rows[["dataset", "model"]].iloc[0]
    return dataset, model


def folds_of(runs: pd.DataFrame, n_folds: int) -> np.ndarray | None:
    """The fold that each seed tests on, in the order of the columns of `matrix`; None without folds.

    Parameters
    ----------
    runs : rows of `runs.csv` of one experiment, with the seeds of a cell in the order of the configuration
    n_folds : int, 0 without folds
    """
    seeds = list(dict.fromkeys(runs["seed"]))  # they take the folds in turn, as in `howlow.config.specs.fold`
    return np.array([seeds.index(seed) % n_folds for seed in np.unique(runs["seed"])]) if n_folds else None
