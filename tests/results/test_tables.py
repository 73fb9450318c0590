"""Tables beside the published figures, pages and heat map are correct, and absent where they should be."""

import numpy as np
import pandas as pd
import pytest
from conftest import run_script

from howlow import config as configuration
from howlow.config import paper, specs
from howlow.data.tracks import Tracks
from howlow.results import published, tables
from howlow.results.plots import tags

FIGURES = pd.read_csv(published.PATH)
KEYS = ["dataset", "model", "sample_rate_hz", "n_mels", "hop_factor", "log_type"]


def summary_of(dataset, model, off_points=0.0):
    """Rows of summary.csv that differ from the published figures by `off_points`."""
    chosen = FIGURES[(FIGURES["dataset"] == dataset) & (FIGURES["model"] == model)]
    wide = chosen.pivot_table(index=KEYS, columns="metric", values="mean_percent", sort=False).reset_index()
    wide = wide.assign(bits=16, seconds=29.1, width=1.0, cell="").assign(
        n_seeds=3, n_folds=0, gmac=1.0, parameters=1, bytes_per_clip=1, n_clips=1, n_excluded=0
    )
    for metric in ("roc_auc", "pr_auc"):
        wide[f"{metric}_mean"] = (wide[metric] + off_points) / 100
        wide[f"{metric}_std"] = 0.001
    return wide.drop(columns=["roc_auc", "pr_auc"])


ALIKE = {"device": ["cpu"] * 3, "torch": ["2.13.0"] * 3}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        (
            {"device": ["cpu", "NVIDIA A100", "cpu"]},
            "2 on cpu with PyTorch 2.13.0; 1 on NVIDIA A100 with PyTorch 2.13.0",
        ),
        ({"torch": ["2.13.0", "2.13.0", "2.14.1"]}, "2 on cpu with PyTorch 2.13.0; 1 on cpu with PyTorch 2.14.1"),
    ],
)
def test_trainings_that_ran_on_different_machines_are_told_apart(changes, told):
    sentence = tables.mixture(pd.DataFrame(ALIKE | changes))
    assert (told in sentence) if told else (sentence == "")


def test_the_caption_says_that_trainings_differ():
    table = tables.percent(summary_of("mtat", "vgg")).assign(device="cpu", torch="2.13.0")
    assert "different devices" not in tables.caption(table)
    table.loc[0, "device"] = "NVIDIA A100"
    assert "1 on NVIDIA A100 with PyTorch 2.13.0" in tables.caption(table)


def test_all_118_published_figures_are_there():
    assert len(FIGURES) == 118
    assert not FIGURES.duplicated([*KEYS, "metric"]).any()


@pytest.mark.parametrize(("kind", "size"), [("mtat", 25_860), ("msd", 241_889)])
@pytest.mark.parametrize(("share", "is_alike"), [(0.988, False), (0.992, True), (1.008, True), (1.012, False)])
def test_the_size_of_the_papers_dataset_is_met_within_one_percent(kind, size, share, is_alike):
    assert (published.unlike(kind, round(share * size), 50) == []) is is_alike


@pytest.mark.parametrize(
    ("kind", "n_clips", "n_tags", "told"),
    [
        ("mtat", 25_860, 50, []),
        ("msd", 241_889, 50, []),
        ("mtat", 794, 50, ["it has 794 clips, the paper's has 25,860"]),
        ("mtat", 25_863, 188, ["it has 188 tags, the paper's has 50"]),
    ],
)
def test_only_data_of_the_papers_size_compare(kind, n_clips, n_tags, told):
    assert published.unlike(kind, n_clips, n_tags) == told


def complete(kind, model, **settings):
    """A configuration of one experiment with some settings, each put where it belongs."""
    experiment = {"dataset": "d", "model": model, "grid": [{"sample_rate": [12_000], "n_mels": [96]}]}
    experiment |= {"options": {}, "training": {}}
    config = {"datasets": {"d": {"kind": kind, "root": "/music"}}, "experiments": [experiment], "spectrograms": {}}
    dataset, spectrograms = config["datasets"]["d"], config["spectrograms"]
    places = {"options": experiment["options"], "training": experiment["training"], "window": spectrograms}
    of_key = dict.fromkeys(("width", "batch_norm_momentum", "orientation", "filters", "segment_frames"), "options")
    of_key |= dict.fromkeys(("seconds", "split", "untagged", "shards"), "dataset") | {"window": "window"}
    for key, value in settings.items():
        (places | {"dataset": dataset})[of_key.get(key, "training")][key] = value
    configuration.complete(config, "test")
    return config, config["experiments"][0]


