"""The average effects are those of statsmodels' linear model, and their intervals cover the truth in simulations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from howlow.evaluation.resampling import Resampled
from howlow.features.representation import Cell
from howlow.results import corrections, effects, estimates, linear_model, steps
from howlow.results.estimates import Estimate

CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type"]
FURTHER = {"bits": 16, "seconds": 29.1, "width": 1.0}
MARGINS = {"roc_auc": 0.5, "pr_auc": 2.0}
FIRST, SECOND = np.array([0, 2, 4]), np.array([1, 3, 5])


def simulated(rng, n_cells=8, n_seeds=3, seeds=0.5):
    """Runs in points that follow the model, with a deviation of 1."""
    cells = rng.normal(size=(n_cells, 1)) * 5
    return 80 + cells + seeds * rng.normal(size=n_seeds) + rng.normal(size=(n_cells, n_seeds))


def runs_of(figures, seeds=None):
    """Rows of runs.csv from the ROC AUC in percent by cell, with one value for each seed; PR AUC is half of it."""
    rows = [
        ("d", "vgg", *cell, name_of(cell), seed, value / 100, value / 200)
        for cell, values in figures.items()
        for seed, value in zip(seeds or range(1, 9), values, strict=False)
    ]
    table = pd.DataFrame(rows, columns=["dataset", "model", *CELL, "cell", "seed", "roc_auc", "pr_auc"])
    return table.assign(**FURTHER)


def name_of(cell):
    """The name of a cell of the paper's axes."""
    return Cell(*cell).name(29.1, 1.0)


class TestEstimate:
    def test_interval_and_p_are_those_of_a_t_test(self):
        sample = np.array([1.2, 0.4, 2.2, 0.9])
        estimate = Estimate(sample.mean(), sample.std(ddof=1) / 2, 3)
        test = stats.ttest_1samp(sample, 0)
        assert estimate.interval() == pytest.approx(tuple(test.confidence_interval()))
        assert estimate.p() == pytest.approx(test.pvalue)

    @pytest.mark.parametrize("shift", [0, -2.2], ids=["positive", "negative"])
    def test_equivalence_is_that_of_statsmodels(self, shift):
        sample = np.array([1.2, 0.4, 2.2, 0.9]) + shift
        estimate = Estimate(sample.mean(), sample.std(ddof=1) / 2, 3)
        assert estimate.p_equivalence(2) == pytest.approx(DescrStatsW(sample).ttost_mean(-2, 2)[0])

    @pytest.mark.parametrize("n_tests", [1, 10])
    def test_smallest_margin_is_shown_in_four_of_five_cases(self, n_tests):
        rng = np.random.default_rng(n_tests)
        n, df = 20_000, 6
        errors = 0.7 * np.sqrt(rng.chisquare(df, n) / df)
        estimates = [Estimate(value, error, df) for value, error in zip(0.7 * rng.normal(size=n), errors, strict=True)]
        margin = Estimate(0, 0.7, df).smallest_margin(n_tests)
        shown = np.mean([estimate.p_equivalence(margin) < 0.05 / n_tests for estimate in estimates])
        assert shown == pytest.approx(0.8, abs=0.04)

    def test_an_error_of_zero_is_no_knowledge(self):
        """Runs that never vary, as in a network that learns nothing, do not make a difference certain."""
        columns = estimates.uncertainty(Estimate(1.0, 0.0, 4), 1.0, None, "roc_auc", ["a"], ["b"])
        assert np.isnan([columns["error_seeds_points"], columns["low_points"], columns["high_points"]]).all()

    def test_without_any_error_there_is_no_p(self):
        assert np.isnan([Estimate(1, 0, 3).p(), Estimate(1, 0, 3).p_equivalence(2)]).all()


