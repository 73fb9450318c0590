"""Check configuration files in a second, without their data: one line says what is wrong, and where."""

import argparse
import sys

from howlow import config as configuration
from howlow import specs
from howlow.errors import HowlowError


def main(paths: list[str]) -> None:
    for path in paths:
        config = configuration.load(path)
        for dataset in config["datasets"]:
            specs.paths(config, dataset)  # which expands `~` and variables


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("configs", nargs="+", help="configuration files")
    try:
        main(options.parse_args().configs)
    except HowlowError as error:
        sys.exit(f"howlow validate: {error}")
