"""Measures what a representation takes on this machine: extraction, inference and training, all cells in turn."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import psutil
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from howlow.features import mel, quantizer
from howlow.features.representation import Cell, n_samples
from howlow.features.store import Store
from howlow.networks import memory
from howlow.results import spread
from howlow.training import batches, loop
from howlow.training.adam import Adam

BATCHES = (1, 64)
"""Numbers of clips in a batch of which the inference is timed."""

MIN_ROUNDS = spread.MIN_VALUES
LIMIT_S_PER_CELL = 2.0
"""Time after which no further round begins, for each cell of an experiment."""

_STABLE = 0.05
_LONG_S = 0.1
_LEARNING_RATE = 0.001  # any one; it does not affect the time


class Task(NamedTuple):
    """Something to time.

    Attributes
    ----------
    call : runs it once, and waits until it is done
    scale : float, what a second of a call is in the unit of the time
    """

    call: Callable[[], object]
    scale: float


Subject = Callable[[], dict[str, Task]]
"""Prepares the tasks of a cell, by the names of their times. Preparing them is not timed."""

Times = dict[tuple[str, str], list[float]]
"""The measured times by the names of subject and time, one in each round."""


def measure(subjects: Mapping[str, Subject], limit_s: float, clock: Callable[[], float] = time.perf_counter) -> Times:
    """Time the tasks of all subjects in rounds, until all medians are stable.

    Each round visits all subjects once, in an order that is shuffled with a fixed seed. So a machine that becomes
    slower meanwhile slows all subjects alike. The first round only warms up. After that there are at least
    `MIN_ROUNDS`. The last one is that after which the 95 % interval of each median is within 5 % of the median, or
    after which the limit has passed.

    Parameters
    ----------
    subjects : by name
    limit_s : float, time after which no further round begins, except for `MIN_ROUNDS`
    clock : gives the time in seconds

    Returns
    -------
    dict of lists of equal length, in the units of the times
    """
    order = np.random.default_rng(0)
    names, start = list(subjects), clock()
    times: Times = defaultdict(list)
    for name in names:
        _visit(subjects[name], clock)
    n_rounds = 0
    while n_rounds < MIN_ROUNDS or not (clock() - start >= limit_s or all(map(_is_stable, times.values()))):
        for index in order.permutation(len(names)):
            for what, value in _visit(subjects[names[index]], clock).items():
                times[names[index], what].append(value)
        n_rounds += 1
    return dict(times)


def _visit(subject: Subject, clock: Callable[[], float]) -> dict[str, float]:
    """Time each task of a subject once. Its network is freed before that of the next subject is built."""
    return {what: task.scale * _seconds(task.call, clock) for what, task in subject().items()}


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """The time of a call. A short one is called twice, because the first call of a new network takes longer."""
    for _ in range(2):
        start = clock()
        call()
        seconds = clock() - start
        if seconds >= _LONG_S:
            break
    return seconds


def _is_stable(values: list[float]) -> bool:
    median, low, high = spread.of(values)
    return max(high - median, median - low) <= _STABLE * median


def extraction(sample_rate: int, n_mels: int, seconds: float, window: str, dtype: str) -> dict[str, Task]:
    """The extraction of a clip: from its samples to the spectrogram that is stored, in ms.

    It is what the workflow computes for every hop and log type, which are derived from the stored spectrogram (at x1
    and in dB) while training reads. Decoding the audio file and writing are not part of it.
    """
    signal = np.random.default_rng(0).standard_normal(n_samples(sample_rate, seconds), np.float32)
    libraries = ThreadpoolController()

    def extract() -> None:
        with libraries.limit(limits=1, user_api="blas"):  # as in the workflow, which uses a process for each core
            power = mel.mel_bands(mel.power_spectrum(signal, window), sample_rate, n_mels)
            mel.compress(power, "db").astype(dtype)

    return {"extraction_ms": Task(extract, 1000)}


def inference(model: nn.Module, cell: Cell, device: torch.device) -> dict[str, Task]:
    """The inference of a clip in batches of each size of `BATCHES`, as clips are scored, in ms.

    Large batches are computed in equal parts of `memory.SCORE_BATCH` clips, and one part is timed.
    """

    def of_batch(n_clips: int) -> Task:
        spectrograms = torch.randn(n_clips, 1, cell.n_mels, cell.n_frames, device=device)
        _wait(device)

        def infer() -> None:
            model.eval()
            with torch.inference_mode():
                model(spectrograms)
            _wait(device)

        return Task(infer, 1000 / n_clips)

    sizes = {batch: min(batch, memory.SCORE_BATCH[device.type]) for batch in BATCHES}
    return {f"inference_ms_batch_{batch}": of_batch(size) for batch, size in sizes.items()}


def epoch(
    model: nn.Module,
    cell: Cell,
    device: torch.device,
    *,
    n_clips: int,
    batch_size: int,
    n_tags: int,
    dtype: str,
) -> dict[str, Task]:
    """The training steps of an epoch of `n_clips` training clips, in seconds: one step, times their number.

    A step takes a batch of stored spectrograms, derives hop, log type and bits, and does all else that training does.
    The remainder counts as a full step. Reading from a disk and scoring the validation clips are not part of it.
    """
    sizes = batches.batch_sizes(n_clips, batch_size)
    size, rng = sizes[0], np.random.default_rng(0)
    shape = (size, cell.n_mels, cell.n_frames_at_x1)
    decibels = (15 * rng.standard_normal(shape, np.float32) - 40).astype(dtype)
    clip_ids = list(map(str, range(size)))
    rounded_by = quantizer.over_the_whole_range(cell.bits)
    places = np.zeros(size, int), np.arange(size)
    store = Store(clip_ids, [decibels], *places, cell.hop_factor, cell.log_type, rounded_by)
    feed = batches.feed(store, device)
    clips = loop.Clips(np.arange(size), rng.random((size, n_tags)) < 0.5)
    segments = loop._draw_segments(model, feed, size, rng)
    optimizer = Adam(model)
    _wait(device)

    def step() -> None:
        loop._pass(model, optimizer, _LEARNING_RATE, feed, clips, size, segments)

    return {"train_seconds_per_epoch": Task(step, len(sizes))}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


class Work(NamedTuple):
    """Processor time so far, in seconds, summed over all cores of the machine.

    Attributes
    ----------
    busy_s : float, of all programs, and of other virtual machines on the same cores
    total_s : float, busy or not
    own_s : float, of this program
    """

    busy_s: float
    total_s: float
    own_s: float


def work() -> Work:
    """The processor time that this machine has spent so far."""
    seconds = psutil.cpu_times()._asdict()
    total = sum(value for state, value in seconds.items() if not state.startswith("guest"))  # `user` contains `guest`
    return Work(total - seconds["idle"] - seconds.get("iowait", 0), total, time.process_time())


def others_percent(before: Work, after: Work) -> float:
    """The share of the machine's cores that others than this program kept busy, in percent; NaN if it is not known."""
    total = after.total_s - before.total_s
    busy = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return max(0.0, 100 * busy / total) if total > 0 else float("nan")
