"""Check configuration files in a second and without their data; one line says what is wrong, and where."""

import argparse

from howlow import config as configuration
from howlow import program
from howlow.config import specs


def main(args: argparse.Namespace) -> None:
    for path in args.configs:
        config = configuration.load(path)
        for dataset in config["datasets"]:
            specs.paths(config, dataset)  # checks `~` and variables in paths


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("configs", nargs="+", help="configuration files")
    program.run(main, options)
