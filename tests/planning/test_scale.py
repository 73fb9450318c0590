"""The estimates for clusters give known answers."""

import sys

import pytest
from conftest import ROOT

from howlow import commands, config
from howlow.planning import scale
from howlow.planning.scale import Task

COSTS = scale.Costs(
    decode_ms=10, spectrum_ms_per_kframe=1, mel_ms_per_band_kframe=0.01, training_gflops=1000, job_s=5
)  # fmt: skip


@pytest.fixture(scope="module")
def msd():
    return config.load(ROOT / "config" / "msd.yaml")


@pytest.mark.parametrize(
    ("tasks", "n_slots", "seconds"),
    [
        ([], 3, 0),
        ([Task(1)] * 4, 2, 2),
        ([Task(3), Task(1), Task(1), Task(1)], 2, 3),
        ([Task(1), Task(2, after=0)], 9, 3),
        ([Task(1), Task(1), Task(1, after=0), Task(1, after=1)], 1, 4),
        # One slot continues the chain that it has begun, and the other job comes last.
        ([Task(1), Task(5), Task(1, after=0), Task(1, after=2)], 1, 8),
        ([Task(2), Task(2), Task(4, after=0)], 2, 6),
    ],
)
def test_makespan(tasks, n_slots, seconds):
    assert scale.makespan_s(tasks, n_slots) == seconds


def test_more_slots_never_take_longer_and_all_work_is_done(msd):
    tasks = scale.extraction(msd, "msd", 241_889, COSTS)
    times = [scale.makespan_s(tasks, n) for n in (1, 8, 64, 512, 4096)]
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(sum(task.seconds for task in tasks))
    assert times[-1] == pytest.approx(sum(tasks[i].seconds for i in (-1, -4, -5)))  # a chain at 16 kHz
    assert len(tasks) == 64 * 2 + 64 * 2 + 64 * 6


def test_seconds_of_extraction_by_hand(msd):
    decode, spectrum, mel = scale.extraction(msd, "msd", 64 * 1000, COSTS)[:3]
    assert decode.seconds == pytest.approx(5 + 1000 * 0.010)
    assert spectrum.seconds == pytest.approx(5 + 1000 * 1.366 * 0.001)
    assert mel.seconds == pytest.approx(5 + 1000 * 1.366 * 48 * 0.00001)  # the jobs with the fewest bands come first


def test_trainings_are_those_of_the_forecast(msd):
    tasks = scale.trainings(msd, "msd", 201_680, COSTS)
    assert len(tasks) == (12 + 6) * 3
    assert tasks[0].seconds >= tasks[-1].seconds > 5


def test_disk_at_its_fullest(msd):
    kept, one = scale.peak_bytes(msd, "msd", 64 * 1000, 1)
    spectra, audio = 1820 * 257 * 4 * 1000, 465_600 * 4 * 1000
    assert one == audio + spectra
    assert scale.peak_bytes(msd, "msd", 64 * 1000, 10_000) == (kept, 128 * one)  # at most all shards


def test_command_prints_a_row_a_number_of_nodes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["howlow", "scale", str(ROOT / "config" / "quick.yaml"), "--nodes", "1", "3"])
    commands.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "quick: 240 clips in 2 shards at 2 sample rates"
    assert printed[1].startswith("  jobs: 4 decode, 4 spectrum, 8 mel, 16 train; of ")
    assert [line.split()[0] for line in printed[3:]] == ["1", "3"]
