"""Compute the metrics of all cells and seeds of one experiment on resampled test clips."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from howlow import program
from howlow.data import tracks as tracks_module
from howlow.data.tracks import Tracks
from howlow.evaluation import resampling
from howlow.evaluation.resampling import Resampled
from howlow.evaluation.scores import Scores, read_scores


def main(args: Namespace) -> list[Path]:
    cells, seeds = args.spec["cells"], args.spec["seeds"]
    tracks = tracks_module.read(args.tracks)
    groups = [_test_scores(args.folder / cells[0] / f"seed{s}" / "scores.parquet", tracks).groups for s in seeds]
    folds = args.spec.get("folds", [0] * len(seeds))
    # The draws of different folds are independent, as their clips are.
    of_fold = dict(zip(folds, groups, strict=True))
    draws = {fold: resampling.draw(tested, seed=fold) for fold, tested in of_fold.items()}
    weights = [draws[fold] for fold in folds]
    resample = partial(_resampled, folder=args.folder, seeds=seeds, tracks=tracks, weights=weights)
    areas = program.parallel(resample, cells, args.threads)
    n_clips, n_groups = sum(map(len, draws.values())), len(set(np.concatenate(groups)))
    Resampled(cells, n_groups, np.stack(list(program.progress(areas, "bootstrap", len(cells))))).write(args.resampled)
    print(f"{len(cells)} cells, {len(seeds)} seeds, {n_clips} test clips in {n_groups} groups")
    return [args.resampled]


def _resampled(cell: str, folder: Path, seeds: list[int], tracks: Tracks, weights: list[np.ndarray]) -> np.ndarray:
    """The metrics of one cell: [shape=(n_seeds, n_metrics, n_resamples), dtype=float32]."""
    scored = [_test_scores(folder / cell / f"seed{seed}" / "scores.parquet", tracks) for seed in seeds]
    of_seeds = [resampling.macro(s.labels, s.activations, w) for s, w in zip(scored, weights, strict=True)]
    return np.stack(of_seeds).astype(np.float32)


def _test_scores(path: Path, tracks: Tracks) -> Scores:
    """The scores of the test clips, which are the same clips in the same order for all cells with a seed."""
    scores = read_scores(path, tracks)
    is_test = scores.splits == "test"
    return Scores(*(column[is_test] for column in scores))


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for labels and groups")
    options.add_argument("--folder", type=Path, required=True, help="folder of the cells")
    options.add_argument("--resampled", type=Path, required=True, help=".npz file to write")
    options.add_argument("--threads", type=int, default=1, help="processes that resample")
    program.run(main, options)
