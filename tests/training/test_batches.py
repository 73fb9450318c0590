"""Batches hold the clips that were asked for, in order, with the formula of the log type applied."""

import random
import threading
import time

import numpy as np
import pytest
import torch

from howlow.features.store import Store
from howlow.training import batches
from howlow.training.batches import Feed, Segments, batch_sizes

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
N_CLIPS, N_MELS, HOP, N_FRAMES = 23, 4, 3, 11  # 31 frames at x1
RAW = np.random.default_rng(0).uniform(-100, 40, (N_CLIPS, N_MELS, 31))


def store(log_type="db", dtype=np.float16):
    """A store of three shards of unequal size."""
    shards = [shard.astype(dtype) for shard in np.split(RAW, [5, 6])]
    places = [(shard, row) for shard, rows in enumerate(shards) for row in range(len(rows))]
    shard_of, row_of = map(np.array, zip(*places, strict=True))
    return Store([f"clip {i}" for i in range(N_CLIPS)], shards, shard_of, row_of, HOP, log_type)


FEEDS = {
    "cpu": lambda store: batches.feed(store, CPU),
    "resident": lambda store: Feed(store, CPU, batches.load(store, CPU)),
    "read ahead": lambda store: Feed(store, CPU, readers=2),
}


@pytest.mark.parametrize(
    ("n_clips", "size", "sizes"),
    [
        (19, 8, [8, 8, 3]),
        (18, 8, [8, 8, 2]),
        (17, 8, [8, 9]),  # a batch of one clip would have no variance to normalize by
        (16, 8, [8, 8]),
        (9, 8, [9]),
        (7, 8, [7]),
        (1, 8, [1]),
        (0, 8, []),
        (3, 1, [1, 1, 1]),
        (5, 10**19, [5]),
    ],
)
def test_sizes_of_batches(n_clips, size, sizes):
    assert batch_sizes(n_clips, size) == sizes


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("log_type", ["db", "log"])
@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("size", [1, 4, 6, 100])
def test_batches_are_the_clips_that_were_asked_for(name, log_type, dtype, size):
    """They are compared with the stored decibels: whole clips, and segments that start anywhere."""
    indices = np.random.default_rng(1).permutation(N_CLIPS)[:19]
    starts = np.random.default_rng(2).integers(N_FRAMES - 5 + 1, size=19)
    decibels = RAW.astype(dtype)[indices, :, ::HOP].astype(np.float64)
    values = decibels if log_type == "db" else np.log10(1 + 10_000 * 10 ** (decibels / 10))
    cut = np.stack([clip[:, start : start + 5] for clip, start in zip(values, starts, strict=True)])
    feed = FEEDS[name](store(log_type, dtype))
    for expected, segments in ((values, None), (cut, Segments(starts, 5))):
        batches = list(feed.batches(indices, size, segments))
        assert [len(batch) for batch in batches] == {1: [1] * 19, 4: [4] * 4 + [3], 6: [6, 6, 7], 100: [19]}[size]
        assert {(batch.dtype, batch.device, batch.ndim) for batch in batches} == {(torch.float32, CPU, 4)}
        found = torch.cat(batches)[:, 0].numpy()
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)
        # What was given out before is not overwritten, and the stored values are as they were.
        again = torch.cat(list(feed.batches(indices, size, segments)))[:, 0].numpy()
        np.testing.assert_array_equal(found, again)


def test_batches_are_on_the_device():
    """`meta` is a device that every machine has."""
    feed = Feed(store(), torch.device("meta"))
    assert {batch.device.type for batch in feed.batches(np.arange(N_CLIPS), 8)} == {"meta"}


@pytest.mark.parametrize(("device", "is_pinned"), [(CPU, False), (CUDA, True)])
def test_batches_for_a_gpu_are_read_into_pinned_memory(monkeypatch, device, is_pinned):
    """From there a GPU copies them without waiting."""
    asked = []
    empty = torch.empty
    with monkeypatch.context() as patch:
        patch.setattr(
            torch, "empty", lambda *args, pin_memory, **more: asked.append(pin_memory) or empty(*args, **more)
        )
        list(Feed(store(), device).rows(np.arange(N_CLIPS), 8))
    assert asked == [is_pinned] * 3


