"""Values of fewer bits: the levels, what training reads of them, and their packing."""

import numpy as np
import pytest
import torch

from howlow.features import mel, quantizer
from howlow.features.quantizer import Quantizer
from howlow.features.representation import Representation
from howlow.features.store import Store
from howlow.training import batches

BITS = [1, 2, 3, 4, 5, 6, 8]
SHAPES = [(1, 1, 1), (3, 7, 5), (2, 48, 33)]


def bounds(kind, n_mels):
    """One pair of bounds for all bands, or one for each band."""
    rng = np.random.default_rng(n_mels)
    if kind == "global":
        return np.array(-100, np.float32), np.array(20, np.float32)
    low = rng.uniform(-90, -20, (n_mels, 1)).astype(np.float32)
    return low, low + rng.uniform(1, 60, (n_mels, 1)).astype(np.float32)


def spectrograms(shape, by, dtype):
    """Random values, also far outside the bounds, on them, on levels, and in the middle of two levels."""
    rng = np.random.default_rng(sum(shape))
    found = rng.uniform(-300, 200, shape)
    places = rng.integers(0, 2 * by.highest + 1, shape) / 2  # levels, and the middles between them
    chosen = rng.random(shape)
    found = np.where(chosen < 0.5, by.low + places * by.step, found)
    found = np.where(chosen < 0.1, by.low, np.where(chosen > 0.95, by.high, found))
    return found.astype(dtype)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["global", "band"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("log_type", ["db", "log"])
def test_training_reads_what_packing_and_unpacking_gives(bits, shape, kind, dtype, log_type):
    by = Quantizer(bits, *bounds(kind, shape[1]))
    decibels = spectrograms(shape, by, dtype)
    packed = quantizer.pack(quantizer.codes(decibels, by), bits)
    assert packed.nbytes == -(-decibels.size * bits // 8)
    unpacked = quantizer.values(quantizer.unpack(packed, bits, shape), by)

    clips = np.arange(shape[0])
    store = Store(list(map(str, clips)), [decibels], np.zeros_like(clips), clips, 1, log_type, by)
    np.testing.assert_array_equal(store.read(clips), mel.from_db(unpacked, log_type))
    (batch,) = batches.feed(store, torch.device("cpu")).batches(clips, len(clips))
    if log_type == "db":
        np.testing.assert_array_equal(batch[:, 0].numpy(), unpacked)
    else:
        np.testing.assert_allclose(
            batch[:, 0].numpy(), np.log10(1 + 1e4 * 10 ** (unpacked / 10.0)), rtol=1e-5, atol=1e-7
        )
    assert decibels.tobytes() == spectrograms(shape, by, dtype).tobytes(), "reading changes no stored value"


@pytest.mark.parametrize(
    ("bits", "step"), [(8, 120 / 255), (6, 120 / 63), (5, 120 / 31), (4, 8), (3, 120 / 7), (2, 40), (1, 120)]
)
def test_levels_are_spread_evenly_from_minus_100_to_20_db(bits, step):
    by = quantizer.over_the_whole_range(bits)
    levels = quantizer.values(np.arange(2**bits)[np.newaxis], by)[0]
    np.testing.assert_allclose(levels, -100 + step * np.arange(2**bits), atol=1e-5)
    assert levels[-1] == pytest.approx(20)
    values = np.random.default_rng(bits).uniform(-100, 20, (1, 1000))
    found = quantizer.values(quantizer.codes(values, by), by)
    assert np.abs(found - values).max() <= step / 2 + 1e-5, "the nearest level"


def test_values_outside_go_to_the_outermost_levels():
    by = quantizer.over_the_whole_range(2)
    assert quantizer.codes(np.array([[-np.inf, -1e30, -100.1, 20.1, 1e30, np.inf]]), by).tolist() == [
        [0, 0, 0, 3, 3, 3]
    ]


def test_one_bit_is_a_threshold_in_the_middle():
    by = quantizer.over_the_whole_range(1)
    assert quantizer.codes(np.array([[-100, -40.1, -39.9, 20]]), by).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("bits", BITS)
def test_a_value_that_is_not_a_number_is_refused(bits):
    values = np.zeros((2, 3))
    values[1, 2] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        quantizer.codes(values, quantizer.over_the_whole_range(bits))


def test_stored_values_are_not_rounded():
    assert quantizer.over_the_whole_range(16) is None


def test_packing_by_hand():
    """5, 2, 7 and 0 in three bits are 101 010 111 000, and four zeros fill the second byte."""
    packed = quantizer.pack(np.array([[5, 2], [7, 0]], np.uint8), 3)
    assert [f"{byte:08b}" for byte in packed] == ["10101011", "10000000"]
    assert quantizer.unpack(packed, 3, (2, 2)).tolist() == [[5, 2], [7, 0]]


@pytest.mark.parametrize(
    ("bits", "dtype", "n_bytes"),
    [(16, "float16", 2 * 5 * 1366), (16, "float32", 4 * 5 * 1366), (8, "float16", 5 * 1366), (3, "float16", 2562)],
)
def test_bytes_of_a_clip(bits, dtype, n_bytes):
    """Five bands and 1366 frames are 6830 values; in three bits 20,490 bits, which are 2561.25 bytes."""
    assert quantizer.bytes_per_clip(Representation(12_000, 5, 1, "db", bits), dtype) == n_bytes
