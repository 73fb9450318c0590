"""The split into training, validation and test clips, or into folds, for a collection that has none of its own."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np


def by_group(groups: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """Assign every clip to a split so that no group is in two splits.

    The groups are taken in the order of a hash of their names, which is unrelated to their music. Each group goes to
    the split that lacks most of its share, so that the sizes come close to the shares. The result does not depend on
    the machine or on the order of the clips.

    Parameters
    ----------
    groups : the group of each clip, such as its artist
    shares : the fraction of the clips that each split should get

    Returns
    -------
    list of str, the split of each clip
    """
    sizes = Counter(groups)
    placed = dict.fromkeys(shares, 0)
    split_of: dict[str, str] = {}
    for done, group in enumerate(sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())):
        so_far = sum(placed.values()) + sizes[group]
        # If splits are still empty, the last groups go to them, so that even a small collection fills every split.
        empty = [split for split in shares if not placed[split]]
        candidates = empty if done >= len(sizes) - len(empty) else list(shares)
        split = max(candidates, key=lambda name: shares[name] * so_far - placed[name])
        split_of[group] = split
        placed[split] += sizes[group]
    return [split_of[group] for group in groups]


def into_folds(groups: Sequence[str], labels: np.ndarray, n_folds: int) -> list[str]:
    """Divide clips into parts of about the same size and with the same share of every tag, no group being in two.

    scikit-learn's StratifiedGroupKFold balances one class for each row. So it gets a row for each clip, and one more
    for each of its tags. The result does not depend on the machine or on the order of the clips.

    Parameters
    ----------
    groups : the group of each clip, such as its artist
    labels : np.ndarray [shape=(n_clips, n_tags), dtype=bool]
    n_folds : int, number of parts

    Returns
    -------
    list of str, the part of each clip, from `1` on
    """
    from sklearn.model_selection import StratifiedGroupKFold  # imported here, because only folds need it

    classes, clips = np.nonzero(np.vstack([np.ones(len(labels), bool), labels.T]))
    names, group_of_clip = np.unique(groups, return_inverse=True)
    # Among groups that are alike in number, the order of a hash decides, which is unrelated to names and music.
    order = np.argsort([hashlib.sha256(name.encode()).hexdigest() for name in names])
    rank = np.argsort(order)[group_of_clip]
    part_of_rank = np.empty(len(names), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of tags that have fewer clips than there are folds
        parts = StratifiedGroupKFold(n_folds).split(clips, classes, rank[clips])
        for part, (_, rows) in enumerate(parts, start=1):
            part_of_rank[rank[clips[rows]]] = part
    return [str(part) for part in part_of_rank[rank]]