def test_log_is_computed_from_the_power():
    """log10(1 + 10000 p) of p = 0.0099 is 2, of 0.9999 is 4, of 0 is 0, and of a huge p is log10(p) + 4."""
    power = torch.tensor([0.0099, 0.9999, 1e-10, 1e4], dtype=torch.float64)
    decibels = (10 * power.log10()).float()
    expected = torch.tensor([2, 4, np.log10(1 + 1e-6), 8], dtype=torch.float32)
    torch.testing.assert_close(batches._log_of_db(decibels), expected, rtol=1e-6, atol=1e-9)


def test_batches_that_are_read_ahead_keep_their_order(monkeypatch):
    """Threads finish in any order."""
    read = Feed._read

    def late(self, part, n_frames):
        time.sleep(random.Random(int(part.indices[0])).random() / 100)
        return read(self, part, n_frames)

    monkeypatch.setattr(Feed, "_read", late)
    feed = Feed(store(), CPU, readers=4)
    indices = np.random.default_rng(3).permutation(N_CLIPS)
    found = torch.cat(list(feed.rows(indices, 1))).numpy()
    np.testing.assert_array_equal(found, RAW.astype(np.float16)[indices, :, ::HOP])


def test_few_batches_are_read_ahead(monkeypatch):
    """They take memory: two threads read the next four batches while one is used."""
    started = []
    read = Feed._read

    def note(self, part, n_frames):
        started.append(threading.current_thread())
        return read(self, part, n_frames)

    monkeypatch.setattr(Feed, "_read", note)
    for n_taken, _ in enumerate(Feed(store(), CPU, readers=2).rows(np.arange(N_CLIPS), 1), start=1):
        deadline = time.monotonic() + 10
        while len(started) < min(N_CLIPS, n_taken + 4) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(started) == min(N_CLIPS, n_taken + 4)
    assert threading.main_thread() not in started
    assert len(set(started)) <= 2


def test_an_error_of_a_reading_thread_is_raised(monkeypatch):
    def fail(*_):
        raise OSError("no such disk")

    monkeypatch.setattr(Store, "copy", fail)
    with pytest.raises(OSError, match="no such disk"):
        list(Feed(store(), CPU, readers=2).rows(np.arange(4), 2))


@pytest.mark.parametrize("n_at_once", [1, 4, 22, 256])
def test_a_whole_store_is_loaded_as_it_is_stored(monkeypatch, n_at_once):
    monkeypatch.setattr(batches, "_READ_CLIPS", n_at_once)
    for dtype in (np.float16, np.float32):
        whole = batches.load(store("log", dtype), CPU)
        assert whole.dtype == {np.float16: torch.float16, np.float32: torch.float32}[dtype]
        np.testing.assert_array_equal(whole.numpy(), RAW.astype(dtype)[..., ::HOP])


class TestFeedOfADevice:
    @pytest.fixture(autouse=True)
    def _no_gpu(self, monkeypatch):
        monkeypatch.setattr(batches, "load", lambda store, device: f"a copy on {device}")

    def test_a_cpu_reads_when_it_is_asked(self):
        feed = batches.feed(store(), CPU)
        assert (feed.device, feed.resident, feed.readers) == (CPU, None, 0)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_a_gpu_holds_a_store_that_is_no_larger_than_allowed(self, dtype):
        """By hand: 23 clips of 4 bands and 11 frames, at 2 or 4 bytes a value."""
        n_bytes = 23 * 4 * 11 * (2 if dtype == np.float16 else 4)
        held = batches.feed(store(dtype=dtype), CUDA, n_bytes)
        assert held.resident == "a copy on cuda"
        read = batches.feed(store(dtype=dtype), CUDA, n_bytes - 1)
        assert read.resident is None
        assert read.readers == held.readers == 4
        assert read.device == held.device == CUDA

    def test_a_gpu_holds_any_store_if_nothing_is_said(self):
        assert batches.feed(store(), CUDA).resident == "a copy on cuda"
