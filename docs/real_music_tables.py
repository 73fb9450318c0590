"""The tables in docs/real-music/, and how steps, widths and estimates are written in the page made from them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from howlow.features.representation import CLIP_SECONDS, STORED_BITS, Cell
from howlow.names import LOG_NAMES, PAPERS_CELL, fraction, representation
from howlow.results.estimates import Estimate

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "real-music"
MAIN_WIDTH = 1 / 16

Step = tuple[str, object, object]

MAIN_STEPS: list[Step] = [("n_mels", 96, 48), ("hop_factor", 1, 2), ("hop_factor", 1, 10)]
TAG_STEPS: list[Step] = [*MAIN_STEPS, ("sample_rate_hz", 16_000, 12_000)]


class Tables(NamedTuple):
    """The tables of docs/real-music/, and the published figures."""

    runs: pd.DataFrame
    effects: pd.DataFrame
    tags: pd.DataFrame
    baseline: pd.DataFrame
    search: pd.DataFrame
    exchange: pd.DataFrame
    band: pd.DataFrame
    cpu: pd.DataFrame
    published: pd.DataFrame


def read(folder: Path = FOLDER) -> Tables:
    """Read the tables."""
    paths = [
        folder / f"{name}.csv" for name in ("runs", "effects", "tags", "baseline", "search", "exchange", "band", "cpu")
    ]
    return Tables(*map(pd.read_csv, [*paths, ROOT / "resources" / "published.csv"]))


def section(name: str) -> str:
    """What one of the workflow's Markdown files has about VGG-CNN."""
    return (FOLDER / name).read_text().split("## VGG-CNN on music")[1].split("\n## ")[0].strip() + "\n"


def main_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The trainings of the paper's 88 representations."""
    runs = as_stored(runs)
    return runs[(runs["model"] == "vgg") & (runs["width"] == MAIN_WIDTH)]


def as_stored(runs: pd.DataFrame) -> pd.DataFrame:
    """The trainings on whole clips with values as they are stored."""
    return runs[(runs["bits"] == STORED_BITS) & (runs["seconds"] == CLIP_SECONDS)]


def step_by_fold(values: pd.DataFrame, step: Step) -> np.ndarray:
    """The mean difference over all pairs of a step, with each seed."""
    axis, before, after = step
    sides = [values.xs(side, level=axis) for side in (before, after)]
    return (sides[1] - sides[0]).dropna().mean().to_numpy()


def estimate(of_seeds: np.ndarray) -> Estimate:
    """The mean over the seeds, and its standard error; the seeds take the folds in turn."""
    return Estimate(float(of_seeds.mean()), float(of_seeds.std(ddof=1) / np.sqrt(len(of_seeds))), len(of_seeds) - 1)


def published_effect(published: pd.DataFrame, step: Step) -> float:
    """The average effect of a step over published figures."""
    axis, before, after = step
    wide = published.pivot_table(index=[key for key in PAPERS_CELL if key != axis], columns=axis, values="mean_percent")
    return float((wide[after] - wide[before]).mean())  # a pair with a missing side does not count


def name(step: Step) -> str:
    """A step in words, such as `96 to 48 bands`."""
    axis, before, after = step
    if axis == "log_type":
        return f"{LOG_NAMES[str(before)]} to {LOG_NAMES[str(after)]}"
    first, second = float(str(before)), float(str(after))
    if axis == "hop_factor":
        return f"hop ×{first:g} to ×{second:g}"
    if axis == "sample_rate_hz":
        return f"{first / 1000:g} to {second / 1000:g} kHz"
    if axis == "width":
        return f"width {fraction(first)} to {fraction(second)}"
    unit = {"n_mels": "bands", "bits": "bits", "seconds": "s"}[axis]
    return f"{first:g} to {second:g} {unit}"


def words(cell: str) -> str:
    """A representation in words, from its name."""
    parsed = Cell.parse(cell, CLIP_SECONDS, MAIN_WIDTH)
    return representation(parsed.sample_rate, parsed.n_mels, parsed.hop_factor, parsed.log_type)


def points(value: Estimate) -> str:
    """An estimate with its 95 % interval."""
    low, high = value.interval()
    return f"{value.value:+.2f} ({low:+.2f} to {high:+.2f})"


def markdown(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
