"""Experiments whose right answer is known: the demo's probes, and the accuracy that is possible on real music."""

import pandas as pd
import pytest
import yaml
from conftest import ROOT, snakemake

from howlow.data.demo.tags import MUSICAL

# The cells in which each probe can be learned (True) or not (False), each as the mean of three seeds.
ANSWERS = [
    ("air", "16k_mel96_x10_db", True),
    ("air", "12k_mel96_x1_db", False),
    ("attack first", "12k_mel96_x1_db", True),
    ("attack first", "12k_mel96_x10_db", False),
    ("attack first", "16k_mel96_x10_db", False),
    ("split partial", "12k_mel96_x1_db", True),
    ("split partial", "12k_mel96_x10_db", True),
    ("split partial", "12k_mel8_x1_db", False),
]
ANSWERS_ALONG_AXES = [
    ("loud murmur", "12k_mel48_x1_db", True),
    ("loud murmur", "12k_mel48_x1_db_8bit", True),
    ("loud murmur", "12k_mel48_x1_db_4bit", True),
    ("loud murmur", "12k_mel48_x1_db_4s", True),
    ("loud murmur", "12k_mel48_x1_db_2bit", False),
    ("loud murmur", "12k_mel48_x1_db_1bit", False),
    ("bright ends", "12k_mel48_x1_db", True),
    ("bright ends", "12k_mel48_x1_db_1bit", True),
    ("bright ends", "12k_mel48_x1_db_4s", False),
    ("bright ends", "12k_mel48_x1_db_2s", False),
]


def mean_roc_auc(folder, *, dataset, cells, configuration):
    """The mean over the seeds of the ROC AUC of each cell and tag on the test clips."""
    targets = [f"results/{dataset}/vgg/{cell}/metrics.csv" for cell in cells]
    process = snakemake(folder, *targets, "--cores", 2, "--configfile", configuration)
    assert process.returncode == 0, process.stdout
    tables = {cell: pd.read_csv(folder / target) for cell, target in zip(cells, targets, strict=True)}
    metrics = pd.concat(tables, names=["cell"]).query("split == 'test'")
    assert metrics["seed"].nunique() == 3
    return metrics.groupby(["cell", "tag"])["roc_auc"].mean()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Some cells of the demo, as `make figure1` runs them."""
    cells = sorted({"12k_mel48_x1_db"} | {cell for _, cell, _ in ANSWERS})
    folder = tmp_path_factory.mktemp("demo")
    return mean_roc_auc(folder, dataset="demo", cells=cells, configuration=ROOT / "config" / "config.yaml")


@pytest.fixture(scope="module")
def axes(tmp_path_factory):
    """Some cells with fewer bits and shorter clips, as `make all` runs them."""
    cells = sorted({cell for _, cell, _ in ANSWERS_ALONG_AXES})
    folder = tmp_path_factory.mktemp("axes")
    return mean_roc_auc(folder, dataset="axes", cells=cells, configuration=ROOT / "config" / "config.yaml")


def assert_answer(roc_auc, is_learnable):
    if is_learnable:
        assert roc_auc >= 0.85
    else:
        assert roc_auc == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("tag", "cell", "is_learnable"), ANSWERS)
def test_probe(tag, cell, is_learnable, demo):
    assert_answer(demo[cell, tag], is_learnable)


@pytest.mark.parametrize(("tag", "cell", "is_learnable"), ANSWERS_ALONG_AXES)
def test_probe_of_bits_or_seconds(tag, cell, is_learnable, axes):
    assert_answer(axes[cell, tag], is_learnable)


def musical(cell, demo):
    return demo[cell].loc[list(MUSICAL)].mean()


@pytest.mark.parametrize("cell", ["12k_mel48_x1_db", "12k_mel96_x1_db", "12k_mel96_x10_db", "16k_mel96_x10_db"])
def test_musical_tags_are_learnable(cell, demo):
    assert musical(cell, demo) > 0.95


def test_half_of_the_bands_hold_the_same_musical_tags(demo):
    assert musical("12k_mel48_x1_db", demo) == pytest.approx(musical("12k_mel96_x1_db", demo), abs=0.015)


def test_real_music_gives_what_was_published(real_music, tmp_path):
    """A cheap representation of docs/real-music.md, which was trained on a CPU, is trained again.

    The figures are the same to the digit on a processor of the same kind. Others round differently.
    """
    cell = {"sample_rate_hz": 12_000, "n_mels": 48, "hop_factor": 10, "log_type": "db", "width": 1 / 32}
    runs = pd.read_csv(ROOT / "docs" / "real-music" / "runs.csv").query("model == 'vgg' and device == 'cpu'")
    published = runs[(runs[list(cell)] == pd.Series(cell)).all(axis=1)].set_index("seed")["roc_auc"]
    assert len(published) >= 5
    config = yaml.safe_load((ROOT / "docs" / "real-music.yaml").read_text())
    experiment = config["experiments"][0]
    experiment["options"]["width"] = cell["width"]
    experiment["grid"] = [{"sample_rate": [12_000], "n_mels": [48], "hop_factor": [10]}]
    configuration = tmp_path / "narrow.yaml"
    configuration.write_text(yaml.safe_dump(config))
    target = "results/music/vgg/12k_mel48_x10_db/metrics.csv"
    process = snakemake(tmp_path, target, "--cores", 2, "--configfile", configuration)
    assert process.returncode == 0, process.stdout
    found = pd.read_csv(tmp_path / target).query("split == 'test' and tag == '(macro)'").set_index("seed")["roc_auc"]
    assert found.mean() == pytest.approx(published.mean(), abs=0.01)
    assert (found - published).abs().max() < 0.03