class TestModel:
    def test_checks_with_the_fewest_runs(self):
        """Two seeds can be compared, and one can't; two cells have variances to compare, and one has none."""
        two = linear_model.fit(np.array([[80.0, 81.0], [82.0, 83.5], [84.0, 84.1]]))
        assert 0 < linear_model.p_of_seeds(two, FIRST[:1], SECOND[:1]) <= 1
        one = linear_model.fit(np.array([[80.0], [82.0], [84.0]]))
        assert np.isnan(linear_model.p_of_seeds(one, FIRST[:1], SECOND[:1]))
        gap = linear_model.fit(np.array([[80.0, 81.0, 79.5], [82.0, np.nan, np.nan], [84.0, 84.1, 85.0]]))
        assert np.isnan(linear_model.p_of_seeds(gap, FIRST[:1], SECOND[:1])), "one seed has both cells"
        pair = np.array([[80.0, 81.0, 79.0], [82.0, 83.5, 82.2]])
        assert linear_model._p_of_equal_variances(pair) == pytest.approx(stats.bartlett(*pair).pvalue)
        assert np.isnan(linear_model._p_of_equal_variances(np.array([pair[0], [82.0, np.nan, np.nan]])))

    def test_by_hand(self):
        """Two cells, two seeds: the second seed adds 2 to both cells, and what is left is a half everywhere."""
        model = linear_model.fit(np.array([[1.0, 2.0], [3.0, 6.0]]))
        assert np.abs(model.residuals) == pytest.approx(np.full((2, 2), 0.5))
        assert (model.df, model.variance()) == (1, pytest.approx(1))
        one, other = np.array([0]), np.array([1])
        assert linear_model.step(model, one, other, "pooled") == pytest.approx((3, 1, 1))
        assert linear_model.step(model, one, other, "by seed") == pytest.approx((3, 1, 1))
        assert linear_model.step(model, other, one, "pooled").value == pytest.approx(-3)

    @pytest.mark.parametrize("is_complete", [True, False], ids=["complete", "unequal seeds"])
    def test_is_the_linear_model_of_statsmodels(self, is_complete):
        values = simulated(np.random.default_rng(3))
        if not is_complete:
            values[0, 2] = values[5, 0] = values[5, 1] = np.nan
        cells, seeds = np.indices(values.shape)
        frame = pd.DataFrame({"y": values.ravel(), "cell": cells.ravel(), "seed": seeds.ravel()}).dropna()
        theirs = smf.ols("y ~ 0 + C(cell) + C(seed)", frame).fit()
        model = linear_model.fit(values)
        assert model.df == theirs.df_resid
        assert model.variance() == pytest.approx(theirs.mse_resid)
        contrast = np.zeros(len(theirs.params))
        contrast[FIRST], contrast[SECOND] = -1 / 3, 1 / 3
        test = theirs.t_test(contrast)
        ours = linear_model.step(model, FIRST, SECOND, "pooled")
        assert ours.value == pytest.approx(float(test.effect[0]))
        if is_complete:  # with few runs missing, the error of the seeds' effects is left out
            assert ours.error == pytest.approx(float(test.sd[0, 0]))
            assert ours.interval() == pytest.approx(tuple(test.conf_int()[0]))
            assert ours.p() == pytest.approx(float(test.pvalue))
            contrasts = np.zeros((2, len(theirs.params)))
            for row, (first, second) in enumerate(zip(FIRST[1:], SECOND[1:], strict=True)):
                contrasts[row, [FIRST[0], SECOND[0], first, second]] = [1, -1, -1, 1]
            of_step = model._replace(residuals=model.residuals)  # the F test of the step's own cells
            variance = of_step.variance(np.concatenate([FIRST, SECOND]))
            f = float(theirs.f_test(contrasts).fvalue) * theirs.mse_resid / variance
            df = of_step.freedom[:6].sum()
            assert linear_model.p_of_pairs(model, FIRST, SECOND) == pytest.approx(stats.f.sf(f, 2, df))

    def test_unequal_variances_are_welchs(self):
        """Without effects of seeds, a single pair by cell is Welch's t-test."""
        rng = np.random.default_rng(5)
        values = rng.normal(size=(2, 20)) * [[1], [5]]
        values = np.vstack([values, rng.normal(size=(300, 20)) * 0.01])  # they leave no effects to the seeds
        ours = linear_model.step(linear_model.fit(values), np.array([0]), np.array([1]), "by cell")
        theirs = stats.ttest_ind(values[1], values[0], equal_var=False)
        assert ours.value == pytest.approx(values[1].mean() - values[0].mean())
        assert ours.value / ours.error == pytest.approx(theirs.statistic, rel=0.02)
        assert ours.df == pytest.approx(theirs.df, rel=0.02)

    def test_by_seed_is_the_paired_t_test(self):
        values = simulated(np.random.default_rng(6), n_seeds=5)
        of_seed = (values[SECOND] - values[FIRST]).mean(0)
        ours = linear_model.step(linear_model.fit(values), FIRST, SECOND, "by seed")
        test = stats.ttest_1samp(of_seed, 0)
        assert ours.p() == pytest.approx(test.pvalue)
        assert ours.interval() == pytest.approx(tuple(test.confidence_interval()))

    def test_checks_are_right_in_one_of_twenty_cases_where_nothing_is_wrong(self):
        rng = np.random.default_rng(7)
        found = []
        for _ in range(400):
            model = linear_model.fit(simulated(rng, n_cells=30))
            pairs = np.arange(0, 20, 2), np.arange(1, 20, 2)
            found.append([model.p_fair, linear_model.p_of_seeds(model, *pairs), linear_model.p_of_pairs(model, *pairs)])
        # The pairs differ by chance of the cells, so their test has to find it; the others have nothing to find.
        alarms = (np.array(found) < 0.05).mean(0)
        assert alarms[:2] == pytest.approx([0.05, 0.05], abs=0.035)
        assert alarms[2] == 1

    def test_pairs_that_change_alike_raise_no_alarm(self):
        rng = np.random.default_rng(8)
        alarms = 0
        for _ in range(400):
            values = rng.normal(size=(20, 3))
            values[10:] += 2
            alarms += linear_model.p_of_pairs(linear_model.fit(values), np.arange(10), np.arange(10, 20)) < 0.05
        assert alarms / 400 == pytest.approx(0.05, abs=0.03)

    def test_checks_notice_what_is_wrong(self):
        rng = np.random.default_rng(9)
        values = simulated(rng, n_cells=40)
        values[:20] += rng.normal(size=(20, 3)) * 4
        assert linear_model.fit(values).p_fair < 0.001
        values = simulated(rng, n_cells=40)
        values[20:] += 3 * np.array([1, -1, 0])  # two seeds favour one side each
        assert linear_model.p_of_seeds(linear_model.fit(values), np.arange(20), np.arange(20, 40)) < 0.001

    def test_cells_that_never_vary_are_noticed_among_others(self):
        values = np.tile([[80.0], [81.0], [82.0]], 4)
        assert np.isnan(linear_model.fit(values).p_fair)
        values[1] += [0.1, -0.1, 0.1, -0.1]
        values[2] -= [0.1, -0.1, 0.1, -0.1]  # so that no seed has an effect
        assert linear_model.fit(values).p_fair == 0

    def test_a_cell_with_one_run_does_not_hide_the_others(self):
        values = simulated(np.random.default_rng(9), n_cells=40)
        values[:20] += np.random.default_rng(1).normal(size=(20, 3)) * 4
        values[39, 1:] = np.nan
        assert linear_model.fit(values).p_fair < 0.001


