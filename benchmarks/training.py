"""Compare training with the plain loop of the field's code in speed, losses and memory; measure a GPU if there is one.

    python benchmarks/training.py

The ratios come from one run, in which both loops take turns. Absolute figures are printed for a GPU only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset

from howlow import files, networks
from howlow.config import cells, load
from howlow.features import arrays
from howlow.features.quantizer import over_the_whole_range
from howlow.features.representation import STORED_BITS
from howlow.features.store import Store, open_store
from howlow.networks import cost
from howlow.training import (
    batches,
    devices,
    loop,
)
from howlow.training.adam import Adam

ROOT = Path(__file__).resolve().parents[1]

N_TAGS = 50
SHAPE = (96, 1366)


def make_store(folder: Path, n_clips: int, shape: tuple[int, int] = SHAPE, made_up: int | None = None) -> Store:
    """Write a store of noise in dB; the clips beyond `made_up` are only a hole in the file."""
    rng = np.random.default_rng(0)
    n_made = min(n_clips, made_up or n_clips)
    rows = (rng.normal(-40, 15, shape).astype(np.float16) for _ in range(n_made))
    arrays.write_rows(folder / "00.npy", rows, shape, "float16")
    if n_made < n_clips:
        whole = np.lib.format.open_memmap(folder / "holes.npy", "w+", np.float16, (n_clips, *shape))
        whole[:n_made] = np.load(folder / "00.npy", mmap_mode="r")
        whole.flush()
        (folder / "holes.npy").rename(folder / "00.npy")
    shard = {"file": "00.npy", "clip_ids": [str(i) for i in range(n_clips)], "sha256": ""}
    manifest = {"n_mels": shape[0], "n_frames": shape[1], "dtype": "float16", "shards": [shard]}
    files.write_json(folder / "manifest.json", manifest)
    return open_store(folder / "manifest.json", 1, "db")


def build(width: float, n_mels: int = 96, sample_rate: int = 12_000, hop_factor: int = 1) -> nn.Module:
    """VGG-CNN with the same weights at every call."""
    torch.manual_seed(0)
    return networks.build(
        "vgg", sample_rate=sample_rate, n_mels=n_mels, hop_factor=hop_factor, n_tags=N_TAGS, width=width
    )


class OneFileAClip(Dataset):
    """A dataset as in the field's code, with a .npy file in float32 for each clip."""

    def __init__(self, folder: Path, labels: np.ndarray):
        self.folder, self.labels = folder, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        clip = np.load(self.folder / f"{index}.npy")
        return torch.from_numpy(clip)[None], torch.from_numpy(self.labels[index].astype(np.float32))


def plain_steps(folder: Path, labels: np.ndarray, width: float, batch_size: int) -> Iterator[float]:
    """The loss of every step of the plain loop."""
    model = build(width).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    while True:
        for spectrograms, targets in DataLoader(OneFileAClip(folder, labels), batch_size):
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(model(spectrograms), targets)
            loss.backward()
            optimizer.step()
            yield loss.item()


def howlow_steps(folder: Path, labels: np.ndarray, width: float, batch_size: int) -> Iterator[float]:
    """The loss of every step of the library's training, which passes over one batch after the other."""
    device = devices.prepare(1)
    model = build(width)
    devices.lay_out(model, device)
    optimizer = Adam(model)
    feed = batches.feed(open_store(folder / "manifest.json", 1, "db"), device)
    while True:
        for start in range(0, len(labels), batch_size):
            indices = np.arange(start, start + batch_size)
            clips = loop.Clips(indices, labels[indices])
            yield loop._pass(model, optimizer, 1e-3, feed, clips, batch_size)


LOOPS = {"plain": plain_steps, "howlow": howlow_steps}


def run_loop(name: str, folder: Path, width: float, batch_size: int, n_steps: int, threads: int) -> None:
    """Run one loop in this process, and print the seconds and the losses of its steps as JSON."""
    torch.set_num_threads(threads)
    steps = LOOPS[name](folder, np.load(folder / "labels.npy"), width, batch_size)
    seconds, losses = [], []
    for _ in range(n_steps):
        start = time.perf_counter()
        losses.append(next(steps))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "losses": losses}))


