"""Metrics are of the right clips: labels follow the clips, and splits and seeds are kept apart."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_script

from howlow import files
from howlow.data.tracks import Tracks
from howlow.evaluation import metrics
from howlow.evaluation.scores import METRICS, read_metrics, read_scores

# Two tags, of clips in an order of their own. `t1` and `x` are in no file of scores.
LABELS = {
    "t1": (1, 0), "b": (1, 0), "v2": (0, 1), "a": (0, 1), "d": (1, 1),
    "x": (0, 0), "c": (0, 0), "v1": (1, 0), "e": (0, 0),
}  # fmt: skip
TRACKS = Tracks(
    list(LABELS), [f"{clip}.mp3" for clip in LABELS], ["train"] * 9, ["00"] * 9, [f"song of {clip}" for clip in LABELS],
    ("=rare", "NA"), np.array(list(LABELS.values()), bool),
)  # fmt: skip
SCORES = {
    # seed: clip, split, scores of the tags
    1: [("v1", "validation", 0.9, 0.2), ("a", "test", 0.6, 0.8), ("b", "test", 0.9, 0.1), ("c", "test", 0.7, 0.2),
        ("d", "test", 0.2, 0.7), ("v2", "validation", 0.8, 0.1), ("e", "test", 0.1, 0.9)],
    2: [("e", "test", 0.1, 0.1), ("d", "test", 0.9, 0.9), ("v2", "validation", 0.3, 0.9), ("c", "test", 0.2, 0.2),
        ("b", "test", 0.8, 0.3), ("a", "test", 0.3, 0.8), ("v1", "validation", 0.3, 0.1)],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    TRACKS.write(tmp_path / "tracks.parquet", "mine")
    for seed, rows in SCORES.items():
        columns = dict(zip(("clip_id", "split", "=rare", "NA"), map(list, zip(*rows, strict=True)), strict=True))
        (tmp_path / f"seed{seed}").mkdir()
        pq.write_table(pa.table(columns), tmp_path / f"seed{seed}" / "scores.parquet")
    return tmp_path


def test_labels_and_groups_follow_the_clips(folder):
    scores = read_scores(folder / "seed1" / "scores.parquet", TRACKS)
    assert scores.splits.tolist() == [split for _, split, *_ in SCORES[1]]
    assert scores.groups.tolist() == [f"song of {clip}" for clip, *_ in SCORES[1]]
    assert scores.labels.tolist() == [[bool(value) for value in LABELS[clip]] for clip, *_ in SCORES[1]]
    assert scores.labels.dtype == bool
    assert scores.activations.tolist() == [activations for _, _, *activations in SCORES[1]]


def test_scores_may_have_their_tags_in_another_order(folder):
    path = folder / "seed1" / "scores.parquet"
    expected = read_scores(path, TRACKS).activations
    pq.write_table(pq.read_table(path).select(["NA", "split", "=rare", "clip_id"]), path)
    np.testing.assert_array_equal(read_scores(path, TRACKS).activations, expected)


def test_metrics_worked_out_by_hand(folder):
    process = run_script("evaluate", "--tracks", folder / "tracks.parquet", "--folder", folder, spec={"seeds": [1, 2]})
    assert process.returncode == 0, process.stderr
    table = read_metrics(folder / "metrics.csv")
    assert list(table) == METRICS
    index = ["seed", "split", "tag"]
    order = [(s, p, t) for s in (1, 2) for p in ("validation", "test") for t in (metrics.MACRO, "=rare", "NA")]
    assert list(table[index].itertuples(index=False, name=None)) == order
    expected = {
        # Of seed 1, `=rare` is of b (first of five) and d (fourth): of six pairs, four are right.
        (1, "test", "=rare"): (4 / 6, (1 / 1 + 2 / 4) / 2, 2, 5),
        # `NA` is of a (second) and d (third), behind e: of six pairs, four are right.
        (1, "test", "NA"): (4 / 6, (1 / 2 + 2 / 3) / 2, 2, 5),
        (1, "validation", "=rare"): (1, 1, 1, 2),
        (1, "validation", "NA"): (0, 1 / 2, 1, 2),
        # Of seed 2, both are found, but for the two validation clips, whose scores of `=rare` are the same.
        (2, "test", "=rare"): (1, 1, 2, 5),
        (2, "test", "NA"): (1, 1, 2, 5),
        (2, "validation", "=rare"): (1 / 2, 1 / 2, 1, 2),
        (2, "validation", "NA"): (1, 1, 1, 2),
    }
    found = table.set_index(index)
    for key, row in expected.items():
        assert found.loc[key].tolist() == pytest.approx(row), key
    for seed, split in ((1, "validation"), (1, "test"), (2, "validation"), (2, "test")):
        areas = np.mean([expected[seed, split, tag][:2] for tag in TRACKS.tags], axis=0)
        macro = found.loc[(seed, split, metrics.MACRO)]
        assert macro[["roc_auc", "pr_auc"]].tolist() == pytest.approx(areas)
        assert np.isnan(macro["n_positive"])
        assert macro["n_clips"] == (5 if split == "test" else 2)
    assert "seed 1, test: ROC AUC 0.6667, PR AUC 0.6667\n" in process.stdout


def test_tags_without_positive_clips_are_empty_and_told(folder):
    path = folder / "seed1" / "scores.parquet"
    pq.write_table(pq.read_table(path).slice(0, 2), path)  # one validation clip, and one test clip
    arguments = ["--tracks", folder / "tracks.parquet", "--folder", folder]
    process = run_script("evaluate", *arguments, spec={"seeds": [1]})
    assert process.returncode == 0, process.stderr
    for told in ("test: left out: '=rare' has 0", "test: left out: 'NA' has 1", "validation: left out: '=rare' has 1"):
        assert f"seed 1, {told} positive clips of 1\n" in process.stdout
    table = read_metrics(folder / "metrics.csv")
    assert table[["roc_auc", "pr_auc"]].isna().all(axis=None)
    assert table["n_clips"].tolist() == [1] * 6


@pytest.mark.parametrize(
    ("change", "is_damaged"),
    [
        ({}, False),
        ({"seed": None}, True),
        ({"split": None}, True),
        ({"tag": None}, True),
        ({"n_clips": None}, True),
        ({"n_positive": None}, False),  # as in the row of the macro average
        ({"roc_auc": None, "pr_auc": None}, False),
        ({"roc_auc": "high"}, True),
        ({"pr_auc": "low"}, True),
        ({"seed": "first"}, True),
        ({"more": 1}, True),
    ],
)
def test_other_tables_than_were_written(change, is_damaged, tmp_path):
    row = dict(zip(METRICS, (1, "test", "null", 0.5, 0.5, 3, 9), strict=True))
    other = row | {"tag": "'=1+1"}
    pd.DataFrame([other, row | change]).to_csv(tmp_path / "metrics.csv", index=False)
    if not is_damaged:
        assert read_metrics(tmp_path / "metrics.csv")["tag"].tolist() == ["=1+1", "null"]
        return
    with pytest.raises(files.DamagedFileError) as error:
        read_metrics(tmp_path / "metrics.csv")
    assert str(error.value).startswith(f"{tmp_path / 'metrics.csv'}: is damaged: it is not the table that was written.")


def test_tags_that_look_like_numbers_stay_text(tmp_path):
    rows = [[1, "test", tag, 0.5, 0.5, 3, 9] for tag in ("007", "1e3", "80")]
    files.write_csv(tmp_path / "metrics.csv", METRICS, rows)
    assert read_metrics(tmp_path / "metrics.csv")["tag"].tolist() == ["007", "1e3", "80"]


def test_missing_scores_are_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_scores(tmp_path / "scores.parquet", TRACKS)
