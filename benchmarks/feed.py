"""Measure the feed alone: clips per second from a warm page cache to a GPU, or to a training step on a CPU.

    python benchmarks/feed.py

The plain way is one thread that reads whole clips in float32, compresses them there and, for a GPU, rounds them to
float16. All ways take turns in one run, and the best of several rounds counts. The last column has how much longer a
batch takes on a CPU with values of 4 bits than with those that are stored.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training import make_store

from howlow.features.quantizer import over_the_whole_range
from howlow.features.store import Store, open_store
from howlow.training import batches, devices
from howlow.training.batches import Feed, Segments

SHAPE = (96, 1820)
SEGMENT_FRAMES = 188
BATCH_SIZE = 64
READERS = (1, 2, 4)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def plain_ahead(store: Store, parts: list[np.ndarray]) -> Iterator[Tensor]:
    """Batches in float16, which one thread has read and compressed."""
    with ThreadPoolExecutor(1) as reader:
        yield from reader.map(lambda part: torch.from_numpy(store.read(part)).half(), parts)


def plain(store: Store, parts: list[np.ndarray]) -> Iterator[Tensor]:
    """Batches for a CPU, each read when it is asked for."""
    return (torch.from_numpy(store.read(part)).unsqueeze(1) for part in parts)


def seconds(ways: dict[str, Callable[[], Iterable[Tensor]]], rounds: int) -> dict[str, float]:
    """The shortest time in which each way gives all its batches; the ways take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            deque(way(), maxlen=0)
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure(folder: Path, n_clips: int, hop_factor: int, log_type: str, is_segment: bool, rounds: int) -> None:
    """Print a row of the table, for whole clips or segments of one representation."""
    manifest = folder / "manifest.json"
    store = open_store(manifest, hop_factor, log_type)
    of_four_bits = open_store(manifest, hop_factor, log_type, quantizer=over_the_whole_range(4))
    rng = np.random.default_rng(0)
    order = rng.permutation(n_clips)
    parts = np.split(order, np.cumsum(batches.batch_sizes(n_clips, BATCH_SIZE))[:-1])
    segments = None
    if is_segment:
        segments = Segments(rng.integers(store.n_frames - SEGMENT_FRAMES + 1, size=n_clips), SEGMENT_FRAMES)

    def ahead(readers: int) -> Callable[[], Iterable[Tensor]]:
        return lambda: Feed(store, DEVICE, readers=readers).rows(order, BATCH_SIZE, segments)

    cpu = torch.device("cpu")
    taken = seconds(
        {
            "plain ahead": lambda: plain_ahead(store, parts),
            **{f"{readers}": ahead(readers) for readers in READERS},
            "plain": lambda: plain(store, parts),
            "cpu": lambda: Feed(store, cpu).batches(order, BATCH_SIZE, segments),
            "4 bits": lambda: Feed(of_four_bits, cpu).batches(order, BATCH_SIZE, segments),
        },
        rounds,
    )
    name = f"{SHAPE[0]} x {store.n_frames}, {log_type}" + (f", segments of {SEGMENT_FRAMES}" if is_segment else "")
    rates = [n_clips / taken[str(readers)] for readers in READERS]
    ratio, on_cpu = taken["plain ahead"] / taken[str(READERS[-1])], taken["plain"] / taken["cpu"]
    cells = [
        f"{n_clips / taken['plain ahead']:.0f}",
        *(f"{rate:.0f}" for rate in rates),
        f"{ratio:.1f}",
        f"{on_cpu:.2f}",
        f"{taken['4 bits'] / taken['cpu']:.2f}",
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(n_clips: int, rounds: int) -> None:
    devices.prepare(1)
    readers = " | ".join(f"{number} reader{'s' * (number > 1)}" for number in READERS)
    ratios = "ratio to the plain way | on a CPU: ratio to the plain way | 4 bits: ratio of times"
    print(f"| input | plain, clips/s | {readers} | {ratios} |")
    print("|---" * (len(READERS) + 5) + "|")
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder), n_clips, SHAPE)
        for hop_factor, is_segment in ((1, False), (10, False), (1, True)):
            for log_type in ("db", "log"):
                measure(Path(folder), n_clips, hop_factor, log_type, is_segment, rounds)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clips", type=int, default=1000, help="number of clips in the store, 350 KB each")
    options.add_argument("--rounds", type=int, default=5, help="how often each way is timed")
    args = options.parse_args()
    main(args.clips, args.rounds)
