"""Compare a finished run of the demo with its known answers: print tables for README.md.

    python benchmarks/known_answers.py [--results results]

All representations should be alike in the musical tags, apart from those with few bands or long hops. So the first
table has the average effect of each step on the mean over these tags, with its 95 % interval for other seeds and other
test clips. The second table has the ROC AUC of each probe where it can be learnt and where it can't.
"""

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd

from howlow import names
from howlow.data.demo import MUSICAL, PROBES
from howlow.data.tracks import read as read_tracks
from howlow.evaluation import resampling
from howlow.evaluation.resampling import Resampled
from howlow.evaluation.scores import Scores, read_scores
from howlow.features.representation import CLIP_SECONDS, Cell
from howlow.results import effects

MARGINS = {"roc_auc": 0.5, "pr_auc": 1.0}

# Which representations can show each probe: a function of sample rate, bands and hop. Others are between both.
SHOWN = {
    "air": lambda rate, bands, hop: rate == 16_000,
    "attack first": lambda rate, bands, hop: hop == 1,
    "split partial": lambda rate, bands, hop: bands >= 32,
}
HIDDEN = {
    "air": lambda rate, bands, hop: rate == 12_000,
    "attack first": lambda rate, bands, hop: hop == 10,
    "split partial": lambda rate, bands, hop: bands == 8,
}


def main(results: Path) -> None:
    tracks = read_tracks(results / "demo" / "tracks.parquet")
    paths = sorted((results / "demo" / "vgg").glob("*/seed*/scores.parquet"))
    cells = list(dict.fromkeys(path.parent.parent.name for path in paths))
    seeds = sorted({int(path.parent.name.removeprefix("seed")) for path in paths})
    chosen = [tracks.tags.index(tag) for tag in MUSICAL]
    runs, probes, areas, weights, groups = [], [], [], None, np.array([])
    for cell in cells:
        of_cell = []
        for seed in seeds:
            scores = read_scores(results / "demo" / "vgg" / cell / f"seed{seed}" / "scores.parquet", tracks)
            test = Scores(*(column[scores.splits == "test"] for column in scores))
            if weights is None:
                groups, weights = test.groups, resampling.draw(test.groups)
            once = np.ones((len(test.labels), 1), np.float32)
            values = resampling.macro(test.labels[:, chosen], test.activations[:, chosen], once)[:, 0]
            runs.append(["demo", "vgg", *_columns(cell), cell, seed, *values])
            for tag in PROBES:
                number = [tracks.tags.index(tag)]
                area = resampling.macro(test.labels[:, number], test.activations[:, number], once)[0, 0]
                probes.append([tag, cell, seed, area])
            of_cell.append(resampling.macro(test.labels[:, chosen], test.activations[:, chosen], weights))
        areas.append(of_cell)
    table = pd.DataFrame(runs, columns=["dataset", "model", *names.CELL, "cell", "seed", *names.METRICS])
    resampled = Resampled(cells, len(set(groups)), np.array(areas, np.float32))
    _print_effects(effects.average_effects(table, MARGINS, {("demo", "vgg"): resampled}))
    mean = 100 * table["roc_auc"].mean()
    print(f"\nThe mean ROC AUC of the musical tags over all {len(cells)} representations is {mean:.1f} %.")
    _print_probes(pd.DataFrame(probes, columns=["tag", "cell", "seed", "roc_auc"]))


def _columns(cell: str) -> list[object]:
    return list(astuple(Cell.parse(cell, CLIP_SECONDS, 1.0)))


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


def _print_probes(found: pd.DataFrame) -> None:
    means = found.groupby(["tag", "cell"])["roc_auc"].mean()
    print("\n| probe | where it can be learnt | ROC AUC | where it can't | ROC AUC |\n|---|---|---|---|---|")
    for tag in PROBES:
        sides = []
        for rule in (SHOWN[tag], HIDDEN[tag]):
            chosen = [auc for cell, auc in means[tag].items() if rule(*_columns(cell)[:3])]
            sides.append(f"{len(chosen)} cells | {min(chosen):.3f} to {max(chosen):.3f}")
        print(f"| `{tag}` | {' | '.join(sides)} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--results", type=Path, default=Path("results"), help="folder of the results")
    main(options.parse_args().results)
