"""Damaged scores and metrics are named and set aside, so that the next run makes them anew."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import run_script

from howlow import files
from howlow.data.tracks import Tracks
from howlow.evaluation.scores import METRICS, read_metrics, read_scores

TRACKS = Tracks(
    ["1", "2", "3"], ["1.mp3", "2.mp3", "3.mp3"], ["train", "validation", "test"], ["00"] * 3, ["1", "2", "3"],
    ("NA", "=b"), np.array([[1, 0], [0, 1], [1, 1]], bool),
)  # fmt: skip


def zeros(content):
    return content[:20] + bytes(len(content) - 24) + content[-4:]


DAMAGES = {
    # name: what is made of the bytes of a file
    "zeros inside": zeros,
    "first half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"hello",
}


@pytest.fixture
def results(tmp_path):
    """The scores of one training, and the metrics of its cell."""
    (tmp_path / "seed1").mkdir()
    table = {"clip_id": ["3", "2"], "split": ["test", "validation"], "NA": [0.9, 0.1], "=b": [0.8, 0.2]}
    pq.write_table(pa.table(table), tmp_path / "seed1" / "scores.parquet")
    rows = [[1, "test", "NA", "0.5", "0.5", 3, 9], [1, "test", "=b", "", "", 0, 9]]
    files.write_csv(tmp_path / "metrics.csv", METRICS, rows)
    return tmp_path


def test_intact_files_are_read(results):
    """The labels are those of the clips, wherever these stand in the tracks; tags keep their names."""
    scores = read_scores(results / "seed1" / "scores.parquet", TRACKS)
    assert scores.splits.tolist() == ["test", "validation"]
    assert scores.labels.tolist() == [[True, True], [False, True]]
    assert scores.activations.tolist() == [[0.9, 0.8], [0.1, 0.2]]
    table = read_metrics(results / "metrics.csv")
    assert table["tag"].tolist() == ["NA", "=b"]
    assert table["roc_auc"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["seed1/scores.parquet", "metrics.csv"])
def test_a_damaged_file_is_set_aside(results, name, damage):
    path = results / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(files.DamagedFileError) as error:
        read_metrics(path) if path.suffix == ".csv" else read_scores(path, TRACKS)
    assert str(error.value).startswith(f"{path}: is damaged: it is not the ")
    assert str(error.value).endswith("It is set aside; start the workflow again to make it anew")
    assert [each.name for each in path.parent.glob(f"{path.name}*")] == [f"{path.name}.damaged"]


def test_the_program_says_so_in_one_line(results):
    TRACKS.write(results / "tracks.parquet", "mine")
    path = results / "seed1" / "scores.parquet"
    path.write_bytes(zeros(path.read_bytes()))
    arguments = ["--tracks", results / "tracks.parquet", "--folder", results]
    process = run_script("evaluate", *arguments, spec={"seeds": [1]})
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow evaluate: {path}: is damaged: it is not the Parquet file")
    assert process.stderr.count("\n") == 1