class TestSources:
    def test_of_clips_by_hand(self):
        deltas = np.array([[1.0, 3.0, 5.0], [1.0, 5.0, 3.0]])  # two seeds on three resamples; their means are 1, 4, 4
        variance, interaction = estimates.of_clips(deltas, n_groups=5)
        assert variance == pytest.approx(3 * 5 / 4)
        # From their mean, the seeds are apart by 0, -1, 1 and 0, 1, -1, with the variance 1 each.
        assert interaction == pytest.approx((1 + 1) / (2 * 1) * 5 / 4)

    def test_of_three_seeds_by_hand(self):
        deltas = np.array([[0.0, 0.0], [3.0, -3.0], [-3.0, 3.0]])  # their mean is 0 on both resamples
        variance, interaction = estimates.of_clips(deltas, n_groups=2)
        assert variance == 0
        assert interaction == pytest.approx((0 + 18 + 18) / (3 * 2) * 2)

    def test_both_by_hand(self):
        total = estimates.both(Estimate(2, 3, 10), clips=16, interaction=5, n_groups=21)
        assert total.value == 2
        assert total.error**2 == pytest.approx(9 + 16 - 5)
        assert total.df == pytest.approx(20**2 / (9**2 / 10 + 16**2 / 20))
        assert estimates.both(Estimate(2, 3, 10), clips=16, interaction=24, n_groups=21).error == pytest.approx(4)

    def test_interval_of_both_covers_the_truth(self):
        """Seeds and songs are crossed, and each pair of them adds something of its own."""
        rng = np.random.default_rng(10)
        n_songs, n_seeds, n_hits, n = 40, 3, 0, 400
        weights = rng.multinomial(n_songs, np.full(n_songs, 1 / n_songs), size=200) / n_songs
        for _ in range(n):
            songs, seeds = rng.normal(size=n_songs) * 2, rng.normal(size=n_seeds)
            table = songs + seeds[:, None] * 0.4 + rng.normal(size=(n_seeds, n_songs)) * 3
            of_seed = table.mean(1)
            by_seeds = Estimate(of_seed.mean(), of_seed.std(ddof=1) / np.sqrt(n_seeds), n_seeds - 1)
            low, high = estimates.both(by_seeds, *estimates.of_clips(table @ weights.T, n_songs), n_songs).interval()
            n_hits += low < 0 < high
        assert n_hits / n == pytest.approx(0.95, abs=0.03)