@pytest.mark.parametrize(
    ("kind", "model", "settings", "told"),
    [
        ("mtat", "vgg", {}, []),
        ("mtat", "vgg", {"threads": 8, "device": "cpu", "shards": 3}, []),  # these settings decide nothing
        ("mtat", "vgg", {"batch_size": 32}, []),  # the authors' scripts for 16 kHz
        ("mtat", "vgg", {"window": "symmetric"}, []),
        ("mtat", "musicnn", {"orientation": "published", "segment_frames": 128}, []),
        ("msd", "musicnn", {"filters": 16}, []),
        ("msd", "musicnn", {}, ["filters is 32, the paper's is 16"]),
        ("mtat", "musicnn", {"filters": 16}, ["filters is 16, the paper's is 32"]),
        ("mtat", "musicnn", {"segment_frames": 64}, ["segment_frames is 64, the paper's is 3 s"]),
        ("mtat", "vgg", {"seconds": 10}, ["seconds is 10, the paper's is 29.1"]),
        ("mtat", "vgg", {"width": 0.03}, ["width is 0.03, the paper's is 1.0"]),
        ("mtat", "vgg", {"batch_norm_momentum": 0.1}, ["batch_norm_momentum is 0.1, the paper's is 0.01"]),
        ("mtat", "vgg", {"batch_size": 16}, ["batch_size is 16, the paper's is 64"]),
        ("mtat", "vgg", {"learning_rate": 0.01}, ["learning_rate is 0.01, the paper's is 0.001"]),
        ("mtat", "vgg", {"decay_epochs": 5}, ["decay_epochs is 5, the paper's is null"]),
        ("mtat", "vgg", {"patience": 5}, ["patience is 5, the paper's is null"]),
        ("mtat", "musicnn", {"keep": "last"}, ["keep is last, the paper's is best_val_roc_auc"]),
        ("mtat", "vgg", {"split": "artists"}, ["split is artists, the paper's is folders"]),
        ("mtat", "vgg", {"untagged": "drop"}, ["untagged is drop, the paper's is keep"]),
        (
            "msd",
            "vgg",
            {"epochs": 1, "seconds": 5},
            ["seconds is 5, the paper's is 29.1", "epochs is 1, the paper's is 13"],
        ),
    ],
)
def test_only_the_papers_settings_compare(kind, model, settings, told):
    assert paper.unlike(*complete(kind, model, **settings)) == told


def test_what_the_authors_ran_otherwise_is_said():
    assert paper.remarks(*complete("mtat", "musicnn")) == [
        "window symmetric (here periodic)",
        "orientation published (here intended)",
        "segment_frames 128 (here 3 s)",
    ]
    as_run = {"window": "symmetric", "orientation": "published", "segment_frames": 128}
    assert paper.remarks(*complete("mtat", "musicnn", **as_run)) == []
    assert paper.remarks(*complete("mtat", "vgg", window="symmetric")) == []


@pytest.mark.parametrize(
    ("settings", "note", "stand_beside"),
    [
        ({"window": "symmetric"}, None, True),
        ({}, "The published figures are of runs with window symmetric (here periodic).", True),
        ({"width": 0.03}, "Not beside the published figures: width is 0.03, the paper's is 1.0.", False),
    ],
)
def test_captions_say_whether_the_published_figures_are_beside_and_why_not(
    tmp_path, monkeypatch, settings, note, stand_beside
):
    config, _ = complete("mtat", "vgg", **settings)
    summary_of("mtat", "vgg").assign(dataset="d").to_csv(tmp_path / "summary.csv", index=False)
    labels = np.zeros((25_860, 50), bool)
    names = [str(number) for number in range(len(labels))]
    tags = tuple(f"tag {number}" for number in range(50))
    tracks = Tracks(names, names, ["train"] * len(names), ["0"] * len(names), names, tags, labels)
    (tmp_path / "d").mkdir()
    tracks.write(tmp_path / "d" / "tracks.parquet", "d")
    tables_of = [tmp_path / f"full.{ending}" for ending in ("csv", "md", "tex", "html")]
    spec = specs.table(config, "full")
    options = ["--results", tmp_path, "--summaries", tmp_path / "summary.csv", "--tables", *tables_of]
    process = run_script("tables", *options, spec=spec)
    assert process.returncode == 0, process.stderr
    for path in tables_of:
        text = path.read_text().replace("&#x27;", "'").replace("\\_", "_")
        assert (", published" in text or "published_percent" in text) == stand_beside
        if note and path.suffix != ".csv":
            assert note in text
        assert ("Not beside" in text) == (note is not None and not stand_beside and path.suffix != ".csv")
        of_test = "On average over 24 cells, ROC AUC differs from the published one by +0.00 points"
        assert (of_test in text) == (stand_beside and path.suffix != ".csv")
        assert ("pr_auc_p_holm" in text) == (stand_beside and path.suffix == ".csv")


def test_published_figures_stand_beside_and_those_that_differ_are_marked():
    summary = summary_of("mtat", "vgg", off_points=0.3)
    summary.loc[3, "roc_auc_mean"] += 0.03  # 3 points
    table = published.beside(tables.percent(summary), {("mtat", "vgg"): "mtat"})
    assert table["roc_auc_difference_points"].tolist() == pytest.approx([3.3 if n == 3 else 0.3 for n in range(24)])
    assert table.loc[3, "roc_auc_is_different"] is True
    text = tables.to_markdown(table)
    assert "ROC AUC, published |" in text
    assert "+3.30* |" in text
    assert text.count("*") == table["roc_auc_is_different"].sum() + table["pr_auc_is_different"].sum() < 10
    assert "+0.30 |" in text


