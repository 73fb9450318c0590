"""A collection in folds goes through the whole workflow, and every clip is tested once."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import OWN, planned_jobs, snakemake

RESULTS = ("statistics.md", "tags.pdf", "sound.html", "table5.csv")


@pytest.fixture(scope="module")
def folder(finished_own, tmp_path_factory):
    """The finished run of a user's own collections, run again with one of them in three folds."""
    folder = tmp_path_factory.mktemp("folds") / "run"
    shutil.copytree(finished_own, folder, symlinks=True)
    config = yaml.safe_load(OWN.read_text())
    config["seeds"] = [1, 2, 3]
    config["datasets"]["mine"]["folds"] = 3
    config["experiments"] = config["experiments"][:1]
    config["experiments"][0]["grid"][0]["hop_factor"] = [1, 2]
    (folder / "folds.yaml").write_text(yaml.safe_dump(config))
    process = snakemake(folder, "--cores", 2, "--configfile", folder / "folds.yaml")
    assert process.returncode == 0, process.stdout
    return folder


def scores(folder, seed, hop=1):
    return pd.read_parquet(folder / f"results/mine/vgg/12k_mel8_x{hop}_db/seed{seed}/scores.parquet")


def test_every_clip_is_tested_once_and_no_group_is_trained_and_tested(folder):
    tracks = pd.read_parquet(folder / "results/mine/tracks.parquet")
    tested = [scores(folder, seed).query("split == 'test'")["clip_id"].tolist() for seed in (1, 2, 3)]
    assert sorted(clip for part in tested for clip in part) == sorted(tracks["clip_id"])
    group_of = dict(zip(tracks["clip_id"], tracks["group"], strict=True))
    for part in tested:
        assert part
        rest = set(tracks["clip_id"]) - set(part)
        assert not {group_of[clip] for clip in part} & {group_of[clip] for clip in rest}


def test_each_seed_validates_on_the_part_that_the_next_one_tests(folder):
    for seed, following in ((1, 2), (2, 3), (3, 1)):
        validated = scores(folder, seed).query("split == 'validation'")["clip_id"]
        assert set(validated) == set(scores(folder, following).query("split == 'test'")["clip_id"])


def test_all_representations_are_tested_on_the_same_clips_with_a_seed(folder):
    for seed in (1, 2, 3):
        first, second = (scores(folder, seed, hop)[["clip_id", "split"]] for hop in (1, 2))
        pd.testing.assert_frame_equal(first, second)


def test_the_record_of_a_training_has_its_fold(folder):
    for seed in (1, 2, 3):
        record = json.loads((folder / f"results/mine/vgg/12k_mel8_x1_db/seed{seed}/run.json").read_text())
        assert record["spec"]["fold"] == seed


def test_the_clips_of_each_fold_are_resampled_apart(folder):
    with np.load(folder / "results/mine/vgg/bootstrap.npz") as arrays:
        assert arrays["n_groups"] == pd.read_parquet(folder / "results/mine/tracks.parquet")["group"].nunique()
        areas = arrays["areas"][0, :, 0].astype(float)  # ROC AUC of one cell: (n_seeds, n_resamples)
    for first, second in itertools.combinations(areas, 2):
        both = np.isfinite(first) & np.isfinite(second)
        assert both.sum() > 500
        assert abs(np.corrcoef(first[both], second[both])[0, 1]) < 0.15


def test_results_tell_of_the_folds(folder):
    text = (folder / "results/statistics.md").read_text()
    assert "VGG-CNN on mine, 3 seeds, each of 3 folds tested with 1 of them" in text


def test_one_more_round_of_seeds_trains_no_finished_one_again(folder, tmp_path):
    config = yaml.safe_load((folder / "folds.yaml").read_text())
    config["seeds"] = [1, 2, 3, 4, 5, 6]
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(config))
    process = snakemake(folder, "-n", "--quiet", "rules", "--configfile", tmp_path / "more.yaml")
    assert process.returncode == 0, process.stdout
    jobs = planned_jobs(process)
    assert (jobs["train"], jobs["evaluate"]) == (6, 2)


@pytest.mark.parametrize("seeds", [[1], [1, 2, 3, 4]])
def test_seeds_that_do_not_fit_the_folds(folder, tmp_path, seeds):
    config = yaml.safe_load((folder / "folds.yaml").read_text()) | {"seeds": seeds}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
    process = snakemake(tmp_path, "-n", "--configfile", tmp_path / "other.yaml")
    assert process.returncode == 1
    assert (
        "datasets.mine.folds: the training with each seed tests on one fold, so 3 folds need 3 seeds or a multiple of"
        f" that, and `seeds` has {len(seeds)}"
    ) in process.stdout
