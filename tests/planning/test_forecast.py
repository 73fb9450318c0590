"""Estimates of what a configuration will take, before it runs."""

import sys

import pytest
import yaml
from conftest import ROOT

from howlow import commands, config, networks
from howlow.errors import HowlowError
from howlow.networks import cost
from howlow.planning import forecast


@pytest.fixture
def paper():
    return config.load(ROOT / "config" / "paper.yaml")


def test_sizes_without_metadata_are_the_published(paper):
    assert forecast.clips(paper, "mtat") is None
    assert sum(forecast.split_sizes(paper, "mtat", None).values()) == 25_860
    assert forecast.clips(paper, "msd") is None
    assert sum(forecast.split_sizes(paper, "msd", None).values()) == 241_889


def test_metadata_that_is_wrong_is_not_taken_for_missing(tmp_path):
    (tmp_path / "annotations_final.csv").write_text("no table")
    settings = config.load(ROOT / "config" / "quick.yaml")
    settings["datasets"]["quick"] = {"kind": "mtat", "root": str(tmp_path), "shards": 1}
    with pytest.raises(HowlowError, match=r"annotations_final\.csv"):
        forecast.clips(settings, "quick")


def test_demo_refuses_tags_that_it_does_not_have():
    settings = config.load(ROOT / "config" / "quick.yaml")
    settings["datasets"]["quick"]["tags"] = ["paino"]
    with pytest.raises(HowlowError, match=r"datasets\.quick\.tags: there is no tag 'paino'; did you mean 'piano'?"):
        forecast.clips(settings, "quick")


@pytest.mark.parametrize(
    ("durations_s", "n_clips", "max_excluded", "advice"),
    [
        ([29.2] * 98 + [20.0] * 2, 100, 0.02, None),
        ([29.2] * 97 + [20.04, 25, 28.97], 100, 0.02, "set `seconds: 28.9`, which nearly all files have, or `max_exc"),
        ([29.2] * 50 + [12.0] * 48, 100, 0.02, "set `seconds: 12`, which nearly all files have, or `max_exclu"),
        ([29.2] * 97, 100, 0.02, "set `max_excluded: 0.03`"),  # three files are missing and have no length
        ([29.2] * 10 + [0.5] * 90, 100, 0.02, "set `max_excluded: 0.9`"),  # a clip needs at least a second
        ([], 3, 0.02, "set `max_excluded: 1`"),
    ],
)  # fmt: skip
def test_advice_where_too_many_clips_are_unusable(durations_s, n_clips, max_excluded, advice):
    found = forecast.advice_on_excluded(durations_s, n_clips, 29.1, max_excluded)
    assert found is None if advice is None else advice in found


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
    axes = {"sample_rate": [12_000], "n_mels": [96], "hop_factor": [1], "log_type": ["db"]}
    experiment["grid"] = [axes | {"bits": [16], "seconds": [29.1], "width": [1]}]
    paper["experiments"] = [experiment]
    model = networks.build("musicnn", sample_rate=12_000, n_mels=96, hop_factor=1, n_tags=50)
    whole_clip = cost.macs(model, 96, 1366)  # 10 segments of 141 frames
    flop = forecast.trainings(paper, {"mtat": {"train": 1}})["flop"].iloc[0]
    assert flop == pytest.approx(6 * whole_clip / 10 * 720 * 3)


def check(monkeypatch, capsys, config_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["howlow", "check", str(config_path)])
    commands.main()
    return capsys.readouterr().out


def test_folds_of_a_published_dataset_that_is_not_there_yet():
    settings = {"datasets": {"mtat": {"kind": "mtat", "folds": 5}}}
    sizes = forecast.split_sizes(settings, "mtat", None)
    assert sizes == {"train": 15_516, "validation": 5_172, "test": 5_172}  # of 25,860 clips


def test_check_of_the_demo(monkeypatch, capsys):
    printed = check(monkeypatch, capsys, ROOT / "config" / "quick.yaml")
    assert printed.startswith("quick (demo) in results/quick/source\n  clips: 240 (")
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
    with pytest.raises(SystemExit) as stopped:
        check(monkeypatch, capsys, tmp_path / "mine.yaml")
    assert str(stopped.value) == (
        "howlow check: datasets.mine: a run would stop after decoding: 4 of 5 clips are unusable by their headers, and"
        " max_excluded 0.02 allows 0. Repair these files, or set `max_excluded: 0.8`"
    )
    printed = capsys.readouterr().out
    assert "clips: 5 (1 train, 1 validation, 3 test)" in printed
    assert "advice: only 3 of 5 clips are tested. With `folds: 5` and five `seeds`, every clip is tested" in printed
    assert "warning: 'calm' has 0 of 1 validation clips: no ROC AUC there" in printed
    assert "audio: 3 files of 0.0 hours" in printed
    assert "no audio: 1 because: missing file (the first is gone.wav)" in printed
    assert "no audio: 1 because: not decodable audio" in printed
    assert "warning: 2 files are shorter than 2.5 s" in printed
    assert "3 trainings" in printed


def test_check_of_a_collection_in_folds(monkeypatch, capsys, tmp_path, tone):
    names = [f"{number}.wav" for number in range(12)]
    for name in names:
        tone(name, seconds=3)
    rows = [f"{name},band{number // 2},{number % 2},{int(number == 0)}" for number, name in enumerate(names)]
    (tmp_path / "tracks.csv").write_text("\n".join(["path,group,rock,rare", *rows]))
    settings = {"kind": "table", "root": str(tmp_path), "table": str(tmp_path / "tracks.csv"), "seconds": 2.5}
    experiment = {"dataset": "mine", "model": "vgg", "grid": [{"sample_rate": [12_000], "n_mels": [48]}]}
    whole = {"datasets": {"mine": settings | {"folds": 3}}, "experiments": [experiment]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(whole))
    printed = check(monkeypatch, capsys, tmp_path / "mine.yaml")
    assert "clips: 12 (4 train, 4 validation, 4 test; 3 folds, of which this is the first)" in printed
    assert "fold 1  fold 2  fold 3" in printed
    assert printed.count("warning: 'rare' has 0 of 4 fold") == 2
    assert "advice" not in printed


def test_check_reads_a_collection_once_and_says_what_to_set(monkeypatch, capsys, tmp_path, tone):
    """One of five files is shorter than `seconds`, and a rare tag is reported once."""
    names = ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
    for name in names:
        tone(name, seconds=2.28 if name == "d.wav" else 3)
    splits = ["train", "validation", "test", "train", "test"]
    rows = [
        f"{name},{split},{int(name != 'e.wav')},{int(name == 'a.wav')}"
        for name, split in zip(names, splits, strict=True)
    ]
    (tmp_path / "tracks.csv").write_text("\n".join(["path,split,rock,rare", *rows]))
    settings = {"kind": "table", "root": str(tmp_path), "table": str(tmp_path / "tracks.csv"), "seconds": 2.5}
    experiment = {"dataset": "mine", "model": "vgg", "grid": [{"sample_rate": [12_000], "n_mels": [48]}]}
    whole = {"datasets": {"mine": settings | {"min_clips": 2}}, "experiments": [experiment]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(whole))
    with pytest.raises(SystemExit) as stopped:
        check(monkeypatch, capsys, tmp_path / "mine.yaml")
    assert str(stopped.value).endswith("set `seconds: 2.2`, which nearly all files have, or `max_excluded: 0.2`")
    assert capsys.readouterr().out.count("tags left out") == 1
