"""What each way to save costs: losses along an axis, factors saved, and the sentences about them."""

import re

import numpy as np
import pandas as pd
import pytest

from howlow.names import CELL
from howlow.results import exchange, frontier
from howlow.results.plots import exchange as exchange_plot
from howlow.results.steps import from_richest
from howlow.results.tradeoff import COSTS

MARGINS = {"roc_auc": 0.5, "pr_auc": 1.0}
BASE = {
    "sample_rate_hz": 12_000,
    "n_mels": 96,
    "hop_factor": 1,
    "log_type": "db",
    "bits": 16,
    "seconds": 29.1,
    "width": 1.0,
}


def cell(**changes):
    return BASE | changes


def table_of(cells, roc_auc, n_seeds=3):
    """Runs in which every seed of a cell has the same ROC AUC, but for a tiny deviation that favours no cell."""
    rows = []
    for number, (found, value) in enumerate(zip(cells, roc_auc, strict=True)):
        for seed in range(1, n_seeds + 1):
            noise = 1e-4 * np.sin(10 * number + seed)
            of_run = {"dataset": "d", "model": "vgg", "seed": seed, "roc_auc": value + noise, "pr_auc": value - 0.3}
            rows.append(found | of_run | {"cell": f"c{number}"})
    return pd.DataFrame(rows)


def costs_of(cells, gmac, n_bytes):
    table = pd.DataFrame(cells).assign(dataset="d", model="vgg", cell=[f"c{i}" for i in range(len(cells))])
    return table.assign(**(dict.fromkeys(COSTS, 1.0) | {"gmac": gmac, "bytes_per_clip": n_bytes}))


GRID = [
    cell(),
    cell(n_mels=48),
    cell(n_mels=24),
    cell(hop_factor=2),
    cell(n_mels=48, hop_factor=2),
    cell(bits=4),
    cell(width=0.5),
]
ROC_AUC = [0.90, 0.89, 0.86, 0.895, 0.885, 0.897, 0.88]
GMAC = [8, 4, 2, 4, 2, 8, 2]
BYTES = [800, 400, 200, 400, 200, 200, 800]


@pytest.fixture(scope="module")
def found():
    return exchange.exchange(table_of(GRID, ROC_AUC), costs_of(GRID, GMAC, BYTES), MARGINS)


def test_steps_are_from_the_richest_value_of_each_axis():
    cells = pd.DataFrame(GRID)[CELL]
    steps = {(s.axis, s.before, s.after): list(zip(s.first, s.second, strict=True)) for s in from_richest(cells)}
    assert steps == {
        ("n_mels", 96, 48): [(0, 1), (3, 4)],
        ("n_mels", 96, 24): [(0, 2)],
        ("hop_factor", 1, 2): [(0, 3), (1, 4)],
        ("bits", 16, 4): [(0, 5)],
        ("width", 1.0, 0.5): [(0, 6)],
    }


def test_losses_and_factors_by_hand(found):
    rows = found.set_index(["axis", "to"])
    assert rows["roc_auc_lost_points"].to_dict() == pytest.approx(
        {("n_mels", 48): 1, ("n_mels", 24): 4, ("hop_factor", 2): 0.5, ("bits", 4): 0.3, ("width", 0.5): 2}, abs=0.03
    )
    assert rows["gmac_factor"].to_dict() == pytest.approx(
        {("n_mels", 48): 2, ("n_mels", 24): 4, ("hop_factor", 2): 2, ("bits", 4): 1, ("width", 0.5): 4}
    )
    assert rows["bytes_per_clip_factor"].to_dict() == pytest.approx(
        {("n_mels", 48): 2, ("n_mels", 24): 4, ("hop_factor", 2): 2, ("bits", 4): 4, ("width", 0.5): 1}
    )
    assert (rows["roc_auc_lost_low_points"] < rows["roc_auc_lost_points"]).all()
    assert (rows["roc_auc_lost_points"] < rows["roc_auc_lost_high_points"]).all()


def test_factors_are_geometric_means_over_the_pairs():
    cells = [cell(), cell(n_mels=48), cell(hop_factor=2), cell(n_mels=48, hop_factor=2)]
    found = exchange.exchange(table_of(cells, [0.9] * 4), costs_of(cells, [16, 8, 8, 1], [4, 2, 2, 1]), MARGINS)
    assert found.set_index("axis").loc["n_mels", "gmac_factor"] == pytest.approx((2 * 8) ** 0.5)


