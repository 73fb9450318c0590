"""Estimate the jobs, the peak disk usage and the hours that a configuration takes on clusters of several sizes."""

import argparse

from howlow import config as configuration
from howlow import program
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


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    options.add_argument("config", help="configuration file")
    options.add_argument("--nodes", type=int, nargs="+", default=[1, 8, 64], help="numbers of nodes to compute for")
    options.add_argument("--cores", type=int, default=8, help="extraction jobs at once on a node, one core each")
    options.add_argument("--trainings", type=int, default=1, help="trainings at once on a node, such as its GPUs")
    options.add_argument("--decode-ms", type=float, default=14, help="time to decode a clip at one sample rate")
    options.add_argument("--spectrum-ms", type=float, default=2.2, help="time of 1000 frames of spectra, with writing")
    options.add_argument("--mel-ms", type=float, default=0.06, help="time of 1000 frames of a mel band, with writing")
    options.add_argument(
        "--training-gflops", type=float, default=45, help="speed of one training; a GPU reaches some 10,000"
    )
    options.add_argument("--job-s", type=float, default=10, help="time of a job before its own work starts")
    program.run(main, options)
