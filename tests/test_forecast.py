"""What a configuration will take, before it runs."""

import runpy
import sys

import pytest
from conftest import ROOT, SCRIPTS

from howlow import config, cost, forecast, models


@pytest.fixture
def paper():
    return config.load(ROOT / "config" / "paper.yaml")


def test_sizes_without_metadata_are_the_published(paper):
    sizes, is_counted = forecast.split_sizes(paper, "mtat")
    assert sum(sizes.values()) == 25_860
    assert not is_counted
    assert sum(forecast.split_sizes(paper, "msd")[0].values()) == 241_889


def test_all_88_cells_of_magnatagatune_fit_59_gb(paper):
    stores = forecast.stores(paper, "mtat", 25_860)
    assert len(stores) == 14
    assert 57.9e9 < stores["total_bytes"].sum() < 59e9


def test_flop_of_figure_1(paper):
    sizes = {"mtat": {"train": 18_706}, "msd": {"train": 0}}
    paper["experiments"] = [paper["experiments"][0]]
    trainings = forecast.trainings(paper, sizes)
    assert trainings["trainings"].tolist() == [264]
    assert trainings["flop"].iloc[0] == pytest.approx(1.58e18, rel=0.005)


def test_musicnn_trains_on_one_segment_of_a_clip(paper):
    (experiment,) = (e for e in paper["experiments"] if (e["dataset"], e["model"]) == ("mtat", "musicnn"))
    experiment["grid"] = [{"sample_rate": [12_000], "n_mels": [96], "hop_factor": [1], "log_type": ["db"]}]
    paper["experiments"] = [experiment]
    model = models.build("musicnn", sample_rate=12_000, n_mels=96, hop_factor=1, n_tags=50)
    whole_clip = cost.macs(model, 96, 1366)  # 10 segments of 141 frames
    flop = forecast.trainings(paper, {"mtat": {"train": 1}})["flop"].iloc[0]
    assert flop == pytest.approx(6 * whole_clip / 10 * 720 * 3)


def test_program(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["forecast.py", str(ROOT / "config" / "quick.yaml")])
    runpy.run_path(str(SCRIPTS / "forecast.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith("quick: 128 clips (")
    assert "16 trainings" in printed
