"""Programs and Snakemake that are killed repeatedly end with the same files as an undisturbed run."""

import kill_sweep


def test_killed_at_random_moments(tmp_path):
    kills, n_compared, wrong = kill_sweep.sweep(tmp_path, 8, seed=7)
    assert kills == {"extraction": 3, "snakemake": 3, "training": 2}
    assert n_compared > 50
    assert wrong == []
