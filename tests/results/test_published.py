"""The test of measured means against published ones: by hand, by other libraries, and on simulated studies."""

import numpy as np
import pandas as pd
import pytest
import replication
from scipy import stats
from statsmodels.stats.multitest import multipletests

from howlow.names import METRICS, PAPERS_CELL
from howlow.results import corrections, published, tables

FIGURES = pd.read_csv(published.PATH)


def measured(off_points=0.0, std=0.2, n_seeds=3, dataset="mtat", model="vgg"):
    """A table of `tables.percent` whose means are off the published ones by `off_points`."""
    chosen = FIGURES[(FIGURES["dataset"] == dataset) & (FIGURES["model"] == model)]
    wide = chosen.pivot_table(
        index=["dataset", "model", *PAPERS_CELL], columns="metric", values="mean_percent", sort=False
    )
    wide = wide.reset_index().assign(n_seeds=n_seeds, n_folds=0, bits=16, seconds=29.1, width=1.0)
    for metric in METRICS:
        wide[f"{metric}_percent"] = wide.pop(metric) + off_points
        wide[f"{metric}_std"] = std if n_seeds > 1 else np.nan
    return wide


def beside(table):
    return published.beside(table, {("mtat", "vgg"): "mtat", ("msd", "vgg"): "msd"})


def row_of(table, n_mels, hop_factor):
    return table.query(f"sample_rate_hz == 12000 and n_mels == {n_mels} and hop_factor == {hop_factor}").iloc[0]


class TestOfOneCell:
    def test_by_hand(self):
        """Our runs have the sum of squares 2 * 0.3^2 = 0.18, and the published ones 3 * (0.395 + 0.005)^2 = 0.48.

        So the common variance is 0.66 / 4 = 0.165, the difference of two means of three has the variance
        0.165 * (1/3 + 1/3) = 0.11, and t is 1 / 0.3317 = 3.015 with 4 degrees of freedom. The table of the
        t-distribution has 2.776 at P = 0.05 and 3.747 at P = 0.02.
        """
        (p,) = published.p_of_difference(np.array([1.0]), np.array([0.3]), np.array([3]), np.array([0.395]))
        assert p == pytest.approx(0.0393, abs=2e-4)

    @pytest.mark.parametrize(
        ("t", "n", "p"), [(2.7764, 3, 0.05), (4.6041, 3, 0.01), (4.3027, 1, 0.05), (2.2010, 10, 0.05)]
    )
    def test_by_the_table_of_the_t_distribution(self, t, n, p):
        """With 4, 2 (a single run of ours) and 11 degrees of freedom; the variance is 1 on both sides."""
        difference = t * np.sqrt(1 / n + 1 / 3)
        std = np.array([1.0 if n > 1 else np.nan])
        of_n = np.array([np.sqrt(2 / 3) - 0.005])
        assert published.p_of_difference(np.array([-difference]), std, np.array([n]), of_n) == pytest.approx(
            p, abs=1e-5
        )

    @pytest.mark.parametrize("n", [2, 3, 10])
    def test_is_that_of_the_runs_themselves(self, n):
        """As SciPy computes it from all runs, if nothing is rounded."""
        rng = np.random.default_rng(n)
        ours, theirs = rng.normal(89, 0.4, (n, 50)), rng.normal(89.2, 0.2, (3, 50))
        difference = ours.mean(0) - theirs.mean(0)
        found = published.p_of_difference(difference, ours.std(0, ddof=1), np.full(50, n), theirs.std(0) - 0.005)
        np.testing.assert_allclose(found, stats.ttest_ind(ours, theirs).pvalue)

    def test_no_deviation_at_all_divides_by_nothing(self):
        """A deviation that is printed as 0.00 may be 0.005."""
        with np.errstate(all="raise"):
            p = published.p_of_difference(np.array([0.0, 0.1]), np.zeros(2), np.full(2, 3), np.zeros(2))
        assert p[0] == 1
        assert 0 < p[1] < 0.001


class TestHolm:
    @pytest.mark.parametrize("n", [1, 2, 48])
    def test_is_that_of_statsmodels(self, n):
        p = np.random.default_rng(n).random(n) ** 4
        np.testing.assert_allclose(corrections.holm(p), multipletests(p, method="holm")[1])

    def test_by_hand(self):
        """The smallest counts three times, the next one twice; none gets smaller than one before it."""
        p = np.array([[0.03, np.nan], [0.01, 0.04]])
        np.testing.assert_allclose(corrections.holm(p), [[0.06, np.nan], [0.03, 0.06]])

    def test_of_nothing(self):
        assert np.isnan(corrections.holm(np.full(3, np.nan))).all()


