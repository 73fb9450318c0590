"""The figures that the paper's authors published, put beside the measured ones and compared with them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from howlow.data.datasets import published_sizes
from howlow.features.representation import CLIP_SECONDS, STORED_BITS
from howlow.names import FURTHER_AXES, METRICS, PAPERS_CELL
from howlow.provenance import PACKAGE
from howlow.results.corrections import holm

PATH = PACKAGE / "resources" / "published.csv"
"""All 118 figures that the authors published, including Tables IV and V, in percent."""

N_TAGS = 50

N_RUNS = 3
"""Number of runs behind each published mean with a deviation (the paper's caption of Figure 1)."""

ALPHA = 0.05

# The deviations are printed with two decimals, so that 0.01 may be nearly 0.015. The largest possible one is taken: a
# smaller one would make too many differences significant. It is also never 0.
_HALF_A_UNIT = 0.005

_KEYS = ["model", *PAPERS_CELL]
_FURTHER = [STORED_BITS, CLIP_SECONDS, 1.0]  # the paper's bits, seconds and width


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
    """Put the published figures beside the measured ones, and test whether they differ.

    Parameters
    ----------
    table : rows with dataset, model, representation and `n_seeds`, and with `{metric}_percent` and `{metric}_std`
    kinds : `mtat` or `msd`, by the names of dataset and model of those experiments that are the paper's

    Returns
    -------
    pd.DataFrame, for each metric with the columns `{metric}_published_percent`, `{metric}_published_std`,
    `{metric}_difference_points`, and with those of a test of the two means: `{metric}_p` (see `p_of_difference`),
    `{metric}_p_holm` (by Holm's correction over all cells and both metrics of an experiment) and
    `{metric}_is_different` (corrected P < 0.05). Those of the test are empty where no deviation was published. If no
    experiment is the paper's, the table is returned as it is.
    """
    is_papers = (table[FURTHER_AXES] == _FURTHER).all(axis=1)
    kind = [kinds.get(pair) for pair in zip(table["dataset"], table["model"], strict=True)]
    kind = [of_row if is_like else None for of_row, is_like in zip(kind, is_papers, strict=True)]
    if not any(kind):
        return table
    figures = pd.read_csv(PATH).rename(columns={"dataset": "kind"})
    keyed = table.assign(kind=pd.Series(kind, table.index, dtype=str))
    for metric in METRICS:
        of_metric = figures.loc[figures["metric"] == metric, ["kind", *_KEYS, "mean_percent", "std_percent"]]
        names = {"mean_percent": f"{metric}_published_percent", "std_percent": f"{metric}_published_std"}
        keyed = keyed.merge(of_metric.rename(columns=names), on=["kind", *_KEYS], how="left", validate="many_to_one")
        difference = keyed[f"{metric}_percent"] - keyed[f"{metric}_published_percent"]
        keyed[f"{metric}_difference_points"] = difference
        std, published_std = keyed[f"{metric}_std"].to_numpy(), keyed[f"{metric}_published_std"].to_numpy()
        keyed[f"{metric}_p"] = p_of_difference(difference.to_numpy(), std, keyed["n_seeds"].to_numpy(), published_std)
    p = keyed[[f"{metric}_p" for metric in METRICS]].to_numpy()
    corrected = np.full(p.shape, np.nan)
    for rows in keyed.groupby(["dataset", "model"]).indices.values():
        corrected[rows] = holm(p[rows])
    for metric, p_holm in zip(METRICS, corrected.T, strict=True):
        keyed[f"{metric}_p_holm"] = p_holm
        is_different = pd.Series(p_holm < ALPHA, keyed.index, dtype=object)
        keyed[f"{metric}_is_different"] = is_different.where(~np.isnan(p_holm))
    return keyed.drop(columns="kind")


def p_of_difference(difference: np.ndarray, std: np.ndarray, n: np.ndarray, published_std: np.ndarray) -> np.ndarray:
    """P of Student's two-sided t-test of the difference between a measured and a published mean.

    The hypothesis is that our runs repeat the published ones: both then have the same mean and the same deviation,
    which is estimated from both. So the test is exact for any number of our runs, even a single one. Welch's test
    estimates two deviations. It finds fewer differences with 3 runs on each side, and too many with 10 on ours.
    `python benchmarks/replication.py` compares them.

    It is not said whether the published deviations are of n, as NumPy computes them by default, or of n - 1. They are
    taken as those of n, which means larger ones: then at most 5 % of exact repetitions are marked either way.

    Parameters
    ----------
    difference : np.ndarray [shape=(n_cells,)], measured mean minus published mean, in points
    std : np.ndarray [shape=(n_cells,)], deviation (of n - 1) of the measured runs, in points; NaN for a single run
    n : np.ndarray [shape=(n_cells,), dtype=int], number of measured runs
    published_std : np.ndarray [shape=(n_cells,)], in points; NaN gives NaN
    """
    from scipy.stats import t  # imported here, because it takes half a second

    variance, df = _variance(std, n, published_std)
    return 2 * t.sf(np.abs(difference) / np.sqrt(variance), df)


def _variance(std: np.ndarray, n: np.ndarray, published_std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The variance of the difference of two means, from the deviations of both, and its degrees of freedom."""
    n = np.asarray(n)
    # The sums of squares of both sides.
    own, theirs = np.where(n > 1, (n - 1) * np.square(std), 0), N_RUNS * np.square(published_std + _HALF_A_UNIT)
    df = n - 1 + N_RUNS - 1
    return (own + theirs) / df * (1 / n + 1 / N_RUNS), df


class Overall(NamedTuple):
    """The mean difference over some cells in points, the ends of its 95 % interval, its P, and the number of cells."""

    difference: float
    low: float
    high: float
    p: float
    n_cells: int


def overall(table: pd.DataFrame, metric: str) -> Overall | None:
    """The mean difference of a metric over all cells of an experiment that have a published deviation.

    The cells have deviations of their own, so that the degrees of freedom are estimated, by Welch (1947).

    Parameters
    ----------
    table : rows of one experiment, as `beside` returns them

    Returns
    -------
    Overall, or None if fewer than two cells have a published deviation
    """
    from scipy.stats import t

    tested = table[table[f"{metric}_p"].notna()]
    n_cells = len(tested)
    if n_cells < 2:
        return None
    columns = (tested[name].to_numpy() for name in (f"{metric}_std", "n_seeds", f"{metric}_published_std"))
    variances, dfs = _variance(*columns)
    difference = float(tested[f"{metric}_difference_points"].mean())
    error = float(np.sqrt(variances.sum())) / n_cells
    df = variances.sum() ** 2 / (variances**2 / (dfs + 2)).sum() - 2
    reach = float(t.ppf(1 - ALPHA / 2, df)) * error
    p = float(2 * t.sf(abs(difference) / error, df))
    return Overall(difference, difference - reach, difference + reach, p, n_cells)


def in_words(table: pd.DataFrame) -> list[str]:
    """Sentences on how the measured figures of one experiment compare with the published ones, for its caption.

    Parameters
    ----------
    table : rows of one experiment, as `beside` returns them
    """
    if table[[f"{metric}_published_percent" for metric in METRICS]].isna().all(axis=None):
        return []
    n_tests = int(sum(table[f"{metric}_p"].notna().sum() for metric in METRICS))
    if not n_tests:
        return ["No deviations were published for these cells, so it was not tested whether the figures differ."]
    by = "deviations of both" if table["n_seeds"].max() > 1 else "published deviation"
    sentences = [
        f"An asterisk marks a mean that differs from the published one (Student's t-test with the {by}, Holm's"
        f" correction over {n_tests} tests, P < {ALPHA:g})."
    ]
    for metric, name in METRICS.items():
        if (found := overall(table, metric)) is not None:
            p = "P < 0.001" if found.p < 0.001 else f"P = {found.p:.2g}"
            sentences.append(
                f"On average over {found.n_cells} cells, {name} differs from the published one by"
                f" {found.difference:+.2f} points (95 % interval {found.low:+.2f} to {found.high:+.2f}, {p})."
            )
    return sentences
