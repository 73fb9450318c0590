"""Estimate the jobs, the peak disk usage and the hours that a configuration takes on clusters of several sizes.

    howlow scale config/paper.yaml
    howlow scale my.yaml --nodes 4 --cores 16 --trainings 2 --training-gflops 12000

The speeds that it starts from are those of a CPU of a server; docs/scale.md says how to measure yours.
"""

import argparse

from howlow import config as configuration
from howlow.config import specs
from howlow.planning import forecast, scale

_HOUR_S = 3600


def main(args: argparse.Namespace) -> None:
    config = configuration.load(args.config)
    costs = scale.Costs(
        args.decode_ms, args.spectrum_ms, args.mel_ms, training_gflops=args.training_gflops, job_s=args.job_s
    )
    for dataset in dict.fromkeys(experiment["dataset"] for experiment in config["experiments"]):
        tracks, _ = forecast.clips(config, dataset) or (None, [])
        sizes = forecast.split_sizes(config, dataset, tracks)
        n_clips = sum(sizes.values())
        extraction = scale.extraction(config, dataset, n_clips, costs)
        trainings = scale.trainings(config, dataset, sizes["train"], costs)
        rates, shards = specs.sample_rates(config, dataset), config["datasets"][dataset]["shards"]
        n_pairs = len(rates) * shards
        print(f"{dataset}: {n_clips:,} clips in {shards} shards at {len(rates)} sample rates")
        print(
            f"  jobs: {n_pairs:,} decode, {n_pairs:,} spectrum, {len(extraction) - 2 * n_pairs:,} mel,"
            f" {len(trainings):,} train; of {_mean(extraction):.0f} s and {_mean(trainings) / _HOUR_S:.2f} h on average"
        )
        print("  nodes  extraction, h  trainings, h  disk kept, GB  at its fullest, GB")
        for n_nodes in args.nodes:
            n_slots = n_nodes * args.cores
            kept, temporary = scale.peak_bytes(config, dataset, n_clips, n_slots)
            hours = scale.makespan_s(extraction, n_slots) / _HOUR_S
            training_hours = scale.makespan_s(trainings, n_nodes * args.trainings) / _HOUR_S
            print(
                f"  {n_nodes:>5}  {hours:>13.2f}  {training_hours:>12.1f}  {kept / 1e9:>13.1f}"
                f"  {(kept + temporary) / 1e9:>18.1f}"
            )


def _mean(tasks: list[scale.Task]) -> float:
    return sum(task.seconds for task in tasks) / len(tasks)


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("config", metavar="CONFIG", help="configuration file")

    def add(name: str, default: float, meaning: str) -> None:
        options.add_argument(name, type=type(default), default=default, help=f"{meaning} (default: {default})")

    options.add_argument(
        "--nodes", type=int, nargs="+", default=[1, 8, 64], help="numbers of nodes to compute for (default: 1 8 64)"
    )
    add("--cores", 8, "extraction jobs at once on a node, one core each")
    add("--trainings", 1, "trainings at once on a node, such as its GPUs")
    add("--decode-ms", 14.0, "time to decode a clip at one sample rate")
    add("--spectrum-ms", 2.2, "time of 1000 frames of spectra, with writing")
    add("--mel-ms", 0.06, "time of 1000 frames of a mel band, with writing")
    add("--training-gflops", 45.0, "speed of one training; a GPU reaches some 10,000")
    add("--job-s", 10.0, "time of a job before its own work starts")
