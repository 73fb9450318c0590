"""Bits, seconds and width are applied while training reads, so that none of them needs a store of its own."""

import numpy as np
import pytest
from small_training import N_MELS, SPEC, make_data, train

from howlow import files
from howlow.data.tracks import read
from howlow.evaluation.scores import read_scores
from howlow.features import arrays, quantizer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_data(folder)
    return folder


def reduced(data, folder, reduce):
    """A copy of the data whose spectrograms are reduced in the store already, in float32."""
    folder.mkdir()
    (folder / "tracks.parquet").write_bytes((data / "tracks.parquet").read_bytes())
    manifest = files.read_json(data / "manifest.json")
    for shard in manifest["shards"]:
        clips = reduce(np.load(data / shard["file"]).astype(np.float32))
        arrays.write_rows(folder / shard["file"], clips, clips.shape[1:], "float32")
        shard["sha256"] = files.sha256(folder / shard["file"])
    manifest |= {"n_frames": clips.shape[2], "dtype": "float32"}
    files.write_json(folder / "manifest.json", manifest)
    return folder


def scores(folder, data, spec):
    process = train(folder, data, spec)
    assert process.returncode == 0, process.stderr
    return read_scores(folder / "scores.parquet", read(data / "tracks.parquet")).activations


def rounded(clips):
    """2 bits: levels at -100, -60, -20 and 20 dB, and the nearest one of a value in the middle is the even one."""
    return (-100 + 40 * np.clip(np.rint((clips + 100) / 40), 0, 3)).astype(np.float32)


CUT = slice((1366 - 470) // 2, (1366 + 470) // 2)  # 10 s at 12 kHz are 468.75 hops of 256 samples, so 470 frames


@pytest.mark.parametrize(
    ("axis", "reduce", "as_reduced"),
    [
        ({"bits": 2, "quantizer": "global"}, rounded, {}),
        ({"seconds": 10}, lambda clips: clips[:, :, CUT], {"seconds": 10}),
        ({"bits": 2, "quantizer": "global", "seconds": 10}, lambda clips: rounded(clips[:, :, CUT]), {"seconds": 10}),
    ],
    ids=["bits", "seconds", "both"],
)
def test_training_sees_what_a_reduced_store_would_give(tmp_path, data, axis, reduce, as_reduced):
    found = scores(tmp_path / "axis", data, SPEC | axis)
    other = reduced(data, tmp_path / "reduced", reduce)
    expected = scores(tmp_path / "store", other, SPEC | as_reduced)
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, scores(tmp_path / "plain", data, SPEC)), "the axis matters"


def test_training_uses_the_ranges_of_its_fold(tmp_path, data):
    bounds = {"low_db": [-60.0] * N_MELS, "high_db": [-20.0] * N_MELS}
    files.write_json(data / "levels.json", {"folds": {"0": bounds}})
    by = quantizer.between(3, **bounds)
    other = reduced(data, tmp_path / "reduced", lambda clips: quantizer.values(quantizer.codes(clips, by), by))
    found = scores(tmp_path / "band", data, SPEC | {"bits": 3, "quantizer": "band"})
    np.testing.assert_array_equal(found, scores(tmp_path / "store", other, SPEC))
    assert files.read_json(tmp_path / "band" / "run.json")["inputs"].keys() == {"manifest", "tracks", "levels"}


def test_ranges_that_change_make_a_training_run_again(tmp_path, data):
    spec = SPEC | {"bits": 3, "quantizer": "band"}
    for low, is_new in ((-60.0, True), (-60.0, False), (-70.0, True)):
        files.write_json(
            data / "levels.json", {"folds": {"0": {"low_db": [low] * N_MELS, "high_db": [-20.0] * N_MELS}}}
        )
        process = train(tmp_path / "again", data, spec)
        assert process.returncode == 0, process.stderr
        assert ("nothing to train" in process.stdout) != is_new


def test_width_is_that_of_the_network(tmp_path, data):
    sizes = {}
    for width in (1 / 64, 1 / 32):
        scores(tmp_path / str(width), data, SPEC | {"width": width})
        sizes[width] = (tmp_path / str(width) / "model.pt").stat().st_size
    assert sizes[1 / 32] > 2 * sizes[1 / 64]
