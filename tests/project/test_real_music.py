"""The page about real music: how its tables are computed, and that its sentences are true of them."""

import re

import numpy as np
import pandas as pd
import pytest
import real_music
import real_music_exchange as exchange
import real_music_tables as page
import real_music_widths as widths

from howlow.names import PAPERS_CELL


@pytest.fixture(scope="module")
def tables():
    return page.read()


def effect(tables, axis, before, after):
    """The row of an effect on the ROC AUC of VGG-CNN."""
    rows = tables.effects.query("model == 'vgg' and metric == 'roc_auc'")
    sides = rows[["from", "to"]].astype(str)
    return rows[(rows["axis"] == axis) & (sides["from"] == str(before)) & (sides["to"] == str(after))].iloc[0]


def _means(tables, axis):
    """The mean ROC AUC of each cell, with a column for each value of one axis."""
    others = [key for key in PAPERS_CELL if key != axis]
    return page.main_runs(tables.runs).pivot_table(index=others, columns=axis, values="roc_auc")


class TestSentences:
    """What docs/real-music.md says in words."""

    def test_half_the_bands_make_no_significant_difference_that_was_shown_or_excluded(self, tables):
        row = effect(tables, "n_mels", 96, 48)
        assert not row["is_different"]
        assert not row["is_equivalent"]
        assert row["margin_points"] == 0.5

    def test_48_bands_are_mostly_below_96(self, tables):
        means = _means(tables, "n_mels")
        below = (means[48] < means[96])[means[[48, 96]].notna().all(axis=1)]
        assert len(below) == 24
        assert below.mean() > 0.5

    def test_twice_the_hop_costs_next_to_nothing(self, tables):
        row = effect(tables, "hop_factor", 1, 2)
        assert not row["is_different"]
        assert row["difference_points"] == pytest.approx(0, abs=0.5)

    def test_a_tenth_of_the_frames_costs_what_the_paper_says(self, tables):
        row = effect(tables, "hop_factor", 1, 10)
        assert row["is_different"]
        assert row["low_points"] < -1.8 < row["high_points"]

    def test_128_bands_are_within_half_a_point_of_96(self, tables):
        row = effect(tables, "n_mels", 128, 96)
        assert -0.5 < row["low_points"] < 0 < row["high_points"] < 0.5

    def test_16_khz_is_better_than_12(self, tables):
        row = effect(tables, "sample_rate_hz", 16_000, 12_000)
        assert row["high_points"] < 0
        assert row["difference_points"] < -0.23, "by more than in the paper"

    def test_log_types_do_not_differ(self, tables):
        assert not effect(tables, "log_type", "db", "log")["is_different"]

    def test_the_best_is_above_79_percent_and_above_the_regression(self, tables):
        row = real_music.best_table(tables).splitlines()[2].split("|")
        assert float(row[2]) >= 79
        assert float(row[5].split()[0]) > 0, "the lower limit of the difference"


RICH, POOR = (16_000, 96, 1, "db"), (12_000, 48, 2, "db")


def of_base(runs, base):
    """The mean ROC AUC in percent of the cells of one representation, by bits, seconds and width."""
    chosen = runs[(runs[PAPERS_CELL] == pd.Series(base, PAPERS_CELL)).all(axis=1) & (runs["model"] == "vgg")]
    return 100 * chosen.groupby(["bits", "seconds", "width"])["roc_auc"].mean()


