"""The range of each band for fewer bits comes from the training clips alone."""

import numpy as np
import pytest
from conftest import run_script

from howlow import files
from howlow.data.tracks import Tracks
from howlow.features import arrays, levels
from howlow.features.representation import Representation
from howlow.features.store import Store, StoreError

N_CLIPS, N_MELS, N_FRAMES = 90, 3, 40


def store(decibels):
    clips = np.arange(len(decibels))
    return Store(list(map(str, clips)), [decibels], np.zeros_like(clips), clips, 1, "db")


@pytest.fixture
def decibels():
    """Bands of other levels and spreads, with a few values that are far away."""
    rng = np.random.default_rng(0)
    scale, shift = np.array([[2.0], [10.0], [20.0]]), np.array([[-80.0], [-40.0], [-10.0]])
    found = shift + scale * rng.standard_normal((N_CLIPS, N_MELS, N_FRAMES))
    found[rng.random(found.shape) < 1e-3] = -100
    return found.astype(np.float16)


def test_ranges_are_percentiles_of_each_band(decibels):
    chosen = np.arange(0, N_CLIPS, 2)
    found = levels.of_bands(store(decibels), chosen)
    values = decibels[chosen].astype(float).transpose(1, 0, 2).reshape(N_MELS, -1)
    expected = np.percentile(values, [0.5, 99.5], axis=1, method="inverted_cdf")
    np.testing.assert_allclose(found, expected, atol=1 / 64)


def test_other_clips_do_not_count(decibels):
    chosen = np.arange(1, N_CLIPS, 2)
    before = levels.of_bands(store(decibels), chosen)
    decibels[::2] += 30
    assert levels.of_bands(store(decibels), chosen) == before


def test_a_band_that_is_always_silent_has_levels_too():
    low, high = levels.of_bands(store(np.full((4, 2, 9), -100, np.float16)), np.arange(4))
    assert low == [-100, -100]
    assert high == [-99, -99]


@pytest.mark.parametrize("splits", [["train", "test"], ["1", "2", "3"]], ids=["splits", "folds"])
def test_ranges_of_each_fold(tmp_path, decibels, splits):
    """With folds, those with the numbers n and n + 1 are tested and validate, so of three folds one is learnt from."""
    clip_ids = [f"clip {number}" for number in range(N_CLIPS)]
    of_clip = (splits * N_CLIPS)[:N_CLIPS]
    labels = np.ones((N_CLIPS, 1), bool)
    Tracks(clip_ids, clip_ids, of_clip, ["00"] * N_CLIPS, clip_ids, ("a",), labels).write(
        tmp_path / "tracks.parquet", "x"
    )
    arrays.write_rows(tmp_path / "00.npy", decibels[::-1], decibels.shape[1:], "float16")  # another order
    shard = {"file": "00.npy", "clip_ids": clip_ids[::-1], "sha256": files.sha256(tmp_path / "00.npy")}
    files.write_json(
        tmp_path / "manifest.json",
        {"n_mels": N_MELS, "n_frames": N_FRAMES, "dtype": "float16", "window": "periodic", "shards": [shard]},
    )
    inputs = ["--tracks", tmp_path / "tracks.parquet", "--manifest", tmp_path / "manifest.json"]
    process = run_script("levels", *inputs, "--record", tmp_path / "levels.json", spec={"quantizer": "band"})
    assert process.returncode == 0, process.stderr
    learnt_from = {None: "train"} if "train" in splits else {1: "3", 2: "1", 3: "2"}
    for fold, split in learnt_from.items():
        training = np.array([row for row, of in enumerate(of_clip) if of == split])
        found = levels.read(tmp_path / "manifest.json", 4, "band", fold)
        assert (found["low_db"], found["high_db"]) == levels.of_bands(store(decibels), training)


def test_ranges_that_need_no_file(tmp_path):
    assert levels.read(tmp_path / "manifest.json", 4, "global", None) == {"low_db": [-100], "high_db": [20]}
    assert levels.read(tmp_path / "manifest.json", 16, None, None) is None
    with pytest.raises((OSError, StoreError)):
        levels.read(tmp_path / "manifest.json", 4, "band", None)


FOUR_BITS = Representation(12_000, N_MELS, 1, "db", bits=4)
OF_BANDS = {"low_db": [-90.0, -80.0, -70.0], "high_db": [0.0, 10.0, 5.0]}


@pytest.mark.parametrize("given", [OF_BANDS, {"low_db": [-100.0], "high_db": [20.0]}])
def test_levels_that_fit_give_their_quantizer(given):
    found = levels.checked(given, FOUR_BITS)
    assert found.bits == 4
    assert found.low.ravel().tolist() == given["low_db"]
    assert found.high.ravel().tolist() == given["high_db"]


def test_values_as_they_are_stored_have_no_levels():
    assert levels.checked(None, Representation(12_000, N_MELS, 1, "db")) is None


@pytest.mark.parametrize(
    ("given", "representation", "problem"),
    [
        (None, FOUR_BITS, "not those of 4 bits"),
        (OF_BANDS, Representation(12_000, N_MELS, 1, "db"), "not those of 16 bits"),
        (OF_BANDS, Representation(12_000, N_MELS + 1, 1, "db", bits=4), "not those of 4 bands"),
        ({"low_db": [-90.0] * 2, "high_db": [0.0] * 2}, FOUR_BITS, "not those of 3 bands"),
        ({"low_db": [-90.0, 0.0, 0.0], "high_db": [0.0, 0.0, 10.0]}, FOUR_BITS, "not those of 3 bands"),
        ({"low_db": [-1e6], "high_db": [0.0]}, FOUR_BITS, "not those of 3 bands"),
        ({"low_db": [-90.0], "high_db": [float("nan")]}, FOUR_BITS, "not those of 3 bands"),
    ],
)
def test_levels_that_do_not_fit_are_refused(given, representation, problem):
    with pytest.raises(ValueError, match=problem):
        levels.checked(given, representation)


def test_values_below_all_bins_count_for_the_lowest_one():
    """Such a value would otherwise be counted for the band before it."""
    decibels = np.full((4, 2, 10), -50, np.float16)
    decibels[:, 1, 0] = -500
    low, high = levels.of_bands(store(decibels), np.arange(4))
    assert low == [-50, -128]
    assert high == [-49, -50]
