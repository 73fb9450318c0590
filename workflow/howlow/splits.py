"""Splits of a collection into training, validation and test clips, made where it brings none."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence


def by_group(groups: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """Give every clip a split so that no group is in two.

    Groups are taken in the order of a hash of their names, which has nothing to do with what they are; each goes to
    the split that lacks most of its share, so that sizes come close to it. The same groups give the same splits on
    every machine, in whatever order they come.

    Parameters
    ----------
    groups : of each clip, such as its artist
    shares : fraction of the clips for each split

    Returns
    -------
    list of str, the split of each clip
    """
    sizes = Counter(groups)
    placed = dict.fromkeys(shares, 0)
    split_of: dict[str, str] = {}
    for done, group in enumerate(sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())):
        so_far = sum(placed.values()) + sizes[group]
        # The first groups go to one split each: a small collection has no empty split.
        empty = [split for split in shares if not placed[split]]
        candidates = empty if done >= len(sizes) - len(empty) else list(shares)
        split = max(candidates, key=lambda name: shares[name] * so_far - placed[name])
        split_of[group] = split
        placed[split] += sizes[group]
    return [split_of[group] for group in groups]