class TestSentencesAboutFurtherAxes:
    def lost(self, tables, axis, to):
        rows = tables.exchange[tables.exchange["axis"] == axis]
        return rows[rows["to"].astype(float) == to].iloc[0]

    def test_losses_and_savings_that_are_named(self, tables):
        named = {
            ("bits", 3): (0.1, "bytes_per_clip_factor", 5.3),
            ("bits", 2): (2.0, "bytes_per_clip_factor", 8.0),
            ("bits", 1): (8.2, "bytes_per_clip_factor", 16.0),
            ("width", 1 / 32): (0.3, "gmac_factor", 12.0),
            ("hop_factor", 4): (0.4, "gmac_factor", 4.0),
            ("seconds", 15): (0.9, "gmac_factor", 1.9),
        }
        for (axis, to), (points, cost, factor) in named.items():
            row = self.lost(tables, axis, to)
            assert row["roc_auc_lost_points"] == pytest.approx(points, abs=0.05), (axis, to)
            assert row[cost] == pytest.approx(factor, abs=0.1), (axis, to)
        assert self.lost(tables, "hop_factor", 4)["bytes_per_clip_factor"] == pytest.approx(4, abs=0.1)
        assert self.lost(tables, "width", 1 / 32)["inference_ms_batch_64_factor"] == pytest.approx(1, abs=0.1)

    def test_losses_are_those_of_the_runs(self, tables):
        """The two tables were written by different programs."""
        means = [of_base(tables.runs, base) for base in (RICH, POOR)]
        whole = (16, 29.1, page.MAIN_WIDTH)
        for axis, place in (("bits", 0), ("seconds", 1)):
            for to in sorted({cell[place] for cell in means[0].index} - {whole[place]}):
                cell = (*whole[:place], to, *whole[place + 1 :])
                lost = np.mean([of_cells[whole] - of_cells[cell] for of_cells in means])
                assert self.lost(tables, axis, to)["roc_auc_lost_points"] == pytest.approx(lost, abs=1e-3)

    def test_the_rich_representation_loses_with_each_bit_and_the_other_one_does_not(self, tables):
        (rich, poor), width = (of_base(tables.runs, base) for base in (RICH, POOR)), page.MAIN_WIDTH
        lost = [rich[(16, 29.1, width)] - rich[(bits, 29.1, width)] for bits in (6, 5, 4, 3)]
        assert lost == sorted(lost)
        assert lost[0] > 0
        assert lost[2:] == pytest.approx([0.6, 1.0], abs=0.05)
        assert all(poor[(bits, 29.1, width)] > poor[(16, 29.1, width)] for bits in (8, 6, 5, 4, 3))

    def test_ranges_of_single_bands_are_better_but_not_shown_to_be(self, tables):
        rows = exchange.quantizers_table(tables.runs, tables.band).splitlines()[2:]
        assert [row.split(" | ")[0] for row in rows] == ["| 4", "| 3", "| 2", "| 1"]
        for row in rows:
            change, low, high = (float(number) for number in re.findall(r"[+-]\d+\.\d+", row))
            assert low < 0 < change < high

    def test_a_cpu_gives_about_the_same(self, tables):
        for base, change in ((RICH, 0.04), (POOR, 0.18)):
            again, before = (of_base(runs, base)[(16, 29.1, page.MAIN_WIDTH)] for runs in (tables.cpu, tables.runs))
            assert again - before == pytest.approx(change, abs=0.005)

    def test_the_narrower_network_and_fewer_bits_are_named_first(self, tables):
        first = [re.search(r"costs least by ([a-z ]+) \(", line)[1] for line in exchange.sentences().splitlines()]
        assert first == ["a narrower network", "a narrower network", "fewer bits", "fewer bits"]
        assert exchange.answer().count("\n") == 1


class TestSentencesAboutWidths:
    def test_narrow_networks_rank_as_wide_ones_do(self, tables):
        rows = [row.split(" | ") for row in widths.widths_table(tables.runs).splitlines()[2:]]
        assert len(rows) == 3
        for row in rows:
            correlation, expected = float(row[2]), float(row[4])
            assert correlation >= expected
            assert float(row[3].split()[0]) > 0

    def test_there_are_24_cells_at_three_widths(self, tables):
        assert {width: table.shape for width, table in widths.of_widths(tables.runs).items()} == {
            1 / 32: (24, 5), 1 / 16: (24, 5), 1 / 8: (24, 5),
        }  # fmt: skip

    def test_losses_are_larger_with_narrow_networks_but_within_chance(self, tables):
        found = widths.of_widths(tables.runs)
        n_in_order = 0
        for step in page.TAG_STEPS:
            narrow, middle, wide = (page.step_by_fold(found[width], step) for width in (1 / 32, 1 / 16, 1 / 8))
            assert narrow.mean() < wide.mean()
            low, high = page.estimate(narrow - wide).interval()
            assert low < 0 < high
            n_in_order += narrow.mean() < middle.mean() < wide.mean()
        assert n_in_order == 2


