"""The generated parts of docs/real-music.md and of README.md, from the tables in docs/real-music/.

docs/collect_real_music.py writes the tables. `make docs` runs this.
"""

from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from howlow.features.representation import Representation
from howlow.names import CELL, LOG_NAMES, METRICS, representation
from howlow.networks.registry import NETWORKS
from howlow.results.estimates import Estimate

ROOT = Path(__file__).resolve().parents[1]

FOLDER = ROOT / "docs" / "real-music"
MAIN_WIDTH = 1 / 16
N_FOLDS = 5

Step = tuple[str, object, object]

STEPS: list[Step] = [
    ("n_mels", 128, 96),
    ("n_mels", 96, 48),
    ("n_mels", 16, 8),
    ("hop_factor", 1, 2),
    ("hop_factor", 1, 10),
    ("sample_rate_hz", 16_000, 12_000),
    ("log_type", "db", "log"),
]
_MAIN_STEPS: list[Step] = [("n_mels", 96, 48), ("hop_factor", 1, 2), ("hop_factor", 1, 10)]
_TAG_STEPS: list[Step] = [*_MAIN_STEPS, ("sample_rate_hz", 16_000, 12_000)]
_KINDS = ("", "_clips")


class Tables(NamedTuple):
    """The tables of docs/real-music/, and the published figures."""

    runs: pd.DataFrame
    effects: pd.DataFrame
    tags: pd.DataFrame
    baseline: pd.DataFrame
    search: pd.DataFrame
    published: pd.DataFrame


def read(folder: Path = FOLDER) -> Tables:
    """Read the tables."""
    paths = [folder / f"{name}.csv" for name in ("runs", "effects", "tags", "baseline", "search")]
    return Tables(*map(pd.read_csv, [*paths, ROOT / "resources" / "published.csv"]))


def parts(tables: Tables) -> list[str]:
    """The generated parts of docs/real-music.md, in their order."""
    return [
        answer(tables) + "\n",
        search_table(tables.search),
        effects_table(tables),
        best_table(tables),
        tags_table(tables.tags),
        recommendation(),
        claims_table(tables),
        widths_table(tables.runs),
        width_effects_table(tables.runs),
        times_table(tables.runs),
    ]


def answer(tables: Tables) -> str:
    """What the study found, in one sentence."""
    bands, twice, ten_times = (_effect(tables.effects, step) for step in _MAIN_STEPS)
    values = 100 * _main(tables.runs).pivot_table(index=["n_mels", "hop_factor"], columns="seed", values="roc_auc")
    quarter = _estimate((values.loc[(48, 2)] - values.loc[(96, 1)]).to_numpy())
    of_bands = _cost(bands, " points of ROC AUC", "95 % interval ")
    return (
        f"On 794 clips of recorded music, leaving out half the mel bands costs {of_bands}, half the frames"
        f" {_cost(twice)}, both {_cost(quarter)}, which leaves a quarter of the data, and nine of ten frames"
        f" {_cost(ten_times)}."
    )


def _cost(estimate: Estimate, unit: str = "", of: str = "") -> str:
    """A loss in points, with its interval."""
    low, high = estimate.interval()
    return f"{-estimate.value:.1f}{unit} ({of}{-high:.1f} to {-low:.1f})"


def search_table(search: pd.DataFrame) -> str:
    """The short search for a protocol: ROC AUC on the validation clips."""
    keys = ["model", "cell", "width", "batch_size", "learning_rate", "epochs", "decay_epochs"]
    means = search.groupby(keys, sort=False)["val_roc_auc"].agg(["size", "mean"])
    rows = [
        [NETWORKS[model], _words(cell), _width(width), batch, f"{rate:g}", f"{epochs}, {decay}", n, f"{100 * mean:.1f}"]
        for (model, cell, width, batch, rate, epochs, decay), n, mean in means.itertuples()
    ]
    head = ["network", "representation", "width", "batch", "learning rate", "epochs, decay after", "seeds"]
    return _table([*head, "ROC AUC, validation"], rows)


def effects_table(tables: Tables) -> str:
    """The average effects of the main run on ROC AUC and PR AUC, with the intervals of ROC AUC."""
    rows = []
    for step in STEPS:
        roc_auc, pr_auc = (_row(tables.effects, step, metric) for metric in METRICS)
        intervals = [f"{roc_auc[f'low{kind}_points']:+.2f} to {roc_auc[f'high{kind}_points']:+.2f}" for kind in _KINDS]
        changes = [f"{row['difference_points']:+.2f}" for row in (roc_auc, pr_auc)]
        rows.append([name(step), roc_auc["n_pairs"], changes[0], *intervals, changes[1]])
    head = ["step", "pairs", "ROC AUC, points", "for other seeds, folds and songs", "for other songs"]
    return _table([*head, "PR AUC, points"], rows)


