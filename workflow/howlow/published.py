"""The figures that the paper's authors published, put beside the measured ones."""

from pathlib import Path

import pandas as pd

from howlow.datasets import published_sizes
from howlow.words import CELL

PATH = Path(__file__).resolve().parents[2] / "resources" / "published.csv"
"""All 118 figures that the authors published, including Tables IV and V, in percent."""

N_TAGS = 50
_KEYS = ["model", *CELL]


def unlike(kind: str, n_clips: int, n_tags: int) -> list[str]:
    """How the size of a dataset differs from that of the paper's dataset of the same kind, `mtat` or `msd`, in words.

    The number of clips may differ by 1 %. Other collections in the same layout, and subsets, differ by more.
    """
    size = sum(published_sizes(kind).values())
    differences = []
    if n_tags != N_TAGS:
        differences.append(f"it has {n_tags} tags, the paper's has {N_TAGS}")
    if abs(n_clips - size) > 0.01 * size:
        differences.append(f"it has {n_clips:,} clips, the paper's has {size:,}")
    return differences


def beside(table: pd.DataFrame, kinds: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Put the published figures beside the measured ones.

    Parameters
    ----------
    table : rows with dataset, model and representation, and `roc_auc_percent` and `pr_auc_percent`
    kinds : `mtat` or `msd`, by the names of dataset and model of those experiments that are the paper's

    Returns
    -------
    pd.DataFrame, for each metric with the columns `{metric}_published_percent`, `{metric}_published_std`,
    `{metric}_difference_points` and `{metric}_is_outside`, which says whether the measured mean is more than two
    published standard deviations from the published mean; it is empty where no deviation was published. If no
    experiment is the paper's, the table is returned as it is.
    """
    kind = [kinds.get(pair) for pair in zip(table["dataset"], table["model"], strict=True)]
    if not any(kind):
        return table
    figures = pd.read_csv(PATH).rename(columns={"dataset": "kind"})
    keyed = table.assign(kind=pd.Series(kind, table.index, dtype=str))
    for metric in ("roc_auc", "pr_auc"):
        of_metric = figures.loc[figures["metric"] == metric, ["kind", *_KEYS, "mean_percent", "std_percent"]]
        names = {"mean_percent": f"{metric}_published_percent", "std_percent": f"{metric}_published_std"}
        keyed = keyed.merge(of_metric.rename(columns=names), on=["kind", *_KEYS], how="left", validate="many_to_one")
        difference = keyed[f"{metric}_percent"] - keyed[f"{metric}_published_percent"]
        keyed[f"{metric}_difference_points"] = difference
        deviation = keyed[f"{metric}_published_std"]
        keyed[f"{metric}_is_outside"] = (difference.abs() > 2 * deviation).where(deviation.notna())
    return keyed.drop(columns="kind")
