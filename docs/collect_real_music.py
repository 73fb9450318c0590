"""Keep the results of docs/real-music.yaml small: write the tables that docs/real-music.md is made from.

    python docs/collect_real_music.py results [results of other widths ...] [--band results] [--cpu results]

The first folder has the finished results of docs/real-music.yaml. Each other one has those of some of its
representations with another `width`. That of --band has those of cells with few bits and `quantizer: band`, and that of
--cpu those of some representations of the first folder, trained on a CPU again.
docs/real_music.py makes the page from the tables; `make docs` runs it.
"""

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from real_music_tables import MAIN_WIDTH
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from howlow.data.tracks import Tracks
from howlow.data.tracks import read as read_tracks
from howlow.evaluation import metrics, scores
from howlow.features.representation import CLIP_SECONDS, Cell
from howlow.features.store import open_store
from howlow.names import CELL
from howlow.results import (
    linear_model,
    steps,
)

ROOT = Path(__file__).resolve().parents[1]

FOLDER = ROOT / "docs" / "real-music"
STEPS = [("n_mels", 96, 48), ("hop_factor", 1, 2), ("hop_factor", 1, 10), ("sample_rate_hz", 16_000, 12_000)]
"""The steps that the effect on single tags is told of."""

STRENGTHS = 10.0 ** np.arange(-4, 2)
"""Inverse strengths of regularization that the validation clips choose from."""


def main(folders: list[Path], again: dict[str, Path | None]) -> None:
    main_folder = folders[0]
    for name, folder in again.items():
        if folder:
            (FOLDER / f"{name}.csv").write_text(_csv(runs_of(folder)))
    runs = pd.concat([runs_of(folder) for folder in folders])
    (FOLDER / "runs.csv").write_text(_csv(runs.drop_duplicates(["model", *CELL, "seed"])))
    exchange = pd.read_csv(main_folder / "exchange.csv")
    (FOLDER / "exchange.csv").write_text(_csv(exchange[exchange["model"] == "vgg"].drop(columns=["dataset", "model"])))
    table = pd.read_csv(main_folder / "effects.csv")
    (FOLDER / "effects.csv").write_text(_csv(table.drop(columns="dataset")))
    dataset = table["dataset"].iloc[0]
    (FOLDER / "tags.csv").write_text(_csv(of_tags(main_folder / dataset / "vgg")))
    (FOLDER / "baseline.csv").write_text(_csv(baseline(main_folder / dataset)))
    for name in ("recommendation.md", "exchange.md", "frontier.md"):
        (FOLDER / name).write_text((main_folder / name).read_text())
    for name in ("figure1.png", "tags.png", "exchange.png"):
        (ROOT / "docs" / f"{Path(name).stem}-real-music.png").write_bytes((main_folder / name).read_bytes())


def runs_of(results: Path) -> pd.DataFrame:
    """The metrics of each training, with its bits, seconds and width, and the losses of its last epoch."""
    runs = pd.read_csv(results / "runs.csv")
    found = []
    for dataset, model, cell, seed in runs[["dataset", "model", "cell", "seed"]].itertuples(index=False):
        last = pd.read_csv(results / dataset / model / cell / f"seed{seed}" / "history.csv").iloc[-1]
        found.append([last["train_loss"], last["val_loss"]])
    columns = pd.DataFrame(found, columns=["train_loss", "val_loss"])
    return runs.drop(columns=["dataset", "best_epoch", "cell"]).join(columns)


def of_tags(folder: Path) -> pd.DataFrame:
    """The average effect of some steps on the ROC AUC of each tag, in points, with the interval for other seeds.

    Parameters
    ----------
    folder : the results of one model on one dataset, with a folder for each representation
    """
    parts = []
    for path in sorted(folder.glob("*/metrics.csv")):
        name = path.parent.name
        values = astuple(Cell.parse(name, CLIP_SECONDS, MAIN_WIDTH))
        table = scores.read_metrics(path).query("split == 'test'")
        parts.append(table.assign(**dict(zip(CELL, values, strict=True)), cell=name))
    every = pd.concat(parts, ignore_index=True)
    rows = []
    for tag, of_tag in every.groupby("tag"):
        cells, values = steps.matrix(of_tag, "roc_auc")
        n_positive = of_tag.groupby("seed")["n_positive"].first().sum()
        for axis, before, after, first, second in steps.steps(cells):
            if (axis, before, after) in STEPS:
                estimate = linear_model.step(linear_model.fit(values), first, second, "by seed")
                low, high = estimate.interval()
                rows.append([tag, n_positive, axis, before, after, estimate.value, low, high])
    names = ["tag", "n_positive", "axis", "from", "to", "difference_points", "low_points", "high_points"]
    return pd.DataFrame(rows, columns=names)


def baseline(folder: Path) -> pd.DataFrame:
    """The metrics of a logistic regression on the test clips of each fold.

    Its features are the mean, the standard deviation, and the standard deviation of the difference between frames of
    each of 96 bands in dB at 16 kHz. The validation clips choose how much it is regularized.
    """
    tracks = read_tracks(folder / "tracks.parquet")
    store = open_store(folder / "mel" / "16000" / "96" / "manifest.json", 1, "db")
    features = np.stack([_statistics(store.read(np.array([i]))[0]) for i in range(len(store.clip_ids))])
    rows = [store.clip_ids.index(clip_id) for clip_id in tracks.clip_ids]
    table = [[fold, *_of_fold(tracks, features[rows], fold)] for fold in range(1, tracks.n_folds + 1)]
    return pd.DataFrame(table, columns=["fold", "inverse_strength", "roc_auc", "pr_auc"])


def _statistics(spectrogram: np.ndarray) -> np.ndarray:
    """Features of a spectrogram of shape (n_mels, n_frames)."""
    return np.concatenate([spectrogram.mean(1), spectrogram.std(1), np.diff(spectrogram).std(1)])


def _of_fold(tracks: Tracks, features: np.ndarray, fold: int) -> tuple[float, float, float]:
    split = np.array(tracks.of_fold(fold))
    found = []
    for strength in STRENGTHS:
        activations = np.empty(tracks.labels.shape)
        for tag in range(len(tracks.tags)):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
            model.fit(features[split == "train"], tracks.labels[split == "train", tag])
            activations[:, tag] = model.predict_proba(features)[:, 1]
        areas = {name: _macro(tracks, activations, split == name) for name in ("validation", "test")}
        found.append((areas["validation"][0], strength, *areas["test"]))
    _, strength, roc_auc, pr_auc = max(found)
    return strength, roc_auc, pr_auc


def _macro(tracks: Tracks, activations: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    return metrics.macro(metrics.per_tag(tracks.tags, tracks.labels[chosen], activations[chosen]))


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path, nargs="+", help="folders of results, that of the main run first")
    options.add_argument("--band", type=Path, help="folder of results with a range of levels for each band")
    options.add_argument("--cpu", type=Path, help="folder of results of a CPU")
    args = options.parse_args()
    main(args.results, {"band": args.band, "cpu": args.cpu})
