"""How the tables of the study on real music are made from results."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, module_at

from howlow.data.tracks import Tracks


@pytest.fixture(scope="module")
def collect():
    return module_at(ROOT / "docs" / "collect_real_music.py")


def metrics(seed: int, of_tags: dict[str, float], *, split: str = "test") -> pd.DataFrame:
    """Rows of `metrics.csv`, with a ROC AUC for each tag and as many positives as the seed."""
    rows = [[seed, split, tag, roc_auc, 0.5, seed, 10] for tag, roc_auc in of_tags.items()]
    return pd.DataFrame(rows, columns=["seed", "split", "tag", "roc_auc", "pr_auc", "n_positive", "n_clips"])


def test_effects_on_tags(collect, tmp_path):
    """Half the bands cost rock 1 and 3 points; Student's t is 12.7 for two seeds, so the interval is -2 ± 12.7."""
    for cell, of_seeds in {
        "12k_mel96_x1_db": [{"rock": 0.80, "NA": 0.70}, {"rock": 0.81, "NA": 0.70}],
        "12k_mel48_x1_db": [{"rock": 0.79, "NA": 0.75}, {"rock": 0.78, "NA": 0.75}],
        "12k_mel32_x1_db": [{"rock": 0.10, "NA": 0.10}, {"rock": 0.10, "NA": 0.10}],  # no step that is told of
    }.items():
        folder = tmp_path / cell
        folder.mkdir()
        other = metrics(1, {"rock": 0.0, "NA": 0.0}, split="validation")
        table = pd.concat([other, *(metrics(seed, of_tags) for seed, of_tags in enumerate(of_seeds, 1))])
        table.to_csv(folder / "metrics.csv", index=False)
    rows = collect.of_tags(tmp_path).set_index("tag")
    assert sorted(rows.index) == ["NA", "rock"]
    rock = rows.loc["rock"]
    assert (rock["axis"], rock["from"], rock["to"]) == ("n_mels", 96, 48)
    assert rock["difference_points"] == pytest.approx(-2)
    assert rock["low_points"] == pytest.approx(-2 - 12.706, abs=0.01)
    assert rock["high_points"] == pytest.approx(-2 + 12.706, abs=0.01)
    assert rock["n_positive"] == 1 + 2, "a clip is tested once in all folds"
    assert rows.loc["NA", "difference_points"] == pytest.approx(5)


def test_runs_have_the_width_of_their_network_and_their_last_losses(collect, tmp_path):
    cell = {"sample_rate_hz": 12_000, "n_mels": 96, "hop_factor": 1, "log_type": "db"}
    further, found = {"bits": 16, "seconds": 29.1}, {"roc_auc": 0.8, "best_epoch": 8, "cell": "12k_mel96_x1_db"}
    rows = []
    for model, width in (("vgg", 0.0625), ("musicnn", 0.125)):
        for seed in (3, 4):
            folder = tmp_path / "music" / model / "12k_mel96_x1_db" / f"seed{seed}"
            folder.mkdir(parents=True)
            (folder / "history.csv").write_text(f"epoch,train_loss,val_loss\n1,0.9,0.8\n2,0.{seed},{width}\n")
            rows.append({"dataset": "music", "model": model, **cell, **further, "width": width, "seed": seed, **found})
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    runs = collect.runs_of(tmp_path)
    assert list(runs) == ["model", *cell, *further, "width", "seed", "roc_auc", "train_loss", "val_loss"]
    assert runs["width"].tolist() == runs["val_loss"].tolist() == [0.0625, 0.0625, 0.125, 0.125]
    assert runs["train_loss"].tolist() == [0.3, 0.4, 0.3, 0.4]


@pytest.fixture
def music(tmp_path):
    """Results of a dataset of 60 clips in three folds, with two tags.

    Loud clips have the tag `loud`. The tag `turned` is that of the loud clips, too, but of the quiet ones in fold 1.
    """
    n_clips = 60
    random = np.random.default_rng(0)
    is_loud = np.arange(n_clips) % 2 == 0
    folds = np.arange(n_clips) // 2 % 3 + 1
    spectrograms = random.normal(-40, 1, (n_clips, 96, 20)) + 10 * is_loud[:, None, None]
    clip_ids = [f"clip{i}" for i in range(n_clips)]
    order = random.permutation(n_clips)  # the clips of a store are in another order than those of the dataset
    store = tmp_path / "mel" / "16000" / "96"
    store.mkdir(parents=True)
    np.save(store / "00.npy", spectrograms[order].astype(np.float32))
    shard = {"file": "00.npy", "clip_ids": [clip_ids[i] for i in order]}
    (store / "manifest.json").write_text(json.dumps({"n_mels": 96, "n_frames": 20, "shards": [shard]}))
    labels = np.column_stack([is_loud, is_loud != (folds == 1)])
    parts = [str(fold) for fold in folds]
    tracks = Tracks(clip_ids, clip_ids, parts, ["00"] * n_clips, clip_ids, ("loud", "turned"), labels)
    tracks.write(tmp_path / "tracks.parquet", "music")
    return tmp_path


def test_the_regression_learns_from_nothing_but_the_clips_of_training(collect, music):
    """With three folds, it learns from one alone. For `turned`, fold 1 teaches the opposite of folds 2 and 3."""
    table = collect.baseline(music).set_index("fold")
    learnt_from = {1: 3, 2: 1, 3: 2}  # a fold is tested, and the next one validates
    for fold, other in learnt_from.items():
        turned = float((fold == 1) == (other == 1))
        assert table.loc[fold, "roc_auc"] == pytest.approx((1 + turned) / 2), f"fold {fold}"
