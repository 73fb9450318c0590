"""The shipped configurations are valid, and a mistake is reported in one line with the path of the key."""

import copy

import pytest
import yaml
from conftest import ROOT

from howlow import config as configuration
from howlow.config.strict_yaml import YamlError
from howlow.data import demo
from howlow.features.representation import Cell

_YAML = {*ROOT.glob("config/*.yaml"), *ROOT.glob("docs/*.yaml"), *ROOT.glob("tests/*.yaml")}
SHIPPED = sorted(_YAML - {ROOT / "tests" / name for name in ("plans.yaml", "harmless_mutants.yaml")})

MINIMAL = yaml.safe_load("""
datasets:
  demo: {kind: demo}
experiments:
  - dataset: demo
    model: vgg
    grid:
      - {sample_rate: [12000], n_mels: [96]}
""")


def changed(path: str, value: object) -> dict:
    """A copy of MINIMAL with another value at a path such as `experiments.0.grid.0.n_mels`."""
    config = copy.deepcopy(MINIMAL)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = config
    for key in parents:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[last] = value
    return config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    configuration.load(path)


def test_demo_and_paper_span_the_papers_grid():
    for name in ("config", "paper"):
        config = configuration.load(ROOT / "config" / f"{name}.yaml")
        cells = configuration.cells(config, config["experiments"][0])
        assert len(cells) == len(set(cells.values())) == 88
        assert "12k_mel96_x10_log" in cells
        assert "16k_mel8_x2_db" not in cells


def test_cells_have_all_axes():
    axes = {"bits": [16, 4], "seconds": [29.1, 10], "width": [0.5]}
    settings = changed("experiments.0.grid.0", {"sample_rate": [12000], "n_mels": [96], "hop_factor": [2]} | axes)
    settings["experiments"][0]["options"] = {"width": 0.5}
    config = configuration.complete(settings, "my.yaml")
    assert configuration.cells(config, config["experiments"][0]) == {
        "12k_mel96_x2_db": Cell(12_000, 96, 2, "db", 16, 29.1, 0.5),
        "12k_mel96_x2_db_10s": Cell(12_000, 96, 2, "db", 16, 10, 0.5),
        "12k_mel96_x2_db_4bit": Cell(12_000, 96, 2, "db", 4, 29.1, 0.5),
        "12k_mel96_x2_db_4bit_10s": Cell(12_000, 96, 2, "db", 4, 10, 0.5),
    }


def test_defaults_are_filled_in():
    config = configuration.complete(copy.deepcopy(MINIMAL), "file")
    assert config["seeds"] == [1, 2, 3]
    assert config["datasets"]["demo"]["shards"] == 16
    assert config["experiments"][0]["options"] == {"width": 1.0, "batch_norm_momentum": 0.01}
    assert config["experiments"][0]["training"]["epochs"] == 13
    assert config["experiments"][0]["grid"][0] | {} == {
        "sample_rate": [12000],
        "n_mels": [96],
        "hop_factor": [1],
        "log_type": ["db"],
        "bits": [16],
        "seconds": [29.1],
        "width": [1.0],
    }
    assert config["figure1"] == {"dataset": "demo", "model": "vgg"}


