"""The parts of docs/real-music.md about what each way to save costs."""

import pandas as pd
from real_music_tables import markdown, section

from howlow.names import fraction
from howlow.results.exchange import WAYS

_FACTORS = {
    "gmac_factor": "computation",
    "bytes_per_clip_factor": "storage",
    "inference_ms_batch_64_factor": "inference time",
    "train_seconds_per_epoch_factor": "training time",
}


def sentences() -> str:
    """What halving and quartering the computation and the storage cost, which is a list of sentences."""
    return section("exchange.md")


def answer() -> str:
    """The two sentences about halving, for README.md."""
    return "\n".join(line for line in sentences().splitlines() if "Halving" in line)


def exchange_table(exchange: pd.DataFrame) -> str:
    """The points lost along each axis from its richest value on, and the share of each cost that is left."""
    rows = []
    for row in exchange[exchange["axis"].isin(list(WAYS))].to_dict("records"):
        interval = f"{row['roc_auc_lost_low_points']:+.2f} to {row['roc_auc_lost_high_points']:+.2f}"
        lost = [f"{row[f'{metric}_lost_points']:+.2f}" for metric in ("roc_auc", "pr_auc")]
        left = [f"{100 / row[factor]:.0f} %" for factor in _FACTORS]
        rows.append([_step(row["axis"], row["from"], row["to"]), row["n_pairs"], lost[0], interval, lost[1], *left])
    head = ["step", "pairs", "ROC AUC lost, points", "95 % interval", "PR AUC lost, points"]
    return markdown([*head, *(f"{name} left" for name in _FACTORS.values())], rows)


def frontier() -> str:
    """The best cell within each budget of computation and of storage."""
    return section("frontier.md")


def _step(axis: str, before: float, after: float) -> str:
    """A step in words, such as `hop x1 to x2`."""
    if axis == "hop_factor":
        return f"hop ×{before:g} to ×{after:g}"
    if axis == "sample_rate_hz":
        return f"{before / 1000:g} to {after / 1000:g} kHz"
    if axis == "width":
        return f"width {fraction(before)} to {fraction(after)}"
    unit = {"n_mels": "bands", "bits": "bits", "seconds": "s"}[axis]
    return f"{before:g} to {after:g} {unit}"
