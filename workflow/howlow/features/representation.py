"""The representations of audio in the paper's grid (Table II), and their names in paths."""

from dataclasses import dataclass

CLIP_SECONDS = 29.1
"""Length of a clip in the paper, section IV."""

SEGMENT_SECONDS = 3
"""Length of MUSICNN's segments, paper section VI.B."""

FRAME_SIZE = 512
"""Number of samples in a frame."""

HOP_SIZE = 256
"""Number of samples from one frame to the next at a hop factor of 1."""


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


@dataclass(frozen=True, order=True)
class Representation:
    """A mel-spectrogram representation.

    Attributes
    ----------
    sample_rate : int, in Hz
    n_mels : int, number of mel bands
    hop_factor : int, the hop in units of 256 samples
    log_type : str, `db` or `log`, see `howlow.features.mel.compress`
    """

    sample_rate: int
    n_mels: int
    hop_factor: int
    log_type: str

    @property
    def name(self) -> str:
        """The folder name of a cell with this representation, such as `12k_mel96_x1_db`."""
        return f"{self.sample_rate / 1000:g}k_mel{self.n_mels}_x{self.hop_factor}_{self.log_type}"

    @property
    def segment_frames(self) -> int:
        """Number of frames of `SEGMENT_SECONDS`."""
        return round(SEGMENT_SECONDS * self.sample_rate / (HOP_SIZE * self.hop_factor))

    def n_frames(self, seconds: float) -> int:
        """Number of frames of a clip of `seconds`."""
        return n_frames(n_samples(self.sample_rate, seconds), self.hop_factor)

    @classmethod
    def parse(cls, name: str) -> "Representation":
        """The representation of a name; raises a ValueError for any other text."""
        try:
            rate, mels, hop, log_type = name.split("_")
            parsed = cls(
                round(float(rate.removesuffix("k")) * 1000),
                int(mels.removeprefix("mel")),
                int(hop.removeprefix("x")),
                log_type,
            )
        except ValueError:
            raise ValueError(f"not the name of a representation: {name!r}") from None
        if parsed.name != name:
            raise ValueError(f"not the name of a representation: {name!r}")
        return parsed