def test_lines_have_the_axes_that_save_a_cost(found):
    on_computation, on_storage = (dict(exchange.lines(found, cost)) for cost in exchange.SAVINGS)
    assert list(on_computation) == ["n_mels", "hop_factor", "width"]
    assert list(on_storage) == ["n_mels", "hop_factor", "bits"]
    assert on_computation["n_mels"]["to"].tolist() == [96, 48, 24]
    assert on_computation["n_mels"]["halvings"].tolist() == pytest.approx([0, 1, 2])
    assert on_computation["n_mels"]["roc_auc_lost_points"].iloc[0] == 0


@pytest.mark.parametrize(("halvings", "expected"), [(0.5, 0.5), (1, 1), (1.5, 2.5), (2, 4), (2.1, None)])
def test_losses_between_two_values_are_interpolated(found, halvings, expected):
    lost = exchange.at(dict(exchange.lines(found, "gmac"))["n_mels"], halvings)
    assert (lost and lost[0]) == (expected and pytest.approx(expected, abs=0.03))
    assert lost is None or lost[1] < lost[0] < lost[2]


def test_sentences_name_the_cheapest_way_first(found):
    ((heading, sentences),) = exchange.sentences(found)
    assert heading == "VGG-CNN on d"
    ways = r"by ([a-z ]+) \((-?[0-9.]+) points"
    assert [(text.split(" costs least ")[0], re.findall(ways, text)) for text in sentences] == [
        ("Halving the computation", [("a longer hop", "0.5"), ("a narrower network", "1.0"), ("fewer bands", "1.0")]),
        ("Quartering the computation", [("a narrower network", "2.0"), ("fewer bands", "4.0")]),
        ("Halving the storage", [("fewer bits", "0.1"), ("a longer hop", "0.5"), ("fewer bands", "1.0")]),
        ("Quartering the storage", [("fewer bits", "0.3"), ("fewer bands", "4.0")]),
    ]


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ((-0.04, 1.26), "by a longer hop (0.5 points, 95 % interval 0.0 to 1.3)"),
        ((np.nan, np.nan), "by a longer hop (0.5 points)"),
    ],
)
def test_sentences_have_intervals_where_there_are_several_seeds(found, limits, text):
    hop = found[found["axis"] == "hop_factor"].copy()
    for kind, limit in zip(("", "_low", "_high"), (0.5, *limits), strict=True):
        hop[f"roc_auc_lost{kind}_points"] = limit
    ((_, sentences),) = exchange.sentences(hop)
    assert sentences[0] == f"Halving the computation is possible {text} alone."


def test_experiments_come_in_their_order(found):
    both = pd.concat([found.assign(dataset="z"), found.assign(dataset="a")])
    assert [heading for heading, _ in exchange.sentences(both)] == ["VGG-CNN on z", "VGG-CNN on a"]
    assert set(exchange.with_most_axes(both)["dataset"]) == {"z"}


def test_a_single_way_is_said_to_be_one():
    cells = [cell(), cell(width=0.5)]
    table = exchange.exchange(table_of(cells, [0.9, 0.89]), costs_of(cells, [4, 1], [1, 1]), MARGINS)
    ((_, sentences),) = exchange.sentences(table)
    assert sentences[0].startswith("Halving the computation is possible by a narrower network (0.5 points")
    assert sentences[0].endswith(" alone.")


def test_nothing_to_exchange():
    table = exchange.exchange(table_of([cell()], [0.9]), costs_of([cell()], [1], [1]), MARGINS)
    assert exchange.sentences(table) == [("Nothing to exchange", ["No two cells differ in one axis only."])]
    assert "Nothing to show" in exchange_plot.exchange(exchange.with_most_axes(table)).get_suptitle()