def test_every_cell_was_trained_with_every_seed(tables):
    runs = page.main_runs(tables.runs)
    counts = runs.groupby(PAPERS_CELL)["seed"].nunique()
    assert len(counts) == 88
    assert set(counts) == {runs["seed"].nunique()}
    assert runs["seed"].nunique() % real_music.N_FOLDS == 0


def test_averages_of_the_runs_are_the_effects(tables):
    """The two tables were written by different programs."""
    for axis, before, after in real_music.STEPS:
        means = _means(tables, axis)
        change = 100 * (means[after] - means[before]).mean()
        assert effect(tables, axis, before, after)["difference_points"] == pytest.approx(change, abs=1e-3)


def test_effects_on_tags_are_the_effects_on_their_mean(tables):
    """The table of tags has a row for their mean, which another program has computed, too."""
    for _, of_step in tables.tags.groupby(["axis", "from", "to"]):
        mean = of_step[of_step["tag"] == "(macro)"].iloc[0]
        single = of_step[of_step["tag"] != "(macro)"]
        assert len(single) == 13
        assert mean["difference_points"] == pytest.approx(single["difference_points"].mean(), abs=1e-3)
        expected = effect(tables, mean["axis"], mean["from"], mean["to"])
        for column in ("difference_points", "low_points", "high_points"):
            assert mean[column] == pytest.approx(expected[column], abs=1e-3)


class TestWidths:
    GRID = pd.MultiIndex.from_product([[12_000], [96, 48], [1, 2], ["db"]], names=PAPERS_CELL)

    def runs(self, widths):
        """Runs with two seeds; `widths` gives the ROC AUC of each cell of the grid with each seed."""
        parts = []
        for width, values in widths.items():
            for seed, column in enumerate(np.array(values).T, 1):
                part = self.GRID.to_frame(index=False)
                parts.append(part.assign(model="vgg", bits=16, seconds=29.1, width=width, seed=seed, roc_auc=column))
        return pd.concat(parts, ignore_index=True)

    def test_reliability_by_hand(self):
        """The cells have the means 1, 2 and 3 and therefore, with two seeds, a mean square of 2.

        What is left is 0.5, -1 and 0.5 with one seed and the opposite with the other: 3 over 2 degrees of freedom.
        """
        assert widths.reliability(pd.DataFrame([[1.5, 0.5], [1.0, 3.0], [3.5, 2.5]])) == pytest.approx(1 - 1.5 / 2)
        assert widths.reliability(pd.DataFrame([[1, 1.2], [2, 2.2], [3, 3.2]])) == pytest.approx(1), (
            "seeds do not count"
        )
        assert widths.reliability(pd.DataFrame([[1, 3], [3, 1.1]])) == 0, "nothing but chance"

    def test_effects_by_seed(self):
        """Bands cost 0.01 and 0.03 at the hops of the first seed, and 0.02 and 0.04 at those of the second one."""
        runs = self.runs({1 / 16: [[0.80, 0.80], [0.79, 0.79], [0.79, 0.78], [0.76, 0.75]]})
        values = widths.of_widths(runs)[1 / 16]
        assert page.step_by_fold(values, ("n_mels", 96, 48)) == pytest.approx([-2.0, -3.0])
        assert page.step_by_fold(values, ("hop_factor", 1, 2)) == pytest.approx([-2.0, -2.0])

    def test_only_what_all_widths_have_is_compared(self):
        runs = self.runs({1 / 16: [[0.8, 0.8]] * 4, 1 / 8: [[0.7, 0.7]] * 4})
        runs = runs.drop(runs.index[(runs["width"] == 1 / 8) & (runs["n_mels"] == 48) & (runs["hop_factor"] == 2)])
        assert {width: table.shape for width, table in widths.of_widths(runs).items()} == {
            1 / 16: (3, 2),
            1 / 8: (3, 2),
        }

    def test_interval_of_a_rank_correlation(self):
        """For r = 0 and n = 28 the standard error of Fisher's z is 1/5."""
        assert widths.spearman_interval(0, 28) == pytest.approx((-np.tanh(0.392), np.tanh(0.392)), abs=1e-4)
        low, high = widths.spearman_interval(0.8, 24)
        z = np.arctanh(0.8)
        assert (np.arctanh(high) - z) == pytest.approx(1.95996 * np.sqrt(1.32 / 21), abs=1e-4)
        assert z - np.arctanh(low) == pytest.approx(np.arctanh(high) - z)