def test_where_no_deviation_was_published_nothing_is_marked():
    table = published.beside(tables.percent(summary_of("msd", "vgg", off_points=5)), {("msd", "vgg"): "msd"})
    assert table["roc_auc_is_different"].isna().all()
    assert "*" not in tables.to_markdown(table).split("\n\n", 1)[1].replace("×", "")


def test_on_other_data_the_published_column_is_absent():
    table = tables.percent(summary_of("mtat", "vgg").assign(dataset="mine"))
    assert published.beside(table, {}) is table
    both = pd.concat([table, tables.percent(summary_of("mtat", "vgg"))], ignore_index=True)
    mixed = published.beside(both, {("mtat", "vgg"): "mtat"})
    mine, theirs = tables.groups(mixed)
    assert mine.columns.tolist() == table.columns.tolist()
    assert "roc_auc_published_percent" in theirs
    assert tables.to_markdown(mixed).count("published |") == 2


def test_columns_that_say_nothing_are_left_out():
    shown = tables.readable(tables.percent(summary_of("mtat", "vgg").query("hop_factor == 1 and log_type == 'db'")))
    assert list(shown.columns) == ["bands", "sample rate", "ROC AUC", "PR AUC", "GMAC"]
    all_of_them = tables.readable(tables.percent(summary_of("mtat", "vgg")))
    assert {"hop", "log"} <= set(all_of_them.columns)


def test_latex_is_booktabs_with_its_signs_escaped():
    text = tables.to_latex(tables.percent(summary_of("msd", "vgg").assign(dataset="my_set")), "table5")
    assert all(word in text for word in (r"\toprule", r"\midrule", r"\bottomrule", r"my\_set", r"$\times$1", r"$\pm$"))
    assert not set(text) & set("×±")


def test_pages_need_nothing_from_elsewhere_and_escape():
    page = tables.page("A <b>", tables.sections_to_html([("x & y", ["1 < 2"])]))
    assert "A &lt;b&gt;" in page
    assert "x &amp; y" in page
    assert "1 &lt; 2" in page
    assert "http" not in page.replace('<html lang="en">', "")


def test_heat_map_puts_the_tag_that_loses_most_first():
    rows = [
        (rate, n_mels, hop, "db", tag, 0.9 - loss * (n_mels < 96) - loss / 2 * (hop > 1))
        for rate in (12_000, 16_000)
        for n_mels, hop in ((96, 1), (48, 1), (96, 2))
        for tag, loss in (("harp", 0.01), ("flute", 0.2), ("bass", 0.1))
    ]
    columns = ["sample_rate_hz", "n_mels", "hop_factor", "log_type", "tag", "roc_auc"]
    lost = tags.losses(pd.DataFrame(rows, columns=columns))
    assert lost.index.tolist() == ["flute", "bass", "harp"]
    assert lost.columns[0] == (16_000, 96, 1)
    assert (lost[(16_000, 96, 1)] == 0).all()
    assert lost.loc["flute", (12_000, 48, 1)] == pytest.approx(20)


def along_axes():
    """Metrics of two cells, of each with 4 bits, and of one with half the width: what each tag loses is known."""
    cells = [
        ((48, 16, 1.0), 0.9),
        ((96, 16, 1.0), 0.8),
        ((48, 4, 1.0), 0.88),
        ((96, 4, 1.0), 0.74),
        ((48, 16, 0.5), 0.85),
    ]
    rows = [
        (12_000, n_mels, 1, "db", bits, 6.0, width, tag, roc_auc - offset)
        for (n_mels, bits, width), roc_auc in cells
        for tag, offset in (("harp", 0.0), ("flute", 0.1 * (bits == 4)))
    ]
    columns = ["sample_rate_hz", "n_mels", "hop_factor", "log_type", "bits", "seconds", "width", "tag", "roc_auc"]
    return pd.DataFrame(rows, columns=columns)


def test_further_axes_of_heat_map_compare_a_cell_with_itself():
    lost = tags.further_losses(along_axes())
    assert list(lost) == ["bits", "width"]
    assert lost["bits"].columns.tolist() == [4]
    assert lost["bits"][4].to_dict() == pytest.approx({"harp": (2 + 6) / 2, "flute": (12 + 16) / 2})
    assert lost["width"].columns.tolist() == [0.5]
    assert lost["width"][0.5].to_dict() == pytest.approx({"harp": 5, "flute": 5})


def test_heat_map_has_a_panel_for_each_further_axis():
    figure = tags.heatmap(along_axes(), "mine", "vgg")
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes}
    assert [text.get_text() for text in panels["bits"].get_xticklabels()] == ["4"]
    assert [text.get_text() for text in panels["width"].get_xticklabels()] == ["1/2"]
    papers = panels["12 kHz"].images[0].get_array()
    assert papers.shape == (2, 2)  # tags by the two representations of the paper's axes
    assert "fewer bits, a narrower network" in figure.get_suptitle()
