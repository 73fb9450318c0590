"""The parts of docs/real-music.md about what each way to save costs."""

import pandas as pd
from real_music_tables import estimate, markdown, name, points, section

from howlow.names import CELL, WAYS

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
    steps = exchange[exchange["axis"].isin(list(WAYS))].astype({"from": float, "to": float})
    for row in steps.to_dict("records"):
        interval = f"{row['roc_auc_lost_low_points']:+.2f} to {row['roc_auc_lost_high_points']:+.2f}"
        lost = [f"{row[f'{metric}_lost_points']:+.2f}" for metric in ("roc_auc", "pr_auc")]
        left = [f"{100 / row[factor]:.0f} %" for factor in _FACTORS]
        rows.append([name((row["axis"], row["from"], row["to"])), row["n_pairs"], lost[0], interval, lost[1], *left])
    head = ["step", "pairs", "ROC AUC lost, points", "95 % interval", "PR AUC lost, points"]
    return markdown([*head, *(f"{what} left" for what in _FACTORS.values())], rows)


def quantizers_table(runs: pd.DataFrame, of_bands: pd.DataFrame) -> str:
    """The ROC AUC with one range of levels for all bands and with one for each, over the cells that have both."""
    keys = [*CELL, "seed"]
    both = of_bands.merge(runs[runs["model"] == "vgg"], on=keys, suffixes=("_band", "_global"))
    rows = []
    for bits, part in sorted(both.groupby("bits"), reverse=True):
        wide = 100 * part.set_index("seed").sort_index()[["roc_auc_global", "roc_auc_band"]]
        change = estimate((wide["roc_auc_band"] - wide["roc_auc_global"]).to_numpy())
        rows.append([bits, *(f"{value:.2f}" for value in wide.mean()), points(change)])
    return markdown(["bits", "one range, %", "a range of each band, %", "difference, points (95 % interval)"], rows)


def frontier() -> str:
    """The best cell within each budget of computation and of storage."""
    return section("frontier.md")
