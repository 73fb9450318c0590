"""The representations of audio: those of the paper's grid (Table II), with fewer bits, and of a part of each clip."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

CLIP_SECONDS = 29.1
"""Length of a clip in the paper, section IV."""

SEGMENT_SECONDS = 3
"""Length of MUSICNN's segments, paper section VI.B."""

FRAME_SIZE = 512
"""Number of samples in a frame."""

HOP_SIZE = 256
"""Number of samples from one frame to the next at a hop factor of 1."""

STORED_BITS = 16
"""The number of bits that stands for values as they are stored, which are not quantized any further."""


def n_samples(sample_rate: int, seconds: float = CLIP_SECONDS) -> int:
    """Number of samples of a clip: 349,200 at 12 kHz and 465,600 at 16 kHz for 29.1 s."""
    return round(seconds * sample_rate)


def n_frames(n_samples: int, hop_factor: int = 1) -> int:
    """Number of frames of a signal: 1366 and 1820 for 29.1 s at 12 and 16 kHz, fewer with larger hops.

    The first frame is centred on sample 0. At a hop factor of 1 there are as many frames as Essentia's
    `FrameGenerator(startFromZero=False)` gives; with a larger one, every `hop_factor`-th of these is kept.
    """
    frames = -(-n_samples // HOP_SIZE) + 1
    return -(-frames // hop_factor)


@dataclass(frozen=True)
class Representation:
    """What a network is fed.

    Attributes
    ----------
    sample_rate : int, in Hz
    n_mels : int, number of mel bands
    hop_factor : int, the hop in units of 256 samples
    log_type : str, `db` or `log`, see `howlow.features.mel.compress`
    bits : int, bits a value, see `howlow.features.quantizer`; `STORED_BITS` are the values as they are stored
    seconds : float, length of the part that is used of each clip, which is its centre
    """

    sample_rate: int
    n_mels: int
    hop_factor: int
    log_type: str
    bits: int = STORED_BITS
    seconds: float = CLIP_SECONDS

    @property
    def segment_frames(self) -> int:
        """Number of frames of `SEGMENT_SECONDS`."""
        return round(SEGMENT_SECONDS * self.sample_rate / (HOP_SIZE * self.hop_factor))

    @property
    def n_frames(self) -> int:
        """Number of frames of a clip."""
        return n_frames(n_samples(self.sample_rate, self.seconds), self.hop_factor)

    @property
    def n_frames_at_x1(self) -> int:
        """Number of frames of a clip at a hop factor of 1, which is the hop of the store."""
        return n_frames(n_samples(self.sample_rate, self.seconds))


@dataclass(frozen=True)
class Cell(Representation):
    """A cell of a grid: a representation, and the width of the network that is trained on it.

    Attributes
    ----------
    width : float, factor for the number of filters; the paper's is 1
    """

    width: float = 1.0

    def name(self, seconds: float, width: float) -> str:
        """The name of the cell's folder, such as `12k_mel96_x1_db` or `12k_mel96_x1_db_4bit_10s_w0.5`.

        What is as it is without a further axis is not named.

        Parameters
        ----------
        seconds : float, length of the stored clips
        width : float, width of the networks of the experiment
        """
        parts = [f"{self.sample_rate / 1000:g}k", f"mel{self.n_mels}", f"x{self.hop_factor}", self.log_type]
        parts += [f"{self.bits}bit"] if self.bits != STORED_BITS else []
        parts += [f"{_shortest(self.seconds)}s"] if self.seconds != seconds else []
        parts += [f"w{_shortest(self.width)}"] if self.width != width else []
        return "_".join(parts)

    @classmethod
    def parse(cls, name: str, seconds: float, width: float) -> "Cell":
        """The cell of a name, see `name`; raises a ValueError for any other text."""
        found = _NAME.fullmatch(name)
        if found:
            rate, mels, hop, log_type, bits, own_seconds, own_width = found.groups()
            cell = cls(
                round(float(rate) * 1000),
                int(mels),
                int(hop),
                log_type,
                int(bits or STORED_BITS),
                float(own_seconds) if own_seconds else seconds,
                float(own_width) if own_width else width,
            )
            if cell.name(seconds, width) == name:
                return cell
        raise ValueError(f"not the name of a cell: {name!r}")


def cells_of(spec: dict[str, Any]) -> dict[str, Cell]:
    """The cells of an experiment by their names, from a specification of `howlow.config.specs` that has the names."""
    return {name: Cell.parse(name, spec["seconds"], spec["width"]) for name in spec["cells"]}


_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_NAME = re.compile(rf"({_NUMBER})k_mel([0-9]+)_x([0-9]+)_(db|log)(?:_([0-9]+)bit)?(?:_({_NUMBER})s)?(?:_w({_NUMBER}))?")


def _shortest(value: float) -> str:
    """The shortest text of a number that gives it back, without an exponent."""
    return format(Decimal(repr(value)).normalize(), "f")
