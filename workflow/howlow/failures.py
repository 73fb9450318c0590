"""Why jobs failed, in a line each, from Snakemake's own log and the logs that it names."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^Error in rule (?P<rule>\w+):\n(?P<facts>(?:^ {4}.*\n)+)", re.MULTILINE)
_MEMORY = re.compile(r"exceeded (job )?memory limit|oom.kill|out.of.memory", re.IGNORECASE)
_TIME = re.compile(r"due to time limit|status is: 'TIMEOUT'", re.IGNORECASE)


def reasons(snakemake_log: Path) -> list[str]:
    """One line for each job that failed: its results, the reason, its log.

    Parameters
    ----------
    snakemake_log : the log of a whole run, which names the logs of the jobs
    """
    blocks = _BLOCK.finditer(snakemake_log.read_text(errors="replace"))
    by_output: dict[str, str] = {}
    for block in blocks:  # the first of a job is the outermost: those of its runs inside SLURM are shown after it
        by_output.setdefault(_fact(block["facts"], "output"), _reason(block["rule"], block["facts"]))
    return list(by_output.values())


def _reason(rule: str, facts: str) -> str:
    output = [Path(file) for file in _fact(facts, "output").split(", ")]
    # The files of a training stand for their folder, whose name is the cell's.
    result = output[0].parent if len(output) > 1 and len({file.parent for file in output}) == 1 else output[0]
    logs = [Path(log) for log in _fact(facts, "log").removesuffix(" (check log file(s) for error details)").split(", ")]
    texts = [log.read_text(errors="replace") if log.is_file() else "" for log in logs]
    told = "\n".join([facts, *texts])
    if _MEMORY.search(told):
        why = f"killed, because it needed more memory than it had asked for (mem_mb of the rule {rule})"
    elif _TIME.search(told):
        why = f"stopped at its time limit (runtime of the rule {rule})"
    else:
        why = _last_words(texts[0])
    job = _fact(facts, "external_jobid")
    return f"{result}: {why}; log: {logs[0]}" + (f", SLURM job {job}: {logs[-1]}" if job else "")


def _last_words(log: str) -> str:
    lines = log.split("\n")
    own = [line for line in lines if line.startswith("howlow ")]
    if own:
        return own[-1]
    if "Traceback (most recent call last):" in log:
        return f"an error of the program: {[line for line in lines if line][-1]}"
    return "ended without a word; was it killed, for the machine's memory perhaps?"


def _fact(facts: str, name: str) -> str:
    """What Snakemake says of a failed job under a name; nothing if it does not."""
    found = re.search(rf"^ {{4}}{name}: (.*)$", facts, re.MULTILINE)
    return found[1] if found else ""