class TestSteps:
    def test_pairs_differ_in_one_axis_and_go_from_rich_to_poor(self):
        grid = [
            (r, m, h, x) for r in (12_000, 16_000) for m in (48, 128, 96) for h in (10, 1, 2) for x in ("log", "db")
        ]
        cells = pd.DataFrame(grid, columns=CELL).assign(**FURTHER)
        found = {(s.axis, s.before, s.after): len(s.first) for s in steps.steps(cells)}
        assert found == {
            ("n_mels", 128, 96): 12, ("n_mels", 96, 48): 12, ("hop_factor", 1, 2): 12, ("hop_factor", 2, 10): 12,
            ("hop_factor", 1, 10): 12, ("sample_rate_hz", 16_000, 12_000): 18, ("log_type", "db", "log"): 18,
        }  # fmt: skip
        for step in steps.steps(cells):
            before, after = cells.iloc[step.first], cells.iloc[step.second]
            assert (before[step.axis] == step.before).all()
            assert (after[step.axis] == step.after).all()
            others = [key for key in (*CELL, *FURTHER) if key != step.axis]
            assert before[others].to_numpy().tolist() == after[others].to_numpy().tolist()

    def test_holm_by_hand(self):
        assert corrections.holm([0.01, np.nan, 0.04, 0.03]) == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
        assert np.isnan(corrections.holm([np.nan, np.nan])).all()


FIGURES = {
    (12_000, 96, 1, "db"): [89.0, 89.2, 89.1], (12_000, 48, 1, "db"): [88.0, 88.4, 88.1],
    (12_000, 96, 2, "db"): [86.0, 86.1, 86.3], (12_000, 48, 2, "db"): [84.0, 84.1, 84.4],
}  # fmt: skip


