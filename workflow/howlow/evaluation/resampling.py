"""The bootstrap of the test clips: how much do the metrics depend on which songs were tested?

Clips of one song resemble each other, so whole groups of clips are drawn, as in a cluster bootstrap (Davison and
Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). All cells and seeds get the same resamples, so
that their differences can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from howlow import files
from howlow.names import METRICS

N_RESAMPLES = 2000


@dataclass(frozen=True)
class Resampled:
    """The metrics of all cells and seeds of an experiment on resampled test clips.

    Attributes
    ----------
    cells : list of str, the names of the cells
    n_groups : int, the number of groups of test clips, such as songs
    areas : np.ndarray [shape=(n_cells, n_seeds, n_metrics, n_resamples), dtype=float32], in the order of `METRICS`
    """

    cells: list[str]
    n_groups: int
    areas: np.ndarray

    @cached_property
    def _places(self) -> dict[str, int]:
        return {cell: place for place, cell in enumerate(self.cells)}

    def differences(self, metric: str, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """The mean difference in points over pairs of cells, second minus first: [shape=(n_seeds, n_resamples)]."""
        areas = self.areas[:, :, list(METRICS).index(metric)]
        sides = [areas[[self._places[cell] for cell in side]].mean(0, dtype=float) for side in (first, second)]
        return 100 * (sides[1] - sides[0])

    def levels(self, metric: str, cell: str) -> np.ndarray:
        """A metric of one cell in percent: [shape=(n_seeds, n_resamples)]."""
        return 100 * self.areas[self._places[cell], :, list(METRICS).index(metric)].astype(float)

    def write(self, path: Path) -> None:
        """Write the arrays as .npz."""
        with files.whole(path) as beside, beside.open("wb") as file:
            np.savez(file, cells=np.array(self.cells), n_groups=np.array(self.n_groups), areas=self.areas)


def read(path: Path) -> Resampled:
    """Read what `Resampled.write` wrote."""
    with np.load(path) as arrays:
        return Resampled(arrays["cells"].tolist(), int(arrays["n_groups"]), arrays["areas"])


def draw(groups: np.ndarray, n_resamples: int = N_RESAMPLES, seed: int = 0) -> np.ndarray:
    """Draw as many groups as there are, with replacement, for each resample.

    Parameters
    ----------
    groups : np.ndarray [shape=(n_clips,)], the group of each clip

    Returns
    -------
    np.ndarray [shape=(n_clips, n_resamples), dtype=float32], how often each clip is in each resample
    """
    names, group_of_clip = np.unique(groups, return_inverse=True)
    n_groups = len(names)
    counts = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples)
    return np.ascontiguousarray(counts.T[group_of_clip], np.float32)


def macro(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ROC AUC and PR AUC as means over the tags, on clips with weights.

    A tag that has no positive or no negative clip in a resample is left out of its means.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    scores : np.ndarray [shape=(n_clips, n_tags)]
    weights : np.ndarray [shape=(n_clips, n_resamples)], see `draw`

    Returns
    -------
    np.ndarray [shape=(n_metrics, n_resamples)], in the order of `METRICS`; NaN where no tag is left
    """
    totals, n_tags = np.zeros((len(METRICS), weights.shape[1])), np.zeros(weights.shape[1])
    for truth, score in zip(labels.T, scores.T, strict=True):
        if truth.any() and not truth.all():
            of_tag = areas(truth, score, weights)
            n_tags += ~np.isnan(of_tag[0])
            totals += np.nan_to_num(of_tag)
    return np.divide(totals, n_tags, out=np.full_like(totals, np.nan), where=n_tags > 0)


def areas(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ROC AUC and PR AUC (average precision) of one tag on clips with weights, as scikit-learn defines both.

    Parameters
    ----------
    truth : np.ndarray [shape=(n_clips,), dtype=bool], with both values
    score : np.ndarray [shape=(n_clips,)]
    weights : np.ndarray [shape=(n_clips, n_resamples)]

    Returns
    -------
    np.ndarray [shape=(n_metrics, n_resamples)], NaN where all positive or all negative clips have the weight 0
    """
    order = np.argsort(-score, kind="stable")
    positive = truth[order]
    is_start = np.r_[True, np.diff(score[order]) != 0]  # clips with equal scores belong to one threshold
    threshold = np.cumsum(is_start) - 1
    matters = np.zeros(threshold[-1] + 1, bool)  # both areas change only at thresholds that positive clips have
    matters[threshold[positive]] = True
    follows = np.r_[True, matters[:-1]]
    starts = np.flatnonzero(is_start & (matters | follows)[threshold])

    # Sums of weights by segments: one segment for each threshold that matters, and one for all clips between two.
    everything = _sums(order, starts, weights)
    is_wanted = matters[threshold[starts]]
    reached = np.cumsum(everything, axis=0)[is_wanted]
    of_threshold = threshold[positive]
    hits = _sums(order[positive], np.flatnonzero(np.r_[True, np.diff(of_threshold) > 0]), weights)
    found = np.cumsum(hits, axis=0)

    n_positive, n_negative = found[-1], everything.sum(0) - found[-1]
    misses_below = n_negative - (reached - found) + (everything[is_wanted] - hits) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        roc_auc = (hits * misses_below).sum(0, dtype=float) / (n_positive * n_negative)
        precision = found / np.maximum(reached, 1)  # nothing is found where nothing is reached
        pr_auc = (hits * precision).sum(0, dtype=float) / n_positive
    pr_auc[n_negative == 0] = np.nan
    return np.stack([roc_auc, pr_auc])


def _sums(rows: np.ndarray, starts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The sums of the weights of rows, in segments that begin at `starts`: [shape=(n_segments, n_resamples)]."""
    bounds = np.r_[starts, len(rows)]
    shape = (len(starts), len(weights))
    return csr_array((np.ones(len(rows), np.float32), rows, bounds), shape=shape) @ weights
