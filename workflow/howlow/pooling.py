"""Max-pooling windows of VGG-CNN by input size: the paper's Table III."""

from collections.abc import Iterable

from howlow.errors import HowlowError
from howlow.representation import CLIP_SECONDS

TIME = {
    12_000: {
        1: (4, 5, 8, 8),
        2: (4, 5, 8, 4),
        3: (4, 5, 8, 2),
        4: (4, 5, 8, 2),
        5: (4, 5, 8, 1),
        10: (4, 5, 4, 1),
    },
    16_000: {
        1: (4, 5, 9, 10),
        2: (4, 5, 9, 5),
        3: (4, 5, 9, 3),
        4: (4, 5, 9, 2),
        5: (4, 5, 9, 2),
        10: (4, 5, 9, 1),
    },
}
"""Windows in time of the four layers, by sample rate in Hz and hop factor."""

BANDS = {
    128: (2, 4, 4, 4),
    96: (2, 4, 3, 4),
    48: (2, 4, 3, 2),
    32: (2, 2, 3, 2),
    24: (2, 2, 3, 2),
    16: (2, 2, 2, 2),
    8: (2, 2, 2, 1),
}
"""Windows in frequency of the four layers, by number of mel bands."""


class PoolingError(HowlowError):
    """Table III has no row for this input; `axis` names which of its sizes is the reason."""

    def __init__(self, axis: str, value: float, known: Iterable[float]):
        listed = ", ".join(map(str, sorted(known)))
        super().__init__(f"VGG-CNN has no pooling for {axis} {value}, only for {listed} (the paper's Table III)")
        self.axis = axis


def windows(sample_rate: int, n_mels: int, hop_factor: int, seconds: float = CLIP_SECONDS) -> list[tuple[int, int]]:
    """(bands, frames) of the pooling window of each of the four layers.

    Raises
    ------
    PoolingError
        if Table III has no row for the sample rate, the hop, the number of bands or the length of the clips
    """
    if seconds != CLIP_SECONDS:
        raise PoolingError("seconds", seconds, [CLIP_SECONDS])
    if sample_rate not in TIME:
        raise PoolingError("sample_rate", sample_rate, TIME)
    if hop_factor not in TIME[sample_rate]:
        raise PoolingError("hop_factor", hop_factor, TIME[sample_rate])
    if n_mels not in BANDS:
        raise PoolingError("n_mels", n_mels, BANDS)
    return list(zip(BANDS[n_mels], TIME[sample_rate][hop_factor], strict=True))
