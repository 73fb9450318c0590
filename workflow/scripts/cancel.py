"""Cancel the SLURM jobs that an earlier run left in this folder, and wait until all have ended."""

import argparse
import sys
from pathlib import Path

from howlow.errors import HowlowError
from howlow.planning import cluster

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        jobs = cluster.cancel(Path.cwd())
    except HowlowError as error:
        sys.exit(f"howlow cancel: {error}")
    print(f"{len(jobs)} jobs cancelled; none is left in the queue. Go on with: snakemake --profile slurm --unlock")
    print("and then: snakemake --profile slurm")
