"""The split into training, validation and test clips, for a collection that has none of its own."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence


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
