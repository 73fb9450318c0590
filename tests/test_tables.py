"""Tables beside the published figures, pages and heat map: right, and absent where they should be."""

import pandas as pd
import pytest

from howlow import published, tables
from howlow.plots import tags

FIGURES = pd.read_csv(published.PATH)
KEYS = ["dataset", "model", "sample_rate_hz", "n_mels", "hop_factor", "log_type"]


def summary_of(dataset, model, off_points=0.0):
    """Rows of summary.csv that are the published figures, so many points off."""
    chosen = FIGURES[(FIGURES["dataset"] == dataset) & (FIGURES["model"] == model)]
    wide = chosen.pivot_table(index=KEYS, columns="metric", values="mean_percent", sort=False).reset_index()
    wide = wide.assign(n_seeds=3, gmac=1.0, parameters=1, bytes_per_clip=1, n_clips=1, n_excluded=0)
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
    assert "trained alike" not in tables.caption(table)
    table.loc[0, "device"] = "NVIDIA A100"
    assert "1 on NVIDIA A100 with PyTorch 2.13.0" in tables.caption(table)


def test_all_118_published_figures_are_there():
    assert len(FIGURES) == 118
    assert not FIGURES.duplicated([*KEYS, "metric"]).any()


@pytest.mark.parametrize(
    ("settings", "n_clips", "n_tags", "kind"),
    [
        ({"kind": "mtat"}, 25_860, 50, "mtat"),
        ({"kind": "msd"}, 241_889, 50, "msd"),
        ({"kind": "mtat"}, 794, 50, None),
        ({"kind": "mtat"}, 25_860, 188, None),
        ({"kind": "mtat", "split": "artists"}, 25_860, 50, None),
        ({"kind": "mtat", "untagged": "drop"}, 25_860, 50, None),
        ({"kind": "demo"}, 25_860, 50, None),
    ],
)
def test_only_the_papers_data_compare_with_the_paper(settings, n_clips, n_tags, kind):
    assert published.kind_of(settings, n_clips, n_tags) == kind


def test_published_figures_stand_beside_and_outliers_are_marked():
    table = published.beside(tables.percent(summary_of("mtat", "vgg", off_points=0.3)), {"mtat": "mtat"})
    assert table["roc_auc_difference_points"].tolist() == pytest.approx([0.3] * len(table))
    by_std = table.set_index("roc_auc_published_std")["roc_auc_is_outside"]
    assert by_std.index.notna().all()
    assert all(is_outside == (2 * std + 1e-9 < 0.3) for std, is_outside in by_std.items())
    text = tables.to_markdown(table)
    assert "ROC AUC, published |" in text
    assert "+0.30* |" in text
    assert "An asterisk: more than two published standard deviations" in text


def test_where_no_deviation_was_published_nothing_is_marked():
    table = published.beside(tables.percent(summary_of("msd", "vgg", off_points=5)), {"msd": "msd"})
    assert table["roc_auc_is_outside"].isna().all()
    assert "*" not in tables.to_markdown(table).split("\n\n", 1)[1].replace("×", "")


def test_on_other_data_the_published_column_is_absent():
    table = tables.percent(summary_of("mtat", "vgg").assign(dataset="mine"))
    assert published.beside(table, {"mine": None}) is table
    both = pd.concat([table, tables.percent(summary_of("mtat", "vgg"))], ignore_index=True)
    mixed = published.beside(both, {"mine": None, "mtat": "mtat"})
    mine, theirs = tables.groups(mixed)
    assert not any("published" in column or "outside" in column for column in mine)
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
