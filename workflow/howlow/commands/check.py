"""Say what a configuration will do and take, before a run.

    howlow check my.yaml
    howlow check --without-data config/*.yaml

It reads the metadata of the datasets and the headers of the audio files. It prints the clips and the tags of each
split, the files that can't be used, and the storage, the memory and the computation that a run takes. If a run would
stop, the last line says why, and the exit status is 1.
"""

import argparse
import shlex

from howlow import config as configuration
from howlow.config import specs


def main(args: argparse.Namespace) -> None:
    for path in args.configs:
        config = configuration.load(path)
        for dataset in config["datasets"]:
            specs.paths(config, dataset)  # checks `~` and variables in paths
        if not args.without_data:
            from howlow.commands import overview  # only here, because its imports take seconds

            overview.show(config)
            print(f"\nNothing speaks against a run: make all CONFIG={shlex.quote(str(path))}")


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "configs", nargs="*", metavar="CONFIG", default=["config/config.yaml"],
        help="configuration files (default: config/config.yaml)",
    )  # fmt: skip
    options.add_argument(
        "--without-data", action="store_true",
        help="check the files of the configuration alone: it takes a second, and prints nothing if they are right",
    )  # fmt: skip
