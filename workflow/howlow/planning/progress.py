"""One bar for a whole run: how far it is, what is being done, and how long it will still take."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

_LINE_S = 60
"""The seconds between two lines where there is no terminal to draw a bar on."""


class Bar(logging.Handler):
    """Follows a run by the records of Snakemake's logger, and shows one bar instead of them.

    Where the stream is no terminal, it is one line a minute.

    Parameters
    ----------
    stream : where to show it
    clock : gives the seconds since some moment
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream, self._clock = stream, clock
        self._waiting: Counter[str] = Counter()  # the jobs of each rule that have not finished
        self._begun: dict[int, tuple[str, float]] = {}  # the rule of each running job, and when it began
        self._durations_s: dict[str, list[float]] = defaultdict(list)
        self._busy_s = 0.0  # the time of all jobs together, also of those that failed
        self._total = 0
        self._doing = ""
        self._start = self._last_line = clock()
        self._bar: tqdm | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Note what begins and what ends."""
        told = vars(record)
        event = told.get("event")
        if event == "run_info":
            self._waiting = Counter({rule: n for rule, n in told["stats"].items() if rule != "total"})
            self._total = self._waiting.total()
        elif event == "job_info":
            self._begun[told["jobid"]] = (told["rule_name"], self._clock())
            values = (told["wildcards"] or {}).items()
            self._doing = " ".join([told["rule_name"], *(_named(name, value) for name, value in values)])
        elif event == "job_error":
            self._end(told["jobid"])
        elif event == "job_finished" and (job := self._end(told["job_id"])):
            rule, taken_s = job
            self._waiting[rule] -= 1
            self._durations_s[rule].append(taken_s)
        else:
            return
        if self._total:
            self._show()

    def _end(self, jobid: int) -> tuple[str, float] | None:
        """The rule of a job that ended, and how long it took; None if its begin was not told."""
        job = self._begun.pop(jobid, None)
        if job is None:
            return None
        taken_s = self._clock() - job[1]
        self._busy_s += taken_s
        return job[0], taken_s

    def clear(self) -> None:
        """Make room for a message; the next step shows the bar again."""
        if self._bar is not None:
            self._bar.clear()

    def close(self) -> None:
        """Remove the bar, so that messages can follow."""
        if self._bar is not None:
            self._bar.close()
        super().close()

    def remaining_s(self) -> float | None:
        """An estimate of the seconds that the run will still take; None as long as too little is known.

        A job that waits will take as long as those of its rule took on average, and as many will run at once as did.
        """
        seen = {rule: sum(taken) / len(taken) for rule, taken in self._durations_s.items()}
        n_waiting = self._waiting.total()
        if not seen or 2 * sum(self._waiting[rule] for rule in seen) < n_waiting:
            return None
        taken_s = [taken for of_rule in self._durations_s.values() for taken in of_rule]
        of_any_s = sum(taken_s) / len(taken_s)
        now = self._clock()
        busy_s = self._busy_s + sum(now - begun for _, begun in self._begun.values())
        left_s = sum(n * seen.get(rule, of_any_s) for rule, n in self._waiting.items())
        left_s -= sum(min(now - begun, seen.get(rule, of_any_s)) for rule, begun in self._begun.values())
        return left_s * (now - self._start) / max(busy_s, 1e-9)

    def _show(self) -> None:
        n_done = self._total - self._waiting.total()
        left_s = self.remaining_s()
        left = "" if left_s is None else f"about {in_words(left_s)} left, "
        if not self._stream.isatty():
            if self._clock() - self._last_line >= _LINE_S:
                self._last_line = self._clock()
                print(f"{n_done:,} of {self._total:,} steps, {left}{self._doing}", file=self._stream, flush=True)
            return
        if self._bar is None:
            layout = "{n_fmt} of {total_fmt} steps |{bar:16}| {desc}"
            self._bar = tqdm(total=self._total, file=self._stream, leave=False, bar_format=layout, dynamic_ncols=True)
        self._bar.set_description_str(f"{left}{self._doing}", refresh=False)
        self._bar.n = n_done
        self._bar.refresh()


def _named(wildcard: str, value: object) -> str:
    """The value of a wildcard; one that is only a number is told with its name."""
    return f"{wildcard} {value}" if wildcard in ("seed", "shard") else str(value)


def in_words(seconds: float) -> str:
    """A rough length of time: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
