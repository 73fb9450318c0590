"""The generated parts of docs/real-music.md and of README.md, from the tables in docs/real-music/.

docs/collect_real_music.py writes the tables. `make docs` runs this.
"""

import pandas as pd
import real_music_exchange as exchange
import real_music_musicnn as musicnn
import real_music_widths as widths
from real_music_tables import (
    MAIN_STEPS,
    TAG_STEPS,
    Step,
    Tables,
    estimate,
    main_runs,
    markdown,
    name,
    published_effect,
    section,
    words,
)

from howlow.names import CELL, METRICS, PAPERS_CELL, fraction, representation
from howlow.networks.registry import NETWORKS
from howlow.results.estimates import Estimate

N_FOLDS = 5

STEPS: list[Step] = [
    ("n_mels", 128, 96),
    ("n_mels", 96, 48),
    ("n_mels", 16, 8),
    ("hop_factor", 1, 2),
    ("hop_factor", 1, 10),
    ("sample_rate_hz", 16_000, 12_000),
    ("log_type", "db", "log"),
]
_KINDS = ("", "_clips")


def parts(tables: Tables) -> list[str]:
    """The generated parts of docs/real-music.md, in their order."""
    return [
        answer(tables) + "\n",
        search_table(tables.search),
        effects_table(tables),
        best_table(tables),
        tags_table(tables.tags),
        exchange.sentences(),
        exchange.exchange_table(tables.exchange),
        exchange.quantizers_table(tables.runs, tables.band),
        exchange.frontier(),
        recommendation(),
        claims_table(tables),
        musicnn.musicnn_table(tables.runs),
        musicnn.musicnn_effects_table(tables),
        widths.widths_table(tables.runs),
        widths.width_effects_table(tables.runs),
        times_table(tables.runs),
    ]


def answer(tables: Tables) -> str:
    """What the study found, in one sentence."""
    bands, twice, ten_times = (_effect(tables.effects, step) for step in MAIN_STEPS)
    values = 100 * main_runs(tables.runs).pivot_table(index=["n_mels", "hop_factor"], columns="seed", values="roc_auc")
    quarter = estimate((values.loc[(48, 2)] - values.loc[(96, 1)]).to_numpy())
    of_bands = _cost(bands, " points of ROC AUC", "95 % interval ")
    return (
        f"On 794 clips of recorded music, leaving out half the mel bands costs {of_bands}, half the frames"
        f" {_cost(twice)}, both {_cost(quarter)}, which leaves a quarter of the data, and nine of ten frames"
        f" {_cost(ten_times)}."
    )


def _cost(loss: Estimate, unit: str = "", of: str = "") -> str:
    """A loss in points, with its interval."""
    low, high = loss.interval()
    return f"{-loss.value:.1f}{unit} ({of}{-high:.1f} to {-low:.1f})"


def search_table(search: pd.DataFrame) -> str:
    """The short search for a protocol: ROC AUC on the validation clips."""
    keys = ["model", "cell", "width", "batch_size", "learning_rate", "epochs", "decay_epochs"]
    means = search.groupby(keys, sort=False)["val_roc_auc"].agg(["size", "mean"])
    rows = []
    for (model, cell, width, batch, rate, epochs, decay), n, mean in means.itertuples():
        protocol = [fraction(width), batch, f"{rate:g}", f"{epochs}, {decay}"]
        rows.append([NETWORKS[model], words(cell), *protocol, n, f"{100 * mean:.1f}"])
    head = ["network", "representation", "width", "batch", "learning rate", "epochs, decay after", "seeds"]
    return markdown([*head, "ROC AUC, validation"], rows)


def effects_table(tables: Tables) -> str:
    """The average effects of the main run on ROC AUC and PR AUC, with the intervals of ROC AUC."""
    rows = []
    for step in STEPS:
        roc_auc, pr_auc = (_row(tables.effects, step, metric) for metric in METRICS)
        intervals = [f"{roc_auc[f'low{kind}_points']:+.2f} to {roc_auc[f'high{kind}_points']:+.2f}" for kind in _KINDS]
        changes = [f"{row['difference_points']:+.2f}" for row in (roc_auc, pr_auc)]
        rows.append([name(step), roc_auc["n_pairs"], changes[0], *intervals, changes[1]])
    head = ["step", "pairs", "ROC AUC, points", "for other seeds, folds and songs", "for other songs"]
    return markdown([*head, "PR AUC, points"], rows)


