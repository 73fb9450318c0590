"""Cancel the SLURM jobs that an earlier run left in this folder, and wait until all have ended.

    howlow cancel

docs/slurm.md explains how to go on afterwards.
"""

import argparse
from pathlib import Path

from howlow.planning import cluster


def main(args: argparse.Namespace) -> None:
    jobs = cluster.cancel(Path.cwd())
    print(f"{len(jobs)} jobs cancelled; none is left in the queue. Go on with: snakemake --profile slurm --unlock")
    print("and then: snakemake --profile slurm")


def add_options(options: argparse.ArgumentParser) -> None:
    """It has none."""