def test_figure_has_a_line_for_each_axis_that_saves(found):
    figure = exchange_plot.exchange(found)
    computation, storage = figure.axes
    drawn = [{line.get_label(): line for line in axis.get_lines()} for axis in (computation, storage)]
    assert {label for label in drawn[0] if "from" in label} == {
        "fewer bands, from 96", "a longer hop, from ×1", "a narrower network, from 1",
    }  # fmt: skip
    assert "fewer bits, from 16" in drawn[1]
    x, y = drawn[0]["fewer bands, from 96"].get_data()
    assert x.tolist() == pytest.approx([0, 1, 2])
    assert y.tolist() == pytest.approx([0, 1, 4], abs=0.03)


class TestFrontier:
    def table(self):
        n = len(GRID)
        of_validation = [90, 89, 86, 88, 89.5, 89.7, 88]
        chosen = [value == max(of_validation) for value in of_validation]
        numbers = dict.fromkeys(["roc_auc_low_percent", "roc_auc_high_percent", "loss_points"], np.arange(n) * 1.0)
        return costs_of(GRID, GMAC, BYTES).assign(
            val_roc_auc_percent=of_validation, roc_auc_percent=100 * np.array(ROC_AUC), is_chosen=chosen,
            loss_low_points=np.nan, loss_high_points=np.nan, **numbers,
        )  # fmt: skip

    def test_the_best_cell_on_validation_within_each_budget(self):
        found = frontier.frontier(self.table()).set_index(["cost", "budget"])["cell"]
        assert found["gmac"].to_dict() == {1: "c0", 0.5: "c4", 0.25: "c4"}
        assert found["bytes_per_clip"].to_dict() == {1: "c0", 0.5: "c5", 0.25: "c5"}

    def test_budgets_end_with_the_cheapest_cell_or_at_a_256th(self):
        table = self.table().assign(gmac=[1000, 500, 4, 3, 2, 1, 0.5], bytes_per_clip=[8, 8, 8, 8, 8, 8, 1])
        found = frontier.frontier(table)
        assert found.query("cost == 'gmac'")["budget"].min() == 1 / 256
        assert found.query("cost == 'bytes_per_clip'")["budget"].min() == 1 / 8

    def test_its_text(self):
        cells = GRID[:1] + GRID[3:4]
        table = costs_of(cells, [8.0, 4.0], [8000, 2000]).assign(
            val_roc_auc_percent=[90, 89], roc_auc_percent=[91.25, 90.0], is_chosen=[True, False],
            roc_auc_low_percent=[90.0, np.nan], roc_auc_high_percent=[92.5, np.nan], loss_points=[0.0, 1.25],
            loss_low_points=[0.0, -0.25], loss_high_points=[0.0, 2.75],
        )  # fmt: skip
        rich, poor = "96 bands, x1, 12 kHz, dB", "96 bands, x2, 12 kHz, dB"
        head = "| ROC AUC, % | 95 % interval | less than the best cell, points |\n| --- | --- | --- | --- | --- | --- |"
        assert (
            frontier.to_markdown(frontier.frontier(table))[1]
            == f"""\
Within a share of the highest GMAC:

| budget | cell | GMAC {head}
| 1 | {rich} | 8 (100 %) | 91.25 | 90.00 to 92.50 | the best cell |
| 1/2 | {poor} | 4 (50 %) | 90.00 |  | +1.25 (-0.25 to +2.75) |

Within a share of the highest stored bytes:

| budget | cell | stored bytes {head}
| 1 | {rich} | 8,000 (100 %) | 91.25 | 90.00 to 92.50 | the best cell |
| 1/2 to 1/4 | {poor} | 2,000 (25 %) | 90.00 |  | +1.25 (-0.25 to +2.75) |
"""
        )

    def test_its_page(self):
        heading, text = frontier.to_markdown(frontier.frontier(self.table()))
        assert heading == "VGG-CNN on d"
        rows = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if "x2" in line]
        assert rows[0] == [
            "1/2 to 1/4", "48 bands, x2, 12 kHz, dB, 16 bits, width 1", "2 (25 %)", "88.50", "4.00 to 4.00", "+4.00",
        ]  # fmt: skip


def test_the_figure_is_of_the_experiment_with_the_most_axes(found):
    others = [found.iloc[:2].assign(dataset=name) for name in ("a", "z")]
    assert set(exchange.with_most_axes(pd.concat([others[0], found, others[1]]))["dataset"]) == {"d"}
