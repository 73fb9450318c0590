"""The names of metrics and representations in tables, figures and sentences."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PAPERS_CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type"]
"""The columns that identify a representation of the paper."""

FURTHER_AXES = ["bits", "seconds", "width"]
"""The columns of the axes that the paper does not have."""

CELL = [*PAPERS_CELL, *FURTHER_AXES]
"""The columns that identify, together with dataset and model, the cell of a row."""

WAYS = {
    "n_mels": "fewer bands",
    "hop_factor": "a longer hop",
    "sample_rate_hz": "a lower sample rate",
    "bits": "fewer bits",
    "seconds": "a shorter part of each clip",
    "width": "a narrower network",
}
"""What is done along each axis to save; the log type saves nothing."""

LOG_NAMES = {"log": "log", "db": "dB"}
METRICS = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC"}


def representation(sample_rate: int, n_mels: int, hop_factor: int, log_type: str) -> str:
    """A representation in words, such as `48 bands, x2, 12 kHz, dB`."""
    return f"{n_mels} bands, x{hop_factor}, {sample_rate / 1000:g} kHz, {LOG_NAMES[log_type]}"


def cells(table: "pd.DataFrame") -> list[str]:
    """The cell of each row in words. Bits, seconds and width are named where they differ between the rows.

    Parameters
    ----------
    table : rows with the columns `CELL`
    """
    differing = [axis for axis in FURTHER_AXES if len(set(table[axis])) > 1]
    return [
        ", ".join([representation(*row[: len(PAPERS_CELL)]), *map(value, differing, row[len(PAPERS_CELL) :])])
        for row in table[[*PAPERS_CELL, *differing]].itertuples(index=False)
    ]


def papers_grid(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of the grid that the paper has axes for: those with the bits, seconds and width that most rows have.

    Parameters
    ----------
    table : rows with the columns `CELL`
    """
    of_row = list(table[FURTHER_AXES].itertuples(index=False, name=None))
    most = max(of_row, key=lambda values: (of_row.count(values), values), default=None)
    return table[[values == most for values in of_row]]


def value(axis: str, number: float) -> str:
    """A value of one of `FURTHER_AXES` in words, such as `4 bits`, `10 s` or `width 1/16`."""
    bits = f"{number:g} bit{'s' * (number > 1)}"
    return {"bits": bits, "seconds": f"{number:g} s", "width": f"width {fraction(number)}"}[axis]


def fraction(number: float) -> str:
    """A number as text, such as `3`; as a fraction such as `1/16` if it is one of a whole number."""
    part = 1 / number
    return f"1/{part:.0f}" if number < 1 and abs(part - round(part)) < 1e-6 else f"{number:g}"


def deviation(n_seeds: int, n_folds: int) -> str:
    """What a mean and its standard deviation are of; `n_folds` is 0 without folds."""
    if n_seeds == 1:
        return "one seed"
    without = f", each in one of {n_folds} folds, without what the folds differ by" * bool(n_folds)
    return f"mean and standard deviation of {n_seeds} seeds{without}"
