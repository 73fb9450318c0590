"""Finds and cancels the SLURM jobs that runs in a folder left in the queue."""

import shutil
import subprocess
import time
from pathlib import Path

from howlow.errors import HowlowError

NAME_PREFIX = "howlow"
"""The beginning of the names of all jobs (`slurm-jobname-prefix` in profiles/slurm)."""

_TIMEOUT_S = 60


class ClusterError(HowlowError):
    """SLURM does not answer, or its queue holds jobs that must not be there. The message says what to do."""


def queued_jobs(folder: Path) -> list[str]:
    """The ids of this user's jobs, pending or running, that work in `folder`.

    Raises
    ------
    ClusterError
        if there is no `squeue`, or if it fails
    """
    rows = _slurm("squeue", "--me", "--noheader", "--format=%i|%j|%Z").splitlines()
    jobs = [row.split("|", 2) for row in rows]
    return [job for job, name, where in jobs if name.startswith(NAME_PREFIX) and Path(where) == folder.resolve()]


def refuse_second_writer(folder: Path) -> None:
    """Make sure that no job of an earlier run still writes into `folder`.

    Raises
    ------
    ClusterError
        if a job does, because it and the new run might write the same result
    """
    if shutil.which("squeue") is None:  # the cluster does not use SLURM
        return
    jobs = queued_jobs(folder)
    if jobs:
        raise ClusterError(
            f"SLURM jobs of an earlier run still work in this folder, {len(jobs)} in all ({', '.join(jobs[:5])}"
            f"{', ...' if len(jobs) > 5 else ''}); end them with `howlow cancel` and start again"
        )


def cancel(folder: Path, patience_s: float = 300) -> list[str]:
    """Cancel all jobs that work in `folder`, wait until none is left, and return their ids.

    Raises
    ------
    ClusterError
        if SLURM fails, or some jobs are still there after `patience_s`
    """
    jobs = queued_jobs(folder)
    if jobs:
        _slurm("scancel", *jobs)
    end = time.monotonic() + patience_s
    while left := queued_jobs(folder):
        if time.monotonic() > end:
            raise ClusterError(f"these jobs are still in the queue after {patience_s:g} s: {', '.join(left)}")
        time.sleep(1)
    return jobs


def _slurm(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=_TIMEOUT_S).stdout
    except FileNotFoundError:
        raise ClusterError(
            f"there is no `{command[0]}` here: run this on a machine that has SLURM's commands"
        ) from None
    except subprocess.CalledProcessError as error:
        raise ClusterError(f"{command[0]}: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} has not answered for {_TIMEOUT_S} s") from None
