"""Reads what a dry run of Snakemake announces, and compares it with what was expected."""


def planned_jobs(printed: str) -> dict[str, int]:
    """The number of jobs of each rule, and in `total`, that `snakemake -n --quiet rules` prints; empty without jobs."""
    lines = iter(printed.splitlines())
    for line in lines:
        if line.split() == ["job", "count"]:
            next(lines)
            rows = (row.split() for row in iter(lambda: next(lines, "").strip(), ""))
            return {rule: int(count) for rule, count in rows}
    return {}


def differences(planned: dict[str, int], expected: dict[str, int]) -> list[str]:
    """A line for each rule whose number of jobs is not the expected one."""
    rules = sorted(planned.keys() | expected.keys())
    return [
        f"{rule}: {planned.get(rule, 0)} planned, {expected.get(rule, 0)} expected"
        for rule in rules
        if planned.get(rule, 0) != expected.get(rule, 0)
    ]
