"""Compute ROC AUC and PR AUC of one cell for every seed, split and tag, and their means over the tags."""

from argparse import Namespace
from pathlib import Path

import numpy as np

from howlow import files, program
from howlow.data import tracks as tracks_module
from howlow.data.tracks import Tracks
from howlow.evaluation import metrics
from howlow.evaluation.scores import METRICS, read_scores


def main(args: Namespace) -> list[Path]:
    tracks = tracks_module.read(args.tracks)
    rows: list[list[object]] = []
    for seed in args.spec["seeds"]:
        rows += _rows(seed, args.folder / f"seed{seed}" / "scores.parquet", tracks)
    files.write_csv(args.folder / "metrics.csv", METRICS, rows)
    return [args.folder / "metrics.csv"]


def _rows(seed: int, path: Path, tracks: Tracks) -> list[list[object]]:
    scores = read_scores(path, tracks)
    rows: list[list[object]] = []
    for split in ("validation", "test"):
        chosen = scores.splits == split
        by_tag = metrics.per_tag(tracks.tags, scores.labels[chosen], scores.activations[chosen])
        roc_auc, pr_auc = metrics.macro(by_tag)
        n_clips = int(chosen.sum())
        rows.append([seed, split, metrics.MACRO, _text(roc_auc), _text(pr_auc), "", n_clips])
        rows += [[seed, split, t.tag, _text(t.roc_auc), _text(t.pr_auc), t.n_positive, n_clips] for t in by_tag]
        for tag in (t for t in by_tag if np.isnan(t.roc_auc)):
            print(f"seed {seed}, {split}: left out: {tag.tag!r} has {tag.n_positive} positive clips of {n_clips}")
        print(f"seed {seed}, {split}: ROC AUC {roc_auc:.4f}, PR AUC {pr_auc:.4f}")
    return rows


def _text(value: float) -> str:
    """The value as text, which is empty for NaN."""
    return "" if np.isnan(value) else repr(value)


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--folder", type=Path, required=True, help="folder of the cell")
    program.run(main, options)
