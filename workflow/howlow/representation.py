"""Representations of audio, the axes of the paper's grid (Table II), and their names in paths."""

from dataclasses import astuple, dataclass

CLIP_SECONDS = 29.1
"""Length of a clip in the paper, section IV."""


@dataclass(frozen=True, order=True)
class Representation:
    """A mel-spectrogram representation.

    Attributes
    ----------
    sample_rate : int, in Hz
    n_mels : int, number of mel bands
    hop_factor : int, the hop in units of 256 samples
    log_type : str, `db` or `log`, see `howlow.mel.compress`
    """

    sample_rate: int
    n_mels: int
    hop_factor: int
    log_type: str

    @property
    def name(self) -> str:
        """The folder name of a cell with this representation, such as `12k_mel96_x1_db`."""
        sample_rate, n_mels, hop_factor, log_type = astuple(self)
        return f"{sample_rate / 1000:g}k_mel{n_mels}_x{hop_factor}_{log_type}"

    @classmethod
    def parse(cls, name: str) -> "Representation":
        """The representation that `name` names; a ValueError if it names none."""
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
