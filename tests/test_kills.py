"""Programs and Snakemake that are killed again and again end with the files of a run that never was."""

import importlib.util

from conftest import ROOT

N_KILLS = 8


def test_killed_at_random_moments(tmp_path):
    path = ROOT / "benchmarks" / "kill_sweep.py"
    specification = importlib.util.spec_from_file_location("kill_sweep", path)
    kill_sweep = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(kill_sweep)
    kills, n_compared, wrong = kill_sweep.sweep(tmp_path, N_KILLS, seed=7)
    assert kills.total() == N_KILLS
    assert kills["snakemake"] >= 2
    assert kills["train.py"] >= 2
    assert sum(kills[name] for name in kill_sweep.PROGRAMS["extraction"]) >= 2
    assert n_compared > 15
    assert wrong == []