def best_table(tables: Tables) -> str:
    """The representation that is best on the validation clips against the logistic regression, fold by fold."""
    runs = _main(tables.runs)
    means = runs.groupby(CELL, sort=False)["val_roc_auc"].mean()
    best = runs.set_index(CELL).loc[means.idxmax()]
    of_fold = _by_fold(best)
    simple = tables.baseline.set_index("fold")
    rows = []
    for metric, label in METRICS.items():
        network, regression = 100 * of_fold[metric], 100 * simple[metric]
        low, high = _estimate((network - regression).to_numpy()).interval()
        means_of_both = [f"{values.mean():.2f}" for values in (network, regression)]
        difference = f"{(network - regression).mean():+.2f}"
        rows.append([label, *means_of_both, difference, f"{low:+.2f} to {high:+.2f}"])
    network_name = f"VGG-CNN, {representation(*means.idxmax())}"
    return _table(["metric, %", network_name, "logistic regression", "difference", "95 % interval"], rows)


def tags_table(tags: pd.DataFrame) -> str:
    """The change of each tag's ROC AUC, those that lose most with ten times the hop first."""
    ten_times = tags[(tags["axis"] == "hop_factor") & (tags["to"] == 10)]
    order = ten_times.sort_values("difference_points")["tag"]
    rows = []
    for tag in order[order != "(macro)"]:
        of_tag = tags[tags["tag"] == tag]
        changes = []
        for step in _TAG_STEPS:
            row = _select(of_tag, step)
            low, high = row["low_points"], row["high_points"]
            mark = "**" if low > 0 or high < 0 else ""
            changes.append(f"{mark}{row['difference_points']:+.1f}{mark} ({low:+.1f} to {high:+.1f})")
        rows.append([tag, int(of_tag["n_positive"].iloc[0]), *changes])
    return _table(["tag", "clips", *map(name, _TAG_STEPS)], rows)


def recommendation(folder: Path = FOLDER) -> str:
    """What the workflow recommends for VGG-CNN, which is a list of sentences."""
    section = (folder / "recommendation.md").read_text().split("## VGG-CNN on music")[1]
    return section.split("\n## ")[0].strip() + "\n"


def claims_table(tables: Tables) -> str:
    """The average effect of each step in the paper, and here."""
    published = tables.published.query("dataset == 'mtat' and model == 'vgg' and metric == 'roc_auc'")
    rows = []
    for step in STEPS:
        if not {step[1], step[2]} <= set(published[step[0]]):
            continue  # the paper's authors published no such figures
        theirs = _published_effect(published, step)
        ours = _effect(tables.effects, step)
        low, high = ours.interval()
        verdict = "within the interval" if low <= theirs <= high else "outside the interval"
        rows.append([name(step), f"{theirs:+.2f}", f"{ours.value:+.2f}", f"{low:+.2f} to {high:+.2f}", verdict])
    return _table(["step", "the paper, points", "here, points", "95 % interval", "the paper's is"], rows)


def widths_table(runs: pd.DataFrame) -> str:
    """How alike two widths rank the representations that both were trained on."""
    found = _of_widths(runs)
    rows = []
    for narrow, wide in combinations(sorted(found), 2):
        means = [found[width].mean(axis="columns") for width in (narrow, wide)]
        r = stats.spearmanr(*means).statistic
        low, high = _spearman_interval(r, len(means[0]))
        limit = np.sqrt(np.prod([reliability(found[width]) for width in (narrow, wide)]))
        gap = f"{means[1].mean() - means[0].mean():+.2f}"
        rows.append([_width(narrow), _width(wide), f"{r:.2f}", f"{low:.2f} to {high:.2f}", f"{limit:.2f}", gap])
    head = ["narrow", "wide", "rank correlation", "95 % interval", "to be expected of equal ranks", "wide minus narrow"]
    return _table(head, rows)


def width_effects_table(runs: pd.DataFrame) -> str:
    """The average effects by width, over the representations that all widths were trained on."""
    found = _of_widths(runs)
    widths = sorted(found)
    rows = []
    for step in _TAG_STEPS:
        by_fold = {width: _step_by_fold(found[width], step) for width in widths}
        texts = [_points(_estimate(by_fold[width])) for width in widths]
        rows.append([name(step), *texts, _points(_estimate(by_fold[widths[0]] - by_fold[widths[-1]]))])
    difference = f"{_width(widths[0])} minus {_width(widths[-1])}"
    return _table(["step", *(f"width {_width(width)}" for width in widths), difference], rows)


