"""Makes the split into training, validation and test clips for a collection that brings none."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence


def by_group(groups: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """Give every clip a split so that no group is in two.

    The groups are taken in the order of a hash of their names, which has nothing to do with their music. Each group
    goes to the split that lacks most of its share, so that the sizes come close to the shares. The same groups give
    the same splits on every machine and in whatever order they come.

    Parameters
    ----------
    groups : the group of each clip, such as its artist
    shares : the fraction of the clips that each split is to have

    Returns
    -------
    list of str, the split of each clip
    """
    sizes = Counter(groups)
    placed = dict.fromkeys(shares, 0)
    split_of: dict[str, str] = {}
    for done, group in enumerate(sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())):
        so_far = sum(placed.values()) + sizes[group]
        # As many of the last groups as there are empty splits fill these: a small collection leaves no split empty.
        empty = [split for split in shares if not placed[split]]
        candidates = empty if done >= len(sizes) - len(empty) else list(shares)
        split = max(candidates, key=lambda name: shares[name] * so_far - placed[name])
        split_of[group] = split
        placed[split] += sizes[group]
    return [split_of[group] for group in groups]
