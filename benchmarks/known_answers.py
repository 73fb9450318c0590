"""Compare a finished run of the demo with its known answers: print tables for README.md and docs/axes.md.

    python benchmarks/known_answers.py [--results results]

All representations should be alike in the musical tags, apart from those with few bands or long hops. So the first
table has the average effect of each step on the mean over these tags, with its 95 % interval for other seeds and other
test clips. The other tables have the ROC AUC of each probe where it can be learnt and where it can't.
"""

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd

from howlow import names
from howlow.data.demo.probes import PROBES
from howlow.data.demo.tags import MUSICAL
from howlow.data.tracks import read as read_tracks
from howlow.evaluation import resampling
from howlow.evaluation.resampling import Resampled
from howlow.evaluation.scores import Scores, read_metrics, read_scores
from howlow.features.representation import Cell
from howlow.results import effects

MARGINS = {"roc_auc": 0.5, "pr_auc": 1.0}
SECONDS = 6.0
WIDTH = 1 / 16

# Which cells can show each probe, and which can't. Others are between both.
SHOWN = {
    "air": lambda cell: cell.sample_rate == 16_000,
    "attack first": lambda cell: cell.hop_factor == 1 and cell.bits >= 8,
    "split partial": lambda cell: cell.n_mels >= 32 and cell.bits >= 4,
    "loud murmur": lambda cell: cell.bits >= 4,
    "bright ends": lambda cell: cell.seconds == SECONDS,
}
HIDDEN = {
    "air": lambda cell: cell.sample_rate == 12_000,
    "attack first": lambda cell: cell.hop_factor == 10,
    "split partial": lambda cell: cell.n_mels == 8,
    "loud murmur": lambda cell: cell.bits <= 2,
    "bright ends": lambda cell: cell.seconds <= SECONDS * 2 / 3,
}


def main(results: Path) -> None:
    cells = {path.parent.name: _parse(path) for path in sorted((results / "demo" / "vgg").glob("*/metrics.csv"))}
    table, resampled = _musical_tags(results / "demo", cells)
    _print_effects(effects.average_effects(table, MARGINS, {("demo", "vgg"): resampled}))
    mean = 100 * table["roc_auc"].mean()
    print(f"\nThe mean ROC AUC of the musical tags over all {len(cells)} representations is {mean:.1f} %.")
    for dataset in ("demo", "axes"):
        _print_probes(results / dataset / "vgg")


def _parse(path: Path) -> Cell:
    return Cell.parse(path.parent.name, SECONDS, WIDTH)


def _musical_tags(folder: Path, cells: dict[str, Cell]) -> tuple[pd.DataFrame, Resampled]:
    """The mean metrics over the musical tags of each training, on the test clips and on resamples of them."""
    tracks = read_tracks(folder / "tracks.parquet")
    chosen = [tracks.tags.index(tag) for tag in MUSICAL]
    runs, areas, weights, groups = [], [], None, np.array([])
    for name, cell in cells.items():
        of_cell = []
        for path in sorted((folder / "vgg" / name).glob("seed*/scores.parquet")):
            scores = read_scores(path, tracks)
            test = Scores(*(column[scores.splits == "test"] for column in scores))
            if weights is None:
                groups, weights = test.groups, resampling.draw(test.groups)
            once = np.ones((len(test.labels), 1), np.float32)
            values = resampling.macro(test.labels[:, chosen], test.activations[:, chosen], once)[:, 0]
            runs.append(["demo", "vgg", *astuple(cell), name, int(path.parent.name.removeprefix("seed")), *values])
            of_cell.append(resampling.macro(test.labels[:, chosen], test.activations[:, chosen], weights))
        areas.append(of_cell)
    table = pd.DataFrame(runs, columns=["dataset", "model", *names.CELL, "cell", "seed", *names.METRICS])
    return table, Resampled(list(cells), len(set(groups)), np.array(areas, np.float32))


def _print_effects(found: pd.DataFrame) -> None:
    print(
        "| step | pairs | ROC AUC, points | 95 % interval | PR AUC, points | 95 % interval |\n|---|---|---|---|---|---|"
    )
    for (axis, before, after), rows in found.groupby(["axis", "from", "to"], sort=False):
        parts = [
            f"{row.difference_points:+.2f} | {row.low_points:+.2f} to {row.high_points:+.2f}"
            for row in rows.itertuples()
        ]
        print(f"| {axis} {before} to {after} | {rows['n_pairs'].iloc[0]} | {' | '.join(parts)} |")


def _print_probes(folder: Path) -> None:
    """Print the lowest and the highest mean of the seeds among the cells that show a probe, and that hide it."""
    means: dict[str, list[tuple[Cell, float]]] = {}
    for path in sorted(folder.glob("*/metrics.csv")):
        of_tag = read_metrics(path).query("split == 'test'").groupby("tag")["roc_auc"].mean()
        for tag in of_tag.index.intersection(list(PROBES)):
            means.setdefault(tag, []).append((_parse(path), of_tag[tag]))
    print("\n| probe | where it can be learnt | ROC AUC | where it can't | ROC AUC |\n|---|---|---|---|---|")
    for tag, values in means.items():
        sides = []
        for rule in (SHOWN[tag], HIDDEN[tag]):
            chosen = [area for cell, area in values if cell.width == WIDTH and rule(cell)]
            sides.append(f"{len(chosen)} cells | {min(chosen):.2f} to {max(chosen):.2f}" if chosen else "0 cells |")
        print(f"| `{tag}` | {' | '.join(sides)} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")
    main(options.parse_args().results)