class TestTable:
    def test_both_metrics_of_an_experiment_are_corrected_together(self):
        table = measured()
        rng = np.random.default_rng(0)
        for metric in METRICS:
            table[f"{metric}_percent"] += rng.normal(0, 1, len(table))
        table = beside(table)
        p = np.concatenate([table[f"{metric}_p"] for metric in METRICS])
        corrected = multipletests(p, method="holm")[1]
        np.testing.assert_allclose(np.concatenate([table[f"{metric}_p_holm"] for metric in METRICS]), corrected)
        marks = np.concatenate([table[f"{metric}_is_different"] for metric in METRICS])
        assert marks.tolist() == (corrected < 0.05).tolist()
        assert 0 < marks.sum() < len(marks)

    def test_one_experiment_does_not_count_for_another(self):
        kinds = {("mtat", "vgg"): "mtat", ("again", "vgg"): "mtat"}
        first, second, unknown = (
            measured(off).assign(dataset=name) for off, name in ((3, "mtat"), (0, "again"), (9, "mine"))
        )
        together = published.beside(pd.concat([first, second, unknown], ignore_index=True), kinds)
        for part in (first, second):
            alone = published.beside(part, kinds)
            found = together[together["dataset"] == part["dataset"].iloc[0]].reset_index(drop=True)
            pd.testing.assert_frame_equal(found, alone)
        assert together.loc[together["dataset"] == "mine", "roc_auc_p"].isna().all()

    def test_where_no_deviation_was_published_nothing_is_tested(self):
        table = beside(measured(5, dataset="msd"))
        columns = [f"{metric}_{name}" for metric in METRICS for name in ("p", "p_holm", "is_different")]
        assert table[columns].isna().all(axis=None)
        assert table["roc_auc_difference_points"].tolist() == pytest.approx([5] * len(table))
        assert published.in_words(table) == [
            "No deviations were published for these cells, so it was not tested whether the figures differ."
        ]
        assert published.overall(table, "roc_auc") is None

    @pytest.mark.parametrize(("axis", "value"), [("bits", 8), ("seconds", 10.0), ("width", 0.5)])
    def test_the_paper_has_no_cells_with_further_axes(self, axis, value):
        table = pd.concat([measured(), measured().assign(**{axis: value})], ignore_index=True)
        found = beside(table)
        assert found["roc_auc_published_percent"].notna().tolist() == [True] * 24 + [False] * 24
        assert beside(measured().assign(**{axis: value})).columns.tolist() == measured().columns.tolist()

    def test_cells_that_were_not_published_are_not_counted(self):
        known = measured(0.3)
        unknown = known.assign(hop_factor=known["hop_factor"] * 100)
        both = beside(pd.concat([known, unknown]))
        assert both["roc_auc_p_holm"].tolist()[: len(known)] == beside(known)["roc_auc_p_holm"].tolist()
        assert both["roc_auc_is_different"].isna().sum() == len(known)
        assert "over 48 tests" in published.in_words(both)[0]
        assert published.in_words(beside(unknown)) == []

    def test_a_metric_that_could_not_be_measured_is_not_tested(self):
        table = measured(0.3)
        table["roc_auc_percent"] = np.nan
        found = beside(table)
        assert found["roc_auc_is_different"].isna().all()
        (first, only) = published.in_words(found)
        assert "over 24 tests" in first
        assert "PR AUC" in only