def on_a_cpu(folder: Path, width: float, batch_size: int, n_steps: int = 20, rounds: int = 3) -> None:
    """Print the ratio of the speeds of both loops, which take turns in processes of one thread, and compare them."""
    n_clips = 4 * batch_size
    store = make_store(folder, n_clips)
    for index in range(n_clips):
        np.save(folder / f"{index}.npy", store.read(np.array([index]))[0])
    np.save(folder / "labels.npy", np.random.default_rng(1).random((n_clips, N_TAGS)) < 0.1)

    def steps(name: str, threads: int = 1) -> dict[str, list[float]]:
        options = ["--folder", folder, "--width", width, "--batch", batch_size, "--steps", n_steps]
        command = [sys.executable, __file__, "--loop", name, "--threads", threads, *options]
        return json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)

    seconds: dict[str, list[float]] = {name: [] for name in LOOPS}
    losses = {}
    for _ in range(rounds):
        for name in LOOPS:
            taken = steps(name)
            seconds[name] += taken["seconds"][2:]  # the first steps warm up
            losses[name] = np.array(taken["losses"])
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    ratio = medians["plain"] / medians["howlow"]
    gap, rounding = (np.abs(other - losses["plain"]).max() for other in (losses["howlow"], steps("plain", 2)["losses"]))
    print(f"| {width:g} | {batch_size} | {ratio:.2f} | {gap:.1e} | {rounding:.1e} |", flush=True)


def filling(folder: Path, width: float, batch_size: int = 8, rounds: int = 60) -> None:
    """Print how much longer a step takes when PyTorch fills new memory with NaN, the default of its deterministic mode.

    Both kinds of steps take turns on one thread. The smallest CPU time counts, because other programs use the CPU, too.
    """
    device = devices.prepare(1)
    model = build(width)
    devices.lay_out(model, device)
    optimizer = Adam(model)
    feed = batches.feed(make_store(folder, batch_size), device)
    clips = loop.Clips(np.arange(batch_size), np.zeros((batch_size, N_TAGS), bool))
    best = {True: float("inf"), False: float("inf")}
    for _ in range(rounds):
        for is_filled in best:
            torch.utils.deterministic.fill_uninitialized_memory = is_filled
            start = time.process_time()
            loop._pass(model, optimizer, 1e-3, feed, clips, batch_size)
            best[is_filled] = min(best[is_filled], time.process_time() - start)
    print(f"| {width:g} | {best[True] / best[False]:.2f} |", flush=True)


def few_bits(folder: Path, width: float, bits: int = 4, batch_size: int = 8, rounds: int = 60) -> None:
    """Print how fast a step is with values of few bits, against one with those that are stored.

    Both kinds of steps take turns on one thread. The smallest CPU time counts, because other programs use the CPU, too.
    """
    device = devices.prepare(1, "cpu")
    model = build(width)
    devices.lay_out(model, device)
    optimizer = Adam(model)
    make_store(folder, batch_size)
    quantizers = {STORED_BITS: None, bits: over_the_whole_range(bits)}
    feeds = {
        number: batches.feed(open_store(folder / "manifest.json", 1, "db", quantizer=quantizer), device)
        for number, quantizer in quantizers.items()
    }
    clips = loop.Clips(np.arange(batch_size), np.zeros((batch_size, N_TAGS), bool))
    best = dict.fromkeys(feeds, float("inf"))
    for _ in range(rounds):
        for number, feed in feeds.items():
            start = time.process_time()
            loop._pass(model, optimizer, 1e-3, feed, clips, batch_size)
            best[number] = min(best[number], time.process_time() - start)
    print(f"| {width:g} | {best[STORED_BITS] / best[bits]:.3f} |", flush=True)


def memory(folder: Path, n_clips: int = 20_000, n_trained: int = 400) -> None:
    """Print the memory (without the page cache) of a process that trains on random clips of a large store."""
    store = make_store(folder, n_clips, made_up=64)
    device = devices.prepare(1)
    model = build(1 / 16)
    devices.lay_out(model, device)
    indices = np.random.default_rng(0).permutation(n_clips)[:n_trained]
    clips = loop.Clips(indices, np.zeros((n_trained, N_TAGS), bool))
    before = own_bytes()
    with Peak() as peak:
        loop._pass(model, Adam(model), 1e-3, batches.feed(store, device), clips, 64)
        loop.score(model, batches.feed(store, device), indices[:64])
    size = n_clips * SHAPE[0] * SHAPE[1] * 2
    print(f"store of {n_clips} clips, {size / 1e9:.1f} GB; batch 64, width 1/16: {peak.bytes / 1e6:.0f} MB of its own")
    print(f"({before / 1e6:.0f} MB before the first step)\n")