class TestFolds:
    """Every seed is tested on a fold of its own, or on that of another seed as well."""

    def test_the_variation_between_folds_counts(self):
        """From 96 to 48 bands, ROC AUC changes by -1.0, -0.8 and -1.0 at x1, and by -2.0, -2.0 and -1.9 at x2."""
        table = effects.average_effects(runs_of(FIGURES), MARGINS, folds={"d": 3})
        row = table.query("metric == 'roc_auc' and axis == 'n_mels'").iloc[0]
        of_fold = np.array([-1.5, -1.4, -1.45])
        assert row["variance"] == "by fold"
        assert row["difference_points"] == pytest.approx(of_fold.mean())
        assert row["error_points"] == pytest.approx(of_fold.std(ddof=1) / np.sqrt(3))
        assert (row["df"], row["df_seeds"]) == (2, 2)

    def test_seeds_of_the_same_fold_count_as_one(self):
        """With seeds in the order 4, 2, 3, 1 and two folds, the first and the third of them have the first fold."""
        runs = pd.DataFrame({"seed": [4, 2, 3, 1] * 2})
        folds = steps.folds_of(runs, 2)
        assert folds.tolist() == [1, 1, 0, 0], "in the order 1, 2, 3, 4"
        estimate = estimates.of_folds(np.array([1.0, 3.0, 6.0, 8.0]), folds)
        assert estimate == (4.5, pytest.approx(2.5), 1)
        assert steps.folds_of(runs, 0) is None

    def test_test_clips_are_not_counted_twice(self):
        resampled = Resampled(
            [name_of(cell) for cell in FIGURES], 50, np.random.default_rng(0).normal(size=(4, 3, 2, 100))
        )
        table = effects.average_effects(runs_of(FIGURES), MARGINS, {("d", "vgg"): resampled}, {"d": 3})
        row = table.query("metric == 'roc_auc' and axis == 'n_mels'").iloc[0]
        assert row["error_clips_points"] > 0
        assert row["error_points"] == row["error_seeds_points"]

    def test_intervals_are_right_where_the_songs_of_a_fold_favour_a_side(self):
        """What a fold adds to all cells of 48 bands is drawn anew in every study."""
        rng, n_right, n = np.random.default_rng(3), 0, 300
        for _ in range(n):
            side = 0.5 * rng.normal(size=5)
            cells = [(12_000, bands, hop, "db") for bands in (96, 48) for hop in (1, 2, 3, 4)]
            figures = {c: (80 + rng.normal(size=5) * 0.3 + side * (c[1] == 48)).tolist() for c in cells}
            row = effects.average_effects(runs_of(figures), MARGINS, folds={"d": 5}).iloc[0]
            n_right += row["low_points"] <= 0 <= row["high_points"]
        assert n_right / n == pytest.approx(0.95, abs=0.035)


