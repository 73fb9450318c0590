"""Measured times: medians with their intervals, rounds over all cells, and tasks that do what the workflow does."""

import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from conftest import TINY, run_script
from small_training import MUSICNN, SPEC, make_data

from howlow import config, networks
from howlow.config import specs
from howlow.features import mel
from howlow.features.representation import Cell
from howlow.planning import timing
from howlow.planning.timing import Task, Work
from howlow.results import spread

CPU = torch.device("cpu")
CELL = Cell(12_000, 8, 10, "db", width=SPEC["width"])


class Clock:
    """A clock that tasks move on."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def subject(self, name, seconds, scale=1.0):
        """A subject whose task takes `seconds()`."""

        def call():
            self.calls.append(name)
            self.now += seconds()

        return lambda: {"time": Task(call, scale)}


def constant(seconds):
    return lambda: seconds


def in_turn(*seconds):
    """The given seconds, one after the other, over and over."""
    n_calls = 0

    def following():
        nonlocal n_calls
        n_calls += 1
        return seconds[(n_calls - 1) % len(seconds)]

    return following


class TestSpread:
    @pytest.mark.parametrize(
        ("n", "k"),
        # From tables of the sign test: at most k - 1 of n values are on one side in 2.5 % of all cases.
        [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (25, 8), (50, 18), (100, 40)],
    )
    def test_ends_are_the_order_statistics_of_the_sign_test(self, n, k):
        values = np.random.default_rng(n).permutation(np.arange(1, n + 1)).tolist()
        assert spread.of(values) == ((n + 1) / 2, k, n + 1 - k)

    def test_outliers_move_neither_the_median_nor_the_interval_of_many(self):
        assert spread.of([3, 1, 2, 4, 5, 6, 7, 8, 1000]) == (5, 2, 8)

    @pytest.mark.parametrize("n", [0, 1, 5])
    def test_fewer_than_six_values_have_no_interval(self, n):
        with pytest.raises(ValueError, match=f"from 6 values on, and there are {n}"):
            spread.of([1.0] * n)

    @pytest.mark.parametrize("n", [6, 9, 20])
    def test_the_interval_covers_the_median_of_skewed_times(self, n):
        """The median of an exponential distribution is log 2."""
        samples = np.random.default_rng(0).exponential(size=(2_000, n))
        covers = [low <= np.log(2) <= high for _, low, high in map(spread.of, samples)]
        assert 0.94 < np.mean(covers) < 0.99

    @pytest.mark.parametrize(
        ("first", "second", "differ"),
        [((1, 2), (3, 4), True), ((3, 4), (1, 2), True), ((1, 3), (2, 4), False), ((1, 2), (2, 3), False)],
    )
    def test_times_differ_if_their_intervals_do_not_overlap(self, first, second, differ):
        rows = [{"t": 0, "t_low": low, "t_high": high} for low, high in (first, second)]
        assert spread.differs(*rows, "t") == differ
        assert spread.differs(*map(pd.Series, rows), "t") == differ

    def test_nothing_differs_from_a_time_that_is_missing(self):
        missing = dict.fromkeys(("t", "t_low", "t_high"), float("nan"))
        assert not spread.differs(missing, {"t": 1, "t_low": 1, "t_high": 1}, "t")


class TestRounds:
    def test_stable_times_end_after_six_rounds(self):
        clock = Clock()
        times = timing.measure({"a": clock.subject("a", constant(1)), "b": clock.subject("b", constant(3))}, 1e9, clock)
        assert times == {("a", "time"): [1] * 6, ("b", "time"): [3] * 6}
        assert len(clock.calls) == 2 * 7  # one more round warms up

    def test_a_single_unstable_time_goes_on_to_the_limit(self):
        clock = Clock()
        subjects = {"a": clock.subject("a", constant(1)), "b": clock.subject("b", in_turn(1, 2))}
        times = timing.measure(subjects, 100, clock)
        assert {len(values) for values in times.values()} == {39}  # a round takes 2.5 s on average, one warms up
        assert clock.now == pytest.approx(100, abs=3)

    def test_it_goes_on_until_the_interval_is_within_five_percent(self):
        """The interval of nine values is that from the second to the eighth, so that one outlier does not matter."""
        clock = Clock()
        values = in_turn(1, 1.2, *[1] * 30)  # the first one warms up
        times = timing.measure({"a": clock.subject("a", values)}, 1e9, clock)
        assert len(times["a", "time"]) == 9

    @pytest.mark.parametrize(("off", "n_rounds"), [(0.04, 6), (0.055, 20)])
    def test_stable_means_five_percent(self, off, n_rounds):
        clock = Clock()
        times = timing.measure({"a": clock.subject("a", in_turn(1 - off, 1, 1 + off))}, 20.5, clock)
        assert len(times["a", "time"]) == n_rounds

    def test_long_times_get_six_rounds_whatever_the_limit(self):
        clock = Clock()
        times = timing.measure({"a": clock.subject("a", in_turn(60, 90))}, 1, clock)
        assert len(times["a", "time"]) == 6

    def test_a_machine_that_becomes_slower_slows_all_cells_alike(self):
        """One cell after the other, the second of two equal cells would seem to take ten times as long."""
        clock = Clock()

        def slowing():
            return 1 if clock.now < 200 else 10

        subjects = {name: clock.subject(name, slowing) for name in "ab"}
        times = timing.measure(subjects, 2_000, clock)
        a, b = (spread.of(times[name, "time"]) for name in "ab")
        assert a.median == b.median
        first = clock.calls[: len(clock.calls) // 2]
        assert abs(first.count("a") - first.count("b")) <= 1

    def test_the_order_is_shuffled_in_each_round_and_the_same_in_each_run(self):
        orders = []
        for _ in range(2):
            clock = Clock()
            timing.measure({name: clock.subject(name, constant(1)) for name in "abcdef"}, 1e9, clock)
            orders.append(["".join(clock.calls[start : start + 6]) for start in range(6, 42, 6)])
        assert orders[0] == orders[1]
        assert len(set(orders[0])) == 6
        assert {"".join(sorted(order)) for order in orders[0]} == {"abcdef"}

    def test_a_short_call_is_timed_when_it_is_warm(self):
        clock = Clock()
        times = timing.measure({"a": clock.subject("a", in_turn(0.09, 0.01), scale=1000)}, 1e9, clock)
        assert times["a", "time"] == pytest.approx([10] * 6)

    def test_stopping_when_stable_leaves_the_interval_true(self):
        """The true median is 1 s. 94 % of 1,000 intervals cover it, whose measurements end after 6 to 40 rounds."""
        rng, covers, n_rounds = np.random.default_rng(1), [], []
        for _ in range(1_000):
            clock = Clock()
            times = timing.measure({"a": clock.subject("a", lambda: rng.lognormal(0, 0.05))}, 40, clock)
            low, high = spread.of(times["a", "time"])[1:]
            covers.append(low <= 1 <= high)
            n_rounds.append(len(times["a", "time"]))
        assert 0.92 < np.mean(covers) < 0.98
        assert min(n_rounds) == 6
        assert max(n_rounds) > 20

    def test_the_limit_counts_from_the_start(self):
        clock = Clock()
        clock.now = 1e6
        times = timing.measure({"a": clock.subject("a", in_turn(1, 2))}, 100, clock)
        assert len(times["a", "time"]) > 50

    def test_preparing_is_not_timed(self):
        clock = Clock()

        def prepare():
            clock.now += 100
            return clock.subject("a", constant(1))()

        assert timing.measure({"a": prepare}, 1, clock)["a", "time"] == [1] * 6

    def test_only_one_network_is_in_memory_at_once(self):
        alive = weakref.WeakSet()

        def prepare():
            model = torch.nn.Linear(1, 1)
            assert not alive
            alive.add(model)
            return {"time": Task(lambda: model(torch.zeros(1)), 1)}

        timing.measure(dict.fromkeys("abc", prepare), 0)


class TestTasks:
    def test_extraction_computes_what_is_stored(self, monkeypatch):
        """The spectrum has all frames, with the hop of 256 samples, and is stored in dB, for all hops and log types."""
        seen = []

        def note(name):
            original = getattr(mel, name)

            def noted(*arguments):
                result = original(*arguments)
                seen.append((name, result.shape, arguments[1:]))
                return result

            monkeypatch.setattr(mel, name, noted)

        for name in ("power_spectrum", "mel_bands", "compress"):
            note(name)
        task = timing.extraction(16_000, 48, 29.1, "symmetric", "float16")["extraction_ms"]
        task.call()
        assert seen == [
            ("power_spectrum", (1820, 257), ("symmetric",)),
            ("mel_bands", (48, 1820), (16_000, 48)),
            ("compress", (48, 1820), ("db",)),
        ]
        assert task.scale == 1000

    @pytest.mark.parametrize(("name", "n_frames"), [("vgg", 137), ("musicnn", 20)])
    def test_an_epoch_is_a_training_step_times_their_number(self, name, n_frames, monkeypatch):
        options = SPEC["options"] if name == "vgg" else MUSICNN["options"]
        torch.manual_seed(0)
        model = networks.build_cell(name, CELL, n_tags=3, options=options)
        seen, stored, feed = [], [], timing.batches.feed
        monkeypatch.setattr(timing.batches, "feed", lambda store, *rest: stored.append(store) or feed(store, *rest))
        model.register_forward_pre_hook(lambda layer, inputs: seen.append((layer.training, inputs[0].shape)))
        before = {name: value.clone() for name, value in model.named_parameters()}
        tasks = timing.epoch(model, CELL, CPU, n_clips=30, batch_size=8, n_tags=3, dtype="float16")
        task = tasks["train_seconds_per_epoch"]
        task.call()
        assert seen == [(True, (8, 1, 8, n_frames))]
        assert stored[0].dtype == "float16"
        assert task.scale == 4  # 8 + 8 + 8 + 6
        assert all(value.grad is not None for value in model.parameters())
        assert not all(torch.equal(before[name], value) for name, value in model.named_parameters())

    @pytest.mark.parametrize(
        ("n_clips", "n_steps", "size"), [(64, 16, 4), (65, 16, 4), (66, 17, 4), (5, 1, 5), (3, 1, 3)]
    )
    def test_a_remainder_of_one_clip_is_no_step_of_its_own(self, n_clips, n_steps, size):
        sizes = []
        model = networks.build_cell("vgg", CELL, n_tags=3, options=SPEC["options"])
        model.register_forward_pre_hook(lambda layer, inputs: sizes.append(len(inputs[0])))
        tasks = timing.epoch(model, CELL, CPU, n_clips=n_clips, batch_size=4, n_tags=3, dtype="float16")
        tasks["train_seconds_per_epoch"].call()
        assert tasks["train_seconds_per_epoch"].scale == n_steps
        assert sizes == [size]

    def test_a_step_of_log_spectrograms_derives_them(self):
        """The stored values are in dB, far below 0, and the logarithm of 1 + 10000 power is not."""
        seen = []
        for log_type in ("db", "log"):
            cell = replace(CELL, log_type=log_type)
            model = networks.build_cell("vgg", cell, n_tags=3, options=SPEC["options"])
            model.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].clone()))
            tasks = timing.epoch(model, cell, CPU, n_clips=4, batch_size=4, n_tags=3, dtype="float16")
            tasks["train_seconds_per_epoch"].call()
        decibels, log = seen
        assert decibels.mean() < -30
        torch.testing.assert_close(log, torch.log10(1 + 10_000 * 10 ** (decibels / 10)), rtol=1e-3, atol=1e-4)

    def test_inference_is_per_clip_and_in_evaluation_mode(self):
        seen = []
        model = networks.build_cell("vgg", CELL, n_tags=3, options=SPEC["options"])
        model.train().register_forward_pre_hook(
            lambda layer, inputs: seen.append((layer.training, torch.is_inference_mode_enabled(), inputs[0].shape))
        )
        tasks = timing.inference(model, CELL, CPU)
        for task in tasks.values():
            task.call()
        assert seen == [(False, True, (1, 1, 8, 137)), (False, True, (8, 1, 8, 137))]
        assert {what: task.scale for what, task in tasks.items()} == {
            "inference_ms_batch_1": 1000,
            "inference_ms_batch_64": 1000 / 8,
        }


class TestOthers:
    # The columns of /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice, in hundredths of a
    # second over all cores. `user` contains `guest`.
    BEFORE = "cpu  1000 100 200 5000 300 10 20 30 500 50\n"
    AFTER = "cpu  1500 100 250 5300 400 10 20 80 700 50\n"

    def read(self, folder, monkeypatch, text, own_s):
        (folder / "stat").write_text(text)
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(folder), raising=False)
        monkeypatch.setattr(timing.time, "process_time", lambda: own_s)
        return timing.work()

    def test_their_share_is_what_this_program_did_not_use(self, tmp_path, monkeypatch):
        """In 10 s of core time, 6 s were busy (5 user, 0.5 system, 0.5 of other machines), 3.5 s of them our own."""
        before = self.read(tmp_path, monkeypatch, self.BEFORE, 7.0)
        after = self.read(tmp_path, monkeypatch, self.AFTER, 10.5)
        assert timing.others_percent(before, after) == pytest.approx(25)

    def test_an_idle_machine_has_none(self, tmp_path, monkeypatch):
        """The kernel counts in hundredths of a second, so that a program may seem to use more than was used."""
        before = self.read(tmp_path, monkeypatch, self.BEFORE, 7.0)
        after = self.read(tmp_path, monkeypatch, self.AFTER, 13.004)
        assert timing.others_percent(before, after) == 0

    def test_what_is_not_known_is_empty(self):
        assert np.isnan(timing.others_percent(Work(0, 0, 0), Work(0, 0, 5)))


@pytest.fixture
def measured(tmp_path):
    """Runs `times` on a small experiment; gives times.csv by cells."""
    make_data(tmp_path)
    settings = config.load(TINY)
    experiment = settings["experiments"][0]

    def run(**changes):
        spec = specs.times(settings, experiment) | {"batch_size": 8} | changes
        path = tmp_path / "times.csv"
        process = run_script(
            "times", "--tracks", tmp_path / "tracks.parquet", "--times", path, "--device", "cpu", spec=spec
        )
        assert process.returncode == 0, process.stderr
        return pd.read_csv(path).set_index("cell")

    return run


class TestTable:
    def test_each_time_has_its_median_and_interval(self, measured, monkeypatch):
        """Nine measurements of each: the median is the fifth, the interval goes from the second to the eighth."""
        base = {"extraction_ms": 100, "inference_ms_batch_1": 200, "inference_ms_batch_64": 300}
        base |= {"train_seconds_per_epoch": 400}

        def fake(subjects, limit_s):
            assert limit_s == 2 * 2
            return {
                (name, time): [base[time] + n + 10 * (name == "12k_mel8_x1_log") for n in (4, 9, 2, 5, 7, 3, 50, 0, 6)]
                for name in subjects
                for time in base
            }

        monkeypatch.setattr(timing, "measure", fake)
        monkeypatch.setattr(timing, "others_percent", lambda before, after: 12.5)
        table = measured(cells=["12k_mel8_x10_db", "12k_mel8_x1_log"])
        for offset, cell in ((0, "12k_mel8_x10_db"), (10, "12k_mel8_x1_log")):
            for time, at in base.items():
                at += 0 if time == "extraction_ms" else offset
                assert table.loc[cell, spread.columns(time)].tolist() == [at + 5, at + 2, at + 9]
        assert table.columns[-4:].tolist() == ["n_rounds", "others_percent", "device", "threads"]
        assert (table[["n_rounds", "others_percent", "device", "threads"]] == [9, 12.5, "cpu", 1]).all(axis=None)

    def test_hops_and_log_types_share_the_extraction(self, measured):
        table = measured(cells=["12k_mel8_x1_db", "12k_mel8_x10_log", "12k_mel16_x1_db", "16k_mel8_x1_db"])
        columns = spread.columns("extraction_ms")
        assert table.loc["12k_mel8_x1_db", columns].equals(table.loc["12k_mel8_x10_log", columns])
        assert table["extraction_ms"].nunique() == 3
        assert not spread.differs(table.loc["12k_mel8_x1_db"], table.loc["12k_mel8_x10_log"], "extraction_ms")
        for time in ("extraction_ms", "inference_ms_batch_1", "inference_ms_batch_64", "train_seconds_per_epoch"):
            assert (table[f"{time}_low"] <= table[time]).all()
            assert (table[time] <= table[f"{time}_high"]).all()
            assert (table[time] > 0).all()
        assert table["n_rounds"].min() >= 6
        assert table["others_percent"].between(0, 100).all()

    def test_an_epoch_has_the_training_clips_of_the_dataset(self, measured, monkeypatch):
        """Clips count that could not be decoded: the workflow excludes at most 2 % of them."""
        seen, epoch = [], timing.epoch
        monkeypatch.setattr(timing, "epoch", lambda *given, **keys: seen.append(keys) or epoch(*given, **keys))
        measured(cells=["12k_mel8_x10_db"])
        assert {(keys["n_clips"], keys["batch_size"], keys["n_tags"]) for keys in seen} == {(43, 8, 2)}
