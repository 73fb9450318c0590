"""What a configuration will take, before it runs."""

import runpy
import sys

import pytest
import yaml
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


def check(monkeypatch, capsys, config_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["check.py", str(config_path)])
    runpy.run_path(str(SCRIPTS / "check.py"), run_name="__main__")
    return capsys.readouterr().out


def test_check_of_the_demo(monkeypatch, capsys):
    printed = check(monkeypatch, capsys, ROOT / "config" / "quick.yaml")
    assert printed.startswith("quick (demo) in results/quick/source\n  clips: 128 (")
    assert "16 trainings" in printed


def test_check_of_a_collection(monkeypatch, capsys, tmp_path, tone):
    for name, split in (("a.wav", "train"), ("b.wav", "validation"), ("c.wav", "test")):
        tone(name, seconds=3 if split == "test" else 2)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    rows = ["a.wav,train,1,1", "b.wav,validation,1,0", "c.wav,test,0,1", "broken.wav,test,1,0", "gone.wav,test,1,1"]
    (tmp_path / "tracks.csv").write_text("\n".join(["path,split,rock,calm", *rows]))
    settings = {"kind": "table", "root": str(tmp_path), "table": str(tmp_path / "tracks.csv"), "seconds": 2.5}
    grid = [{"sample_rate": [12_000], "n_mels": [48]}]
    configuration = {
        "datasets": {"mine": settings},
        "experiments": [{"dataset": "mine", "model": "vgg", "grid": grid}],
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(configuration))
    printed = check(monkeypatch, capsys, tmp_path / "mine.yaml")
    assert "clips: 5 (1 train, 1 validation, 3 test)" in printed
    assert "warning: 'calm' has 0 of 1 validation clips: no ROC AUC there" in printed
    assert "audio: 3 files of 0.0 hours" in printed
    assert "no audio: 1 because: missing file (the first is gone.wav)" in printed
    assert "no audio: 1 because: not decodable audio" in printed
    assert "warning: 2 files are shorter than 2.5 s" in printed
    assert "3 trainings" in printed
