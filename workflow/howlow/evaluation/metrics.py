"""ROC AUC and PR AUC, by tag and as the mean over tags (paper, section VII)."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from howlow.data.tracks import MACRO as MACRO  # metadata code uses it without scikit-learn


class TagMetrics(NamedTuple):
    """The figures of one tag; both areas are NaN if the clips are all positive or all negative."""

    tag: str
    roc_auc: float
    pr_auc: float
    n_positive: int


def per_tag(tags: tuple[str, ...], labels: np.ndarray, scores: np.ndarray) -> list[TagMetrics]:
    """ROC AUC and PR AUC (average precision) of every tag.

    Parameters
    ----------
    tags : tuple of str
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    scores : np.ndarray [shape=(n_clips, n_tags)], higher for a more probable tag
    """
    rows = []
    for tag, truth, score in zip(tags, labels.T, scores.T, strict=True):
        defined = truth.any() and not truth.all()
        roc_auc = roc_auc_score(truth, score) if defined else np.nan
        pr_auc = average_precision_score(truth, score) if defined else np.nan
        rows.append(TagMetrics(tag, float(roc_auc), float(pr_auc), int(truth.sum())))
    return rows


def macro(rows: list[TagMetrics]) -> tuple[float, float]:
    """Mean ROC AUC and PR AUC over the tags that have both positive and negative clips; NaN if none has."""
    defined = [(row.roc_auc, row.pr_auc) for row in rows if not np.isnan(row.roc_auc)]
    if not defined:
        return np.nan, np.nan
    roc_auc, pr_auc = np.mean(defined, axis=0)
    return float(roc_auc), float(pr_auc)
