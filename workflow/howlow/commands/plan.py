"""Count the jobs of each rule that configurations plan, without their data, and compare the numbers with a list.

    howlow plan config/my.yaml
    howlow plan --write my-plans.yaml config/my.yaml config/other.yaml
    howlow plan --expect my-plans.yaml

The last command fails if a change of a configuration or of howlow alters a plan, which is useful in continuous
integration.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from howlow import config as configuration
from howlow import files, provenance
from howlow.config import strict_yaml
from howlow.errors import HowlowError
from howlow.planning import plans

ROOT = provenance.PACKAGE.parents[1]


def main(args: argparse.Namespace) -> None:
    expected = _expected(args.expect) if args.expect else {}
    names = args.configs or list(expected)
    if not (ROOT / "Snakefile").is_file():
        raise HowlowError(
            f"there is no workflow beside {provenance.PACKAGE}; take the `howlow` that `make` installs in a clone"
        )
    if not names:
        raise HowlowError("there is nothing to plan; name a configuration, or a list of expected plans with --expect")
    for name in names:
        configuration.load(name)  # Snakemake's own reader may end in a traceback, or hang
    if args.write and args.write.is_file():
        _expected(args.write)  # only a list of plans is overwritten: a name may be missing after --write
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        planned = dict(zip(names, pool.map(_plan, names), strict=True))
    if args.write:
        with files.output(args.write) as target:
            target.write_text(yaml.safe_dump(planned, sort_keys=False))
    wrong = 0
    for name, jobs in planned.items():
        different = plans.differences(jobs, expected[name]) if name in expected else []
        wrong += bool(different)
        verdict = "" if name not in expected else ", not as expected" if different else ", as expected"
        print(f"{name}: {jobs['total']:,} jobs{verdict}")
        shown = different if name in expected else [f"{rule}: {n:,}" for rule, n in jobs.items() if rule != "total"]
        print("".join(f"  {line}\n" for line in shown), end="")
    if wrong:
        raise HowlowError(
            f"{wrong} of {len(planned)} plans are not as expected; if the new ones are right, write them with --write"
        )


def _expected(path: Path) -> dict[str, dict[str, int]]:
    listed = strict_yaml.read(path)
    plans_of = listed.values() if isinstance(listed, dict) else [None]
    if not all(isinstance(jobs, dict) and all(isinstance(n, int) for n in jobs.values()) for jobs in plans_of):
        raise HowlowError(f"{path}: has to give the number of jobs of each rule by configuration, as --write makes it")
    return listed


def _plan(name: str) -> dict[str, int]:
    """The number of jobs of each rule, planned in a new folder that has only the project's resources."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "resources").symlink_to(ROOT / "resources")
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
        command += ["--dry-run", "--quiet", "rules", "--configfile", Path(name).resolve()]
        process = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if process.returncode != 0:
        lines = [line.strip() for line in process.stdout.splitlines() if line.strip()]
        error = next((number for number, line in enumerate(lines) if "Error" in line), len(lines) - 2)
        raise HowlowError(f"{name} has no plan: {' '.join(lines[error : error + 2])}")
    return plans.planned_jobs(process.stdout)


def add_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("configs", nargs="*", help="configuration files (default: those in the list of --expect)")
    options.add_argument("--expect", type=Path, help="YAML file: the expected jobs of each rule, by configuration")
    options.add_argument("--write", type=Path, help="YAML file to write: the planned number of jobs")
