"""Estimates of the jobs, the peak disk usage and the hours that a configuration takes on a cluster."""

from collections import defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from howlow.config import cells, specs
from howlow.features import mel
from howlow.features.representation import n_frames, n_samples
from howlow.planning import forecast


@dataclass(frozen=True)
class Costs:
    """The cost of a clip on one core, and the overhead of a job.

    Attributes
    ----------
    decode_ms : time to decode a clip at one sample rate
    spectrum_ms_per_kframe : time to compute and write the spectra of 1000 frames
    mel_ms_per_band_kframe : time to compute, compress, write and hash 1000 frames of one band
    training_gflops : speed of one training, in 1e9 floating-point operations per second
    job_s : time from the start of a job to the start of its own work, including imports
    """

    decode_ms: float
    spectrum_ms_per_kframe: float
    mel_ms_per_band_kframe: float
    training_gflops: float
    job_s: float


@dataclass(frozen=True)
class Cluster:
    """The size of a cluster: extraction takes one core a job, and `trainings_per_node` trainings run on a node."""

    n_nodes: int
    cores_per_node: int
    trainings_per_node: int


@dataclass(frozen=True)
class Task:
    """A job: its duration, and the number of the job that it waits for, if any."""

    seconds: float
    after: int | None = None


def extraction(config: dict[str, Any], dataset: str, n_clips: int, costs: Costs) -> list[Task]:
    """All jobs of `decode`, `spectrum` and `mel` for a dataset, each after the job whose output it reads."""
    settings = config["datasets"][dataset]
    clips = n_clips / settings["shards"]
    tasks: list[Task] = []
    for sample_rate, bands in _bands(config, dataset).items():
        kframes = n_frames(n_samples(sample_rate, settings["seconds"])) / 1000
        for _ in range(settings["shards"]):
            tasks.append(Task(costs.job_s + clips * costs.decode_ms / 1000))
            tasks.append(Task(costs.job_s + clips * kframes * costs.spectrum_ms_per_kframe / 1000, len(tasks) - 1))
            spectra = len(tasks) - 1
            band_s = clips * kframes * costs.mel_ms_per_band_kframe / 1000
            tasks += [Task(costs.job_s + n_mels * band_s, spectra) for n_mels in sorted(bands)]
    return tasks


def trainings(config: dict[str, Any], dataset: str, n_train: int, costs: Costs) -> list[Task]:
    """The jobs of all trainings on a dataset, the longest first."""
    tasks = [
        Task(costs.job_s + flop / (costs.training_gflops * 1e9))
        for experiment in config["experiments"]
        if experiment["dataset"] == dataset
        for flop in forecast.training_flop(config, experiment, n_train)
        for _ in config["seeds"]
    ]
    return sorted(tasks, key=lambda task: -task.seconds)


def makespan_s(tasks: list[Task], n_slots: int) -> float:
    """Seconds until all tasks are done when `n_slots` run at once, and those deepest in their chains start first."""
    following: dict[int | None, list[int]] = defaultdict(list)
    depth: list[int] = []
    for number, task in enumerate(tasks):
        following[task.after].append(number)
        depth.append(0 if task.after is None else depth[task.after] + 1)
    ready = [(0, number) for number in following[None]]
    running: list[tuple[float, int]] = []
    now_s = 0.0
    while ready or running:
        while ready and len(running) < n_slots:
            number = heappop(ready)[1]
            heappush(running, (now_s + tasks[number].seconds, number))
        now_s, done = heappop(running)
        for number in following[done]:
            heappush(ready, (-depth[number], number))
    return now_s


def peak_bytes(config: dict[str, Any], dataset: str, n_clips: int, n_slots: int) -> tuple[int, int]:
    """Bytes of a dataset's stores, and of the audio and spectra that exist while `n_slots` jobs run.

    Each running job is counted with both the audio and the spectra of a shard, which exist together for a moment.
    """
    settings = config["datasets"][dataset]
    kept = int(forecast.stores(config, dataset, n_clips)["total_bytes"].sum())
    rates = specs.sample_rates(config, dataset)
    frames = n_frames(n_samples(max(rates), settings["seconds"]))
    spectra = frames * (mel.FRAME_SIZE // 2 + 1) * 4 * -(-n_clips // settings["shards"])
    at_once = min(n_slots, settings["shards"] * len(rates))
    return kept, at_once * (forecast.shard_bytes(config, dataset, n_clips) + spectra)


def _bands(config: dict[str, Any], dataset: str) -> dict[int, set[int]]:
    bands: dict[int, set[int]] = defaultdict(set)
    for experiment in config["experiments"]:
        if experiment["dataset"] == dataset:
            for cell in cells(config, experiment).values():
                bands[cell.sample_rate].add(cell.n_mels)
    return bands
