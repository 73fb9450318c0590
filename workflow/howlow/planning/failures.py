"""Says in one line for each failed job why it failed, from Snakemake's messages and the job's own logs."""

import logging
import re
import shutil
from pathlib import Path
from typing import Any

from howlow import program

_MEMORY = re.compile(r"exceeded (job )?memory limit|oom.kill|out.of.memory", re.IGNORECASE)
_TIME = re.compile(r"due to time limit|status is: 'TIMEOUT'", re.IGNORECASE)
_INTERRUPTED = "Terminating processes on user request"  # Snakemake says this, and gives it no event
_TRACEBACK = "Traceback (most recent call last):"
_FULL_BYTES = 100_000
"""A disk with less free space than this counts as full, because an error message may not have fitted."""


class Failures(logging.Handler):
    """Collects the jobs of a run that failed.

    It is added to Snakemake's logger and gets the same records as Snakemake's logger plugins. Snakemake's log file is
    not used, because it leaves out failed jobs with `--quiet rules`, which the Makefile sets.
    """

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[int, dict[str, Any]] = {}
        self._interrupted = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note a job that failed, and forget it when another attempt succeeds; note that the user ends the run."""
        told = vars(record)
        event = told.get("event")
        if record.getMessage().startswith(_INTERRUPTED):
            self._interrupted = True
        if event == "job_error":
            self._jobs[told["jobid"]] = told
        elif event == "job_finished":
            self._jobs.pop(told["job_id"], None)

    def reasons(self) -> list[str]:
        """One line for each job that failed, with its result, the reason and its log; one for all that were stopped."""
        failed = [job for job in self._jobs.values() if not _is_stopped(job, self._interrupted)]
        told = [f"Failed: {_reason(job)}" for job in failed]
        if len(failed) < len(self._jobs):
            told.append("Stopped by Ctrl-C. What is finished is kept, and the same command goes on from here.")
        return told


def _is_stopped(job: dict[str, Any], interrupted: bool) -> bool:
    """Whether the user has stopped a job: it tells so, or was still importing what it needs, or had not yet begun."""
    if job["rule_msg"] and not job["aux"].get("external_jobid"):  # it was not submitted, and the log is of another run
        return False
    lines = _text(Path(job["log"][0])).split("\n")
    return program.STOPPED in lines or "KeyboardInterrupt" in lines or (interrupted and lines == [""])


def _reason(job: dict[str, Any]) -> str:
    rule, output, logs = job["rule_name"], job["output"], [Path(log) for log in job["log"]]
    # The JSON files among the outputs are records, so another file names the result better.
    result = next((file for file in output if not file.endswith(".json")), output[0])
    if rule == "train":  # the folder names the cell and the seed
        result = str(Path(result).parent)
    slurm_job, message = job["aux"].get("external_jobid"), job["rule_msg"] or ""
    by_slurm = "\n".join([message, *map(_text, logs[1:])])
    if message and not slurm_job:
        why = f"not submitted: {' '.join(message.split())}"
    elif own := [line for line in _text(logs[0]).split("\n") if line.startswith("howlow ")]:
        why = own[-1]
    elif _MEMORY.search(by_slurm):
        why = f"killed, because it needed more memory than it had asked for (mem_mb of the rule {rule})"
    elif _TIME.search(by_slurm):
        why = f"stopped at its time limit (runtime of the rule {rule})"
    else:
        why = _last_words(logs[0])
    return f"{result}: {why}; log: {logs[0]}" + (f", SLURM job {slurm_job}: {logs[-1]}" if slurm_job else "")


def _last_words(log: Path) -> str:
    text = _text(log)
    if _TRACEBACK in text:
        after = text.rpartition(_TRACEBACK)[2].split("\n")
        error = next((line for line in after if line.strip() and not line.startswith(" ")), "cut off")
        return f"an unexpected error in the program: {error}"
    folder = next(folder for folder in log.parents if folder.is_dir())
    if shutil.disk_usage(folder).free < _FULL_BYTES:
        return f"no space left on the disk of {folder}, not even for an error message; make room and start again"
    return "it ended without an error message; it may have been killed for lack of memory"


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.is_file() else ""