def best_table(tables: Tables) -> str:
    """The representation that is best on the validation clips against the logistic regression, fold by fold."""
    runs = main_runs(tables.runs)
    means = runs.groupby(PAPERS_CELL, sort=False)["val_roc_auc"].mean()
    best = runs.set_index(PAPERS_CELL).loc[means.idxmax()]
    of_fold = _by_fold(best)
    simple = tables.baseline.set_index("fold")
    rows = []
    for metric, label in METRICS.items():
        network, regression = 100 * of_fold[metric], 100 * simple[metric]
        low, high = estimate((network - regression).to_numpy()).interval()
        means_of_both = [f"{values.mean():.2f}" for values in (network, regression)]
        difference = f"{(network - regression).mean():+.2f}"
        rows.append([label, *means_of_both, difference, f"{low:+.2f} to {high:+.2f}"])
    network_name = f"VGG-CNN, {representation(*means.idxmax())}"
    return markdown(["metric, %", network_name, "logistic regression", "difference", "95 % interval"], rows)


def tags_table(tags: pd.DataFrame) -> str:
    """The change of each tag's ROC AUC, those that lose most with ten times the hop first."""
    ten_times = tags[(tags["axis"] == "hop_factor") & (tags["to"] == 10)]
    order = ten_times.sort_values("difference_points")["tag"]
    rows = []
    for tag in order[order != "(macro)"]:
        of_tag = tags[tags["tag"] == tag]
        changes = []
        for step in TAG_STEPS:
            row = _select(of_tag, step)
            low, high = row["low_points"], row["high_points"]
            mark = "**" if low > 0 or high < 0 else ""
            changes.append(f"{mark}{row['difference_points']:+.1f}{mark} ({low:+.1f} to {high:+.1f})")
        rows.append([tag, int(of_tag["n_positive"].iloc[0]), *changes])
    return markdown(["tag", "clips", *map(name, TAG_STEPS)], rows)


def recommendation() -> str:
    """What the workflow recommends for VGG-CNN, which is a list of sentences."""
    return section("recommendation.md")


def claims_table(tables: Tables) -> str:
    """The average effect of each step in the paper, and here."""
    published = tables.published.query("dataset == 'mtat' and model == 'vgg' and metric == 'roc_auc'")
    rows = []
    for step in STEPS:
        if not {step[1], step[2]} <= set(published[step[0]]):
            continue  # the paper's authors published no such figures
        theirs = published_effect(published, step)
        ours = _effect(tables.effects, step)
        low, high = ours.interval()
        verdict = "within the interval" if low <= theirs <= high else "outside the interval"
        rows.append([name(step), f"{theirs:+.2f}", f"{ours.value:+.2f}", f"{low:+.2f} to {high:+.2f}", verdict])
    return markdown(["step", "the paper, points", "here, points", "95 % interval", "the paper's is"], rows)


def times_table(runs: pd.DataFrame) -> str:
    """How long the trainings took, by network and device."""
    rows = []
    for (model, width, device), part in runs.groupby(["model", "width", "device"], sort=False):
        n_cells = len(part[CELL].drop_duplicates())
        hours = f"{part['train_seconds'].sum() / 3600:.2f}"
        rows.append([NETWORKS[model], fraction(width), n_cells, len(part), device, hours])
    head = ["network", "width", "cells", "trainings", "device", "hours of trainings, added up"]
    return markdown(head, rows)


def _by_fold(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean metrics on each fold; the seeds take the folds in turn."""
    seeds = sorted(runs["seed"].unique())
    return runs.groupby(runs["seed"].map(lambda seed: seeds.index(seed) % N_FOLDS + 1))[list(METRICS)].mean()


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