class TestAverageEffects:
    def table(self, figures=None, resampled=None):
        table = effects.average_effects(runs_of(figures or FIGURES), MARGINS, resampled)
        return table.set_index(["metric", "axis"])

    def test_effect_is_the_mean_over_all_pairs_in_points(self):
        row = self.table().loc["roc_auc", "n_mels"]
        differences = [np.mean([-1, -0.8, -1]), np.mean([-2, -2, -1.9])]
        assert row["difference_points"] == pytest.approx(np.mean(differences))
        assert (row["smallest_points"], row["largest_points"]) == pytest.approx((min(differences), max(differences)))
        assert (row["n_pairs"], row["n_seeds"], row["from"], row["to"]) == (2, 3, 96, 48)
        assert row["low_seeds_points"] < row["difference_points"] < row["high_seeds_points"]
        assert self.table().loc[("pr_auc", "n_mels"), "difference_points"] == pytest.approx(np.mean(differences) / 2)

    def test_margins_are_those_of_each_metric(self):
        table = self.table()
        assert table.loc["roc_auc"]["margin_points"].tolist() == [0.5, 0.5]
        assert table.loc["pr_auc"]["margin_points"].tolist() == [2, 2]
        assert not table.loc[("roc_auc", "n_mels"), "is_equivalent"]
        assert table.loc[("roc_auc", "n_mels"), "is_different"]
        assert table.loc[("pr_auc", "n_mels"), "is_equivalent"]

    def test_holm_is_over_all_steps_of_a_metric(self):
        for _, part in self.table().groupby("metric"):
            for p in ("p", "p_seeds", "p_equivalence"):
                assert part[f"{p}_holm"].tolist() == pytest.approx(multipletests(part[p], method="holm")[1].tolist())
            assert part["smallest_margin_points"].tolist() == pytest.approx(
                [
                    Estimate(*row).smallest_margin(2)
                    for row in part[["difference_points", "error_points", "df"]].to_numpy()
                ]
            )

    def test_without_resampled_clips_seeds_are_the_only_source(self):
        row = self.table().loc["roc_auc", "hop_factor"]
        assert np.isnan(row["error_clips_points"])
        assert (row["low_points"], row["p"]) == (row["low_seeds_points"], row["p_seeds"])

    def test_clips_widen_the_interval(self):
        names = ["12k_mel96_x1_db", "12k_mel48_x1_db", "12k_mel96_x2_db", "12k_mel48_x2_db"]
        on_clips = np.random.default_rng(0).normal(size=(4, 1, 2, 500)) * 0.02  # the same with every seed
        areas = np.repeat(0.8 + on_clips, 3, axis=1).astype(np.float32)
        row = self.table(resampled={("d", "vgg"): Resampled(names, 30, areas)}).loc["roc_auc", "n_mels"]
        # The mean of two differences of two deviations of 2 points, and the correction for 30 groups.
        assert row["error_clips_points"] == pytest.approx(2 * np.sqrt(30 / 29), rel=0.1)
        assert row["error_points"] == pytest.approx(
            np.hypot(row["error_clips_points"], row["error_seeds_points"]), rel=1e-3
        )
        assert row["low_points"] < row["low_seeds_points"]
        assert row["p"] > row["p_seeds"]

    def test_with_one_seed_only_the_clips_give_an_interval(self):
        figures = {cell: values[:1] for cell, values in FIGURES.items()}
        names = ["12k_mel96_x1_db", "12k_mel48_x1_db", "12k_mel96_x2_db", "12k_mel48_x2_db"]
        areas = np.random.default_rng(0).random((4, 1, 2, 50)).astype(np.float32)
        row = self.table(figures, {("d", "vgg"): Resampled(names, 30, areas)}).loc["roc_auc", "n_mels"]
        assert row[["p", "p_seeds", "p_equivalence", "low_points", "low_seeds_points"]].isna().all()
        assert row[["low_clips_points", "high_clips_points"]].notna().all()
        assert not row["is_different"]
        assert not row["is_equivalent"]

    def test_without_deviation_nothing_is_tested(self):
        figures = {cell: [round(values[0])] * 3 for cell, values in FIGURES.items()}
        table = self.table(figures)
        assert table[["p", "p_equivalence"]].isna().all(axis=None)
        assert not table["is_different"].any()

    def test_seeds_that_favour_a_side_widen_the_interval(self):
        rng = np.random.default_rng(2)
        cells = [(12_000, m, h, x) for m in (96, 48) for h in (1, 2, 3, 4) for x in ("db", "log")]
        sides = np.array([1.0, -1.0, 0.5])
        figures = {cell: 80 + 0.1 * rng.normal(size=3) + sides * (cell[1] == 48) for cell in cells}
        table = self.table(figures).loc["roc_auc"]
        assert table["variance"].tolist()[0] == "by seed"
        assert table.loc["n_mels", "df_seeds"] == 2
        assert table.loc["n_mels", "error_seeds_points"] == pytest.approx(sides.std(ddof=1) / np.sqrt(3), rel=0.1)

    def test_cells_that_vary_differently_have_their_own_variance(self):
        rng = np.random.default_rng(3)
        cells = [(12_000, m, h, x) for m in (96, 48, 8) for h in (1, 2, 3, 4) for x in ("db", "log")]
        figures = {cell: 80 + (5 if cell[1] == 8 else 0.1) * rng.normal(size=3) for cell in cells}
        table = self.table(figures).loc["roc_auc"]
        by_step = table.reset_index().set_index(["axis", "from"])
        assert by_step.loc[("n_mels", 96), "variance"] == "by cell"
        assert by_step.loc[("n_mels", 96), "error_seeds_points"] < 0.5
        assert by_step.loc[("n_mels", 48), "error_seeds_points"] > 0.5

    def test_experiments_are_apart(self):
        runs = runs_of(FIGURES)
        both = pd.concat([runs, runs.assign(model="musicnn", roc_auc=runs["roc_auc"] / 2)])
        table = effects.average_effects(both, MARGINS).set_index(["model", "metric", "axis"])
        assert table.loc["vgg", "roc_auc", "n_mels"]["difference_points"] == pytest.approx(
            2 * table.loc["musicnn", "roc_auc", "n_mels"]["difference_points"]
        )
        assert effects.average_effects(runs.iloc[:3], MARGINS).empty
        turned = effects.average_effects(pd.concat([runs, runs.assign(dataset="a")]), MARGINS)
        assert turned["dataset"].unique().tolist() == ["d", "a"]  # the order of the runs
