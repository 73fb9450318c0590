"""What the paper's authors published, beside what was measured here."""

from pathlib import Path
from typing import Any

import pandas as pd

from howlow.datasets import published_sizes
from howlow.words import CELL

PATH = Path(__file__).resolve().parents[2] / "resources" / "published.csv"
"""All 118 figures that the authors published, Tables IV and V among them, in percent."""

N_TAGS = 50
_KEYS = ["model", *CELL]


def kind_of(settings: dict[str, Any], n_clips: int, n_tags: int) -> str | None:
    """The dataset of the paper that a configured one is, `mtat` or `msd`, or None.

    It is if it has the paper's 50 tags and, but for 1 %, its number of clips: collections in the same layout, or
    subsets and other splits of the same data, do not compare.
    """
    kind = settings["kind"]
    if kind not in ("mtat", "msd") or n_tags != N_TAGS:
        return None
    if settings.get("split", "folders") != "folders" or settings.get("untagged", "keep") != "keep":
        return None
    size = sum(published_sizes(kind).values())
    return kind if abs(n_clips - size) <= 0.01 * size else None


def beside(table: pd.DataFrame, kinds: dict[str, str | None]) -> pd.DataFrame:
    """Put the published figures beside the measured ones.

    Parameters
    ----------
    table : rows with dataset, model and representation, and `roc_auc_percent` and `pr_auc_percent`
    kinds : what `kind_of` says, by dataset

    Returns
    -------
    pd.DataFrame, for each metric with the columns `{metric}_published_percent`, `{metric}_published_std`,
    `{metric}_difference_points` and `{metric}_is_outside`: whether the measured mean lies outside the published mean
    and twice its standard deviation, empty where none was published. The table itself where no dataset compares.
    """
    if not any(kinds.get(dataset) for dataset in table["dataset"]):
        return table
    figures = pd.read_csv(PATH).rename(columns={"dataset": "kind"})
    keyed = table.assign(kind=table["dataset"].map(kinds))
    for metric in ("roc_auc", "pr_auc"):
        of_metric = figures.loc[figures["metric"] == metric, ["kind", *_KEYS, "mean_percent", "std_percent"]]
        names = {"mean_percent": f"{metric}_published_percent", "std_percent": f"{metric}_published_std"}
        keyed = keyed.merge(of_metric.rename(columns=names), on=["kind", *_KEYS], how="left", validate="many_to_one")
        difference = keyed[f"{metric}_percent"] - keyed[f"{metric}_published_percent"]
        keyed[f"{metric}_difference_points"] = difference
        deviation = keyed[f"{metric}_published_std"]
        keyed[f"{metric}_is_outside"] = (difference.abs() > 2 * deviation).where(deviation.notna())
    return keyed.drop(columns="kind")