class TestOverall:
    def test_by_hand(self):
        """Two cells, off by 0.1 and 0.3; their differences have the variances 0.06 and 0.24 with 4 degrees of freedom.

        The mean is 0.2, with the variance (0.06 + 0.24) / 4 = 0.075. By Welch's second formula, there are
        0.3^2 / (0.06^2 / 6 + 0.24^2 / 6) - 2 = 6.82 degrees of freedom, for which the quantile of t is 2.377.
        """
        table = pd.DataFrame({
            "roc_auc_p": [0.5, 0.5, np.nan],
            "roc_auc_difference_points": [0.1, 0.3, 9],
            "n_seeds": 3,
            "roc_auc_std": np.sqrt([0.09, 0.36, 1]),
            "roc_auc_published_std": np.sqrt([0.06, 0.24, np.nan]) - 0.005,  # of n
        })  # fmt: skip
        found = published.overall(table, "roc_auc")
        assert found.n_cells == 2
        assert found.difference == pytest.approx(0.2)
        assert found.high - 0.2 == pytest.approx(0.2 - found.low)
        assert found.high == pytest.approx(0.2 + 2.377 * np.sqrt(0.075), abs=1e-3)
        assert found.p == pytest.approx(0.490, abs=2e-3)

    @pytest.mark.parametrize("n_seeds", [1, 3, 10])
    def test_covers_the_true_difference_and_sees_it(self, n_seeds):
        """In about 95 % of 1,000 studies, whose cells have deviations between 0.05 and 0.5 points."""
        deviations = replication.DEVIATIONS["deviations between 0.05 and 0.5"]
        covers, power = replication.of_overall(deviations, n_seeds, 1_000, 0.2)
        assert 0.935 < covers < 0.97
        assert power > 0.7

    def test_one_cell_has_no_average(self):
        assert published.overall(beside(measured().head(1)), "roc_auc") is None


class TestSentences:
    def test_say_what_was_tested_and_the_average(self):
        first, roc_auc, pr_auc = published.in_words(beside(measured(0.3)))
        assert first == (
            "An asterisk marks a mean that differs from the published one (Student's t-test with the deviations of"
            " both, Holm's correction over 48 tests, P < 0.05)."
        )
        assert roc_auc.startswith(
            "On average over 24 cells, ROC AUC differs from the published one by +0.30 points (95 % interval +0.2"
        )
        assert roc_auc.endswith("P < 0.001).")
        assert "PR AUC differs from the published one by +0.30 points" in pr_auc

    def test_of_an_exact_repetition(self):
        _, roc_auc, _ = published.in_words(beside(measured(0.0)))
        assert "by +0.00 points" in roc_auc
        assert roc_auc.endswith("P = 1).")

    def test_one_seed_is_tested_with_the_published_deviation(self):
        table = beside(measured(3, n_seeds=1))
        assert table["roc_auc_p"].notna().all()
        first, _, _ = published.in_words(table)
        assert "(Student's t-test with the published deviation, Holm's" in first

    def test_go_into_the_captions_of_their_experiment(self):
        table = beside(pd.concat([measured(2), measured(2, dataset="msd")]))
        parts = {name: part for (name, _), part in table.groupby(["dataset", "model"])}
        notes = {(name, "vgg"): published.in_words(part) for name, part in parts.items()}
        text = tables.to_markdown(table, notes)
        of_mtat, of_msd = text.split("ROC AUC and PR AUC in percent")[1:]
        assert "An asterisk marks" in of_mtat
        assert "+2.00* |" in of_mtat
        assert "No deviations were published" in of_msd
        assert "+2.00 |" in of_msd
        assert "+2.00* |" not in of_msd
        latex = tables.to_latex(table, "full", notes)
        assert "P $<$ 0.05" in latex
        assert r"95 \% interval" in latex


class TestSimulatedStudies:
    """The same figures as `benchmarks/replication.py` gives for 2,000 studies, with 1,000."""

    @pytest.fixture(autouse=True)
    def only_the_one_used(self, monkeypatch):
        monkeypatch.setattr(replication, "TESTS", {"used": replication.student})

    @pytest.mark.parametrize("deviations", replication.DEVIATIONS)
    @pytest.mark.parametrize(("n_runs", "ddof"), [(1, 0), (3, 0), (3, 1), (10, 0)])
    def test_exact_repetitions_are_rarely_marked(self, deviations, n_runs, ddof):
        assert replication.rates(replication.DEVIATIONS[deviations], n_runs, 1_000, 0, ddof)["used"] <= 0.05

    def test_marks_are_not_too_rare(self):
        """Holm's correction of 48 independent exact tests marks 4.9 % of exact repetitions, without roundings."""
        assert replication.rates(replication.DEVIATIONS["deviations of 0.2"], 10, 1_000, 0)["used"] > 0.025

    def test_large_differences_are_marked(self):
        assert replication.rates(replication.DEVIATIONS["deviations as published"], 3, 500, 3.0)["used"] > 0.95
