"""Print what a configuration will take before anything runs: storage, temporary audio and trainings."""

import argparse
import sys

from howlow import config as configuration
from howlow import forecast, specs
from howlow.errors import HowlowError


def main(path: str) -> None:
    config = configuration.load(path)
    sizes = {}
    for dataset in dict.fromkeys(experiment["dataset"] for experiment in config["experiments"]):
        sizes[dataset], is_counted = forecast.split_sizes(config, dataset)
        n_clips = sum(sizes[dataset].values())
        origin = "" if is_counted else f", as published: no metadata in {specs.root(config, dataset)} yet"
        print(f"{dataset}: {n_clips:,} clips ({', '.join(f'{n:,} {s}' for s, n in sizes[dataset].items())}){origin}\n")
        stores = forecast.stores(config, dataset, n_clips)
        total = stores["total_bytes"].sum()
        shown = stores.assign(GB=stores["total_bytes"] / 1e9).drop(columns="total_bytes")
        print(shown.to_string(index=False, formatters={"bytes_per_clip": "{:,}".format, "GB": "{:.2f}".format}))
        print(f"\nspectrograms: {total / 1e9:.1f} GB to keep ({config['spectrograms']['dtype']}, in dB)")
        audio = forecast.shard_bytes(config, dataset, n_clips)
        print(f"audio: {audio / 1e9:.2f} GB for each shard in work, deleted when its spectrograms are there\n")
    trainings = forecast.trainings(config, sizes)
    print(trainings.to_string(index=False, formatters={"flop": "{:.3g}".format}))
    print(f"\n{trainings['trainings'].sum()} trainings, {trainings['flop'].sum():.3g} floating-point operations")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("config", nargs="?", default="config/config.yaml", help="configuration file")
    try:
        main(options.parse_args().config)
    except HowlowError as error:
        sys.exit(f"howlow forecast: {error}")