def test_default_size_of_the_demo_is_the_generators():
    assert configuration.schema()["$defs"]["datasets"]["demo"]["properties"]["n_clips"]["default"] == demo.N_CLIPS


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sedes", [1], "sedes: unknown key; did you mean 'seeds'?"),
        ("experiments.0.training.epoch", 3, "experiments[0].training.epoch: unknown key; did you mean 'epochs'?"),
        ("datasets.demo.root", "x", "datasets.demo.root: unknown key"),
        ("seeds", [1, 2, 1], "seeds: 1 is in the list twice"),
        ("seeds", 3, "seeds: 3 is not a list, such as [1, 2]"),
        ("seeds", [], "seeds: [] should be non-empty"),
        (
            "experiments.0.training.learning_rate",
            "1e-3",
            "experiments[0].training.learning_rate: '1e-3' is text, not a number: write 0.001, without quotes",
        ),
        ("experiments.0.training.epochs", 2.5, "experiments[0].training.epochs: 2.5 is not a whole number"),
        ("experiments.0.training.keep", "best", "experiments[0].training.keep: 'best' is not one of ['last',"),
        ("experiments.0.model", "vggg", "experiments[0].model: 'vggg' is not one of ['vgg', 'musicnn']; did you mean"),
        ("experiments.0.options.filters", 16, "experiments[0].options.filters: unknown key"),
        ("experiments.0.dataset", "dmeo", "experiments[0].dataset: there is no dataset 'dmeo' under datasets; did you"),
        ("experiments.0.grid.0.log_type", ["ln"], "experiments[0].grid[0].log_type[0]: 'ln' is not one of"),
        ("experiments.0.grid.0.sample_rate", [500], "experiments[0].grid[0].sample_rate[0]: 500 is less than the"),
        (
            "experiments.0.grid.0.hop_factor",
            [1, 100],
            "experiments[0].grid[0].hop_factor: 12k_mel96_x100_db of 29.1 s: 14 frames are too few for VGG-CNN",
        ),
        ("datasets.demo.seconds", "29.1", "datasets.demo.seconds: '29.1' is text, not a number: write 29.1"),
        ("spectrograms", {"window": "hann"}, "spectrograms.window: 'hann' is not one of ['periodic', 'symmetric']"),
        (
            "experiments.0.grid",
            [{"sample_rate": [12000], "n_mels": [96]}] * 2,
            "experiments[0].grid[1]: 12k_mel96_x1_db is in the grid twice",
        ),
        (
            "experiments.0.grid",
            [{"sample_rate": [12000], "n_mels": [96]} | more for more in ({}, {"bits": [4, 16], "seconds": [29.1]})],
            "experiments[0].grid[1]: 12k_mel96_x1_db is in the grid twice",
        ),
        ("experiments.0.grid.0.bits", [7], "experiments[0].grid[0].bits[0]: 7 is not one of [16, 8, 6, 5, 4, 3, 2, 1]"),
        (
            "experiments.0.grid.0.seconds",
            [10, 30],
            "experiments[0].grid[0].seconds: 30 s are longer than the clips of datasets.demo, which have 29.1 s; use",
        ),
        (
            "experiments.0.grid.0.seconds",
            [0.3],
            "experiments[0].grid[0].hop_factor: 12k_mel96_x1_db_0.3s of 0.3 s: 16 frames are too few for VGG-CNN",
        ),
        ("experiments.0.grid.0.width", [0], "experiments[0].grid[0].width[0]: 0 is less than or equal to the minimum"),
        ("spectrograms", {"quantizer": "none"}, "spectrograms.quantizer: 'none' is not one of ['global'"),
        ("experiments", MINIMAL["experiments"] * 2, "experiments[1]: vgg on demo is already experiments[0]"),
        ("datasets.demo.folds", 5, "datasets.demo.folds: unknown key"),
        ("figure1", {"dataset": "demo", "model": "musicnn"}, "figure1: no experiment trains musicnn on demo"),
        ("datasets.demo", {"kind": "msd"}, "datasets.demo: the key 'root' is missing"),
        ("datasets.demo", {"kind": "gtzan"}, "datasets.demo.kind: 'gtzan' is not one of"),
        ("datasets.demo.n_clips", 3, "datasets.demo.n_clips: 3 is less than the minimum of 16"),
    ],
)
def test_mistakes_get_one_line(path, value, message):
    with pytest.raises(configuration.ConfigError) as caught:
        configuration.complete(changed(path, value), "my.yaml")
    assert str(caught.value).startswith(f"my.yaml: {message}")
    assert "\n" not in str(caught.value)


def test_no_yaml(tmp_path):
    (tmp_path / "c.yaml").write_text("seeds: [1, 2\n")
    with pytest.raises(YamlError, match=r"c\.yaml: not YAML: .* line 2"):
        configuration.load(tmp_path / "c.yaml")
    with pytest.raises(YamlError, match=r"none\.yaml: no such file"):
        configuration.load(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").touch()
    with pytest.raises(
        configuration.ConfigError, match=r"empty\.yaml: is empty: it needs the keys datasets and experiments"
    ):
        configuration.load(tmp_path / "empty.yaml")


def test_defaults_are_the_protocols_of_the_paper():
    """That of VGG-CNN is from section VI.A of the paper, and that of MUSICNN from its authors' code."""
    loaded = configuration.load(ROOT / "config" / "paper.yaml")
    shared = {"learning_rate": 0.001, "patience": None, "device": "auto", "threads": 4}
    expected = {
        "vgg": {"epochs": 13, "batch_size": 64, "decay_epochs": None, "keep": "last"} | shared,
        "musicnn": {"epochs": 720, "batch_size": 32, "decay_epochs": 100, "keep": "best_val_roc_auc"} | shared,
    }
    assert len(loaded["experiments"]) == 4
    assert all(experiment["training"] == expected[experiment["model"]] for experiment in loaded["experiments"])


def test_aliases_of_yaml_are_filled_in_each_by_itself():
    shared = changed("experiments.0.training", {"threads": 2})
    other = {**shared["experiments"][0], "model": "musicnn"}  # the very same `training` object, as with an alias
    shared["experiments"].append(other)
    loaded = configuration.complete(shared, "my.yaml")
    assert [experiment["training"]["epochs"] for experiment in loaded["experiments"]] == [13, 720]