def times_table(runs: pd.DataFrame) -> str:
    """How long the trainings took, by network and device."""
    rows = []
    for (model, width, device), part in runs.groupby(["model", "width", "device"], sort=False):
        n_cells = len(part[CELL].drop_duplicates())
        rows.append(
            [NETWORKS[model], _width(width), n_cells, len(part), device, f"{part['train_seconds'].sum() / 3600:.2f}"]
        )
    return _table(["network", "width", "representations", "trainings", "device", "hours of trainings, added up"], rows)


def reliability(values: pd.DataFrame) -> float:
    """The share of the variance of the cells' means that a repetition would have, too.

    It is that of a two-way layout without interaction: 1 - residual mean square / mean square of the cells (Hoyt, "Test
    reliability estimated by analysis of variance", 1941).

    Parameters
    ----------
    values : a row for each cell, and a column for each seed
    """
    table = values.to_numpy()
    residuals = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    of_cells = table.shape[1] * table.mean(1).var(ddof=1)
    return max(0.0, 1 - (residuals**2).sum() / df / of_cells)


def _spearman_interval(r: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a rank correlation (Bonett and Wright, "Sample size requirements for [...]", 2000)."""
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + r**2 / 2) / (n - 3))
    return float(np.tanh(np.arctanh(r) - reach)), float(np.tanh(np.arctanh(r) + reach))


def _of_widths(runs: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """For each width of VGG-CNN, ROC AUC in percent of the cells and seeds that all widths have: cells by seeds."""
    vgg = runs[runs["model"] == "vgg"]
    tables = [
        (width, 100 * part.pivot_table(index=CELL, columns="seed", values="roc_auc"))
        for width, part in vgg.groupby("width")
    ]
    cells = sorted(set.intersection(*(set(table.index) for _, table in tables)))
    seeds = sorted(set.intersection(*(set(table.columns) for _, table in tables)))
    return {float(width): table.loc[cells, seeds] for width, table in tables}


def _step_by_fold(values: pd.DataFrame, step: Step) -> np.ndarray:
    """The mean difference over all pairs of a step, with each seed."""
    axis, before, after = step
    sides = [values.xs(side, level=axis) for side in (before, after)]
    return (sides[1] - sides[0]).dropna().mean().to_numpy()


def _estimate(of_seeds: np.ndarray) -> Estimate:
    return Estimate(float(of_seeds.mean()), float(of_seeds.std(ddof=1) / np.sqrt(len(of_seeds))), len(of_seeds) - 1)


def _by_fold(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean metrics on each fold; the seeds take the folds in turn."""
    seeds = sorted(runs["seed"].unique())
    return runs.groupby(runs["seed"].map(lambda seed: seeds.index(seed) % N_FOLDS + 1))[list(METRICS)].mean()


def _main(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[(runs["model"] == "vgg") & (runs["width"] == MAIN_WIDTH)]


def _effect(table: pd.DataFrame, step: Step, metric: str = "roc_auc") -> Estimate:
    """An average effect of the main run, with the interval for other seeds, folds and songs."""
    row = _row(table, step, metric)
    return Estimate(row["difference_points"], row["error_points"], row["df"])


def _row(table: pd.DataFrame, step: Step, metric: str) -> pd.Series:
    return _select(table[(table["model"] == "vgg") & (table["metric"] == metric)], step)


def _select(table: pd.DataFrame, step: Step) -> pd.Series:
    axis, before, after = step
    sides = table[["from", "to"]].astype(str)
    found = table[(table["axis"] == axis) & (sides["from"] == str(before)) & (sides["to"] == str(after))]
    assert len(found) == 1, step
    return found.iloc[0]


def _published_effect(published: pd.DataFrame, step: Step) -> float:
    axis, before, after = step
    wide = published.pivot_table(index=[key for key in CELL if key != axis], columns=axis, values="mean_percent")
    return float((wide[after] - wide[before]).mean())  # a pair with a missing side does not count


def name(step: Step) -> str:
    """A step in words."""
    axis, before, after = step
    if axis == "hop_factor":
        return f"hop ×{before} to ×{after}"
    if axis == "log_type":
        return f"{LOG_NAMES[str(before)]} to {LOG_NAMES[str(after)]}"
    if axis == "sample_rate_hz":
        return f"{int(str(before)) // 1000} to {int(str(after)) // 1000} kHz"
    return f"{before} to {after} bands"


def _words(cell: str) -> str:
    """A representation in words, from its name."""
    parsed = Representation.parse(cell)
    return representation(parsed.sample_rate, parsed.n_mels, parsed.hop_factor, parsed.log_type)


def _points(estimate: Estimate) -> str:
    low, high = estimate.interval()
    return f"{estimate.value:+.2f} ({low:+.2f} to {high:+.2f})"


def _width(width: float) -> str:
    return "1" if width == 1 else f"1/{round(1 / width)}"


def _table(head: list[str], rows: list[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