def own_bytes() -> int:
    """Resident memory of this process without mapped files."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


class Peak:
    """Watches `own_bytes` from a thread while the block runs; `bytes` is the largest value seen."""

    def __enter__(self) -> "Peak":
        self.bytes = own_bytes()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._is_over.wait(0.01):
            self.bytes = max(self.bytes, own_bytes())

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def on_a_gpu(folder: Path, n_steps: int, batch_size: int = 64) -> None:
    """Print clips/s and FLOP/s for cells of the paper at full width, and the hours of Figure 1 from them."""
    device = devices.prepare(1, "cuda")
    if devices.precision(device) == torch.float32:
        print("This GPU has no bfloat16, so its part is left out.")
        return
    peak = matmul_flops(device)
    print(f"{torch.cuda.get_device_name(device)}: {peak / 1e12:.0f} TFLOP/s in bf16 matrix products\n")
    paper = load(ROOT / "config" / "paper.yaml")
    in_db = {name: cell for name, cell in cells(paper, paper["experiments"][0]).items() if cell.log_type == "db"}
    print("| configuration | clips/s | TFLOP/s | share of the peak |\n|---|---|---|---|")
    hours = 0.0
    for name, cell in in_db.items():
        model = build(1.0, cell.n_mels, cell.sample_rate, cell.hop_factor)
        devices.lay_out(model, device)
        shape = (cell.n_mels, cell.n_frames)
        macs = cost.macs(model, *shape)
        (folder / name).mkdir()
        feed = batches.feed(make_store(folder / name, 8 * batch_size, shape, made_up=64), device)
        clips = loop.Clips(np.arange(8 * batch_size), np.zeros((8 * batch_size, N_TAGS), bool))
        optimizer = Adam(model)
        loop._pass(model, optimizer, 1e-3, feed, clips, batch_size)
        start = time.perf_counter()
        n_passes = max(1, n_steps // 8)
        for _ in range(n_passes):
            loop._pass(model, optimizer, 1e-3, feed, clips, batch_size)
        rate = n_passes * len(clips.indices) / (time.perf_counter() - start)
        flops = 6 * macs * rate
        hours += 2 * 3 * 13 * 18_706 / rate / 3600  # log types, seeds, epochs, clips
        print(f"| {name} | {rate:.0f} | {flops / 1e12:.0f} | {100 * flops / peak:.0f} % |", flush=True)
    print(f"\nFigure 1, 88 configurations x 3 seeds x 13 epochs on 18,706 clips: {hours:.2f} h of training steps\n")
    print(f"loss of 100 steps, bf16 against float32: {precision_gap(folder, device):.4f} relative at most")


def matmul_flops(device: torch.device, size: int = 8192, repeats: int = 20) -> float:
    """FLOP/s of a large matrix product in bfloat16."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return repeats * 2 * size**3 / (time.perf_counter() - start)


def precision_gap(folder: Path, device: torch.device, n_steps: int = 100, batch_size: int = 16) -> float:
    """Largest relative difference between the losses of training steps in bfloat16 and in float32."""
    (folder / "precision").mkdir()
    store = make_store(folder / "precision", 10 * batch_size)
    labels = np.random.default_rng(1).random((10 * batch_size, N_TAGS)) < 0.1
    losses: dict[torch.dtype, np.ndarray] = {}
    for dtype in (torch.bfloat16, torch.float32):
        devices.precision = lambda _, dtype=dtype: dtype
        model = build(1.0)
        devices.lay_out(model, device)
        optimizer, feed = Adam(model), batches.feed(store, device)
        found = []
        for step in range(n_steps):
            indices = np.arange(batch_size) + batch_size * (step % 10)
            clips = loop.Clips(indices, labels[indices])
            found.append(loop._pass(model, optimizer, 1e-3, feed, clips, batch_size))
        losses[dtype] = np.array(found)
    return float(np.max(np.abs(losses[torch.bfloat16] / losses[torch.float32] - 1)))


def main(n_gpu_steps: int) -> None:
    print("CPU, one thread, 96 x 1366, 20 steps, three processes each:\n")
    print(
        "| width | batch | throughput, ratio to the plain loop | difference from the plain loop"
        " | difference of the plain loop with two threads from one |"
    )
    print("|---|---|---|---|---|")
    for width, batch_size in ((1 / 16, 8), (1 / 16, 32), (1 / 16, 64), (1 / 32, 8)):
        with tempfile.TemporaryDirectory() as folder:
            on_a_cpu(Path(folder), width, batch_size)
    print("\n| width | time of a step that fills new memory with NaN, ratio to one that does not, batch 8 |\n|---|---|")
    for width in (1 / 16, 1 / 32, 1 / 64):
        with tempfile.TemporaryDirectory() as folder:
            filling(Path(folder), width)
    print("\n| width | throughput with values of 4 bits, ratio to that with 16, batch 8 |\n|---|---|")
    for width in (1 / 16, 1 / 32, 1 / 64):
        with tempfile.TemporaryDirectory() as folder:
            few_bits(Path(folder), width)
    with tempfile.TemporaryDirectory() as folder:
        print()
        memory(Path(folder))
    if torch.cuda.is_available():
        with tempfile.TemporaryDirectory() as folder:
            on_a_gpu(Path(folder), n_gpu_steps)
    else:
        print("There is no GPU, so its part is left out.")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gpu-steps", type=int, default=200, help="steps to time for each configuration on a GPU")
    options.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)  # the program calls itself with it
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--width", type=float, help=argparse.SUPPRESS)
    options.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    options.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    options.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.loop:
        run_loop(args.loop, args.folder, args.width, args.batch, args.steps, args.threads)
    else:
        main(args.gpu_steps)
