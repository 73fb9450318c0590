"""The number of jobs that a dry run of Snakemake announces, compared with the expected one."""


def planned_jobs(printed: str) -> dict[str, int]:
    """The jobs of each rule, and their `total`, as `snakemake -n --quiet rules` printed them; empty without jobs."""
    lines = iter(printed.splitlines())
    for line in lines:
        if line.split() == ["job", "count"]:
            next(lines)
            rows = (row.split() for row in iter(lambda: next(lines, "").strip(), ""))
            return {rule: int(count) for rule, count in rows}
    return {}


def differences(planned: dict[str, int], expected: dict[str, int]) -> list[str]:
    """One line for each rule whose number of jobs is not the expected one."""
    rules = sorted(planned.keys() | expected.keys())
    return [
        f"{rule}: {planned.get(rule, 0)} planned, {expected.get(rule, 0)} expected"
        for rule in rules
        if planned.get(rule, 0) != expected.get(rule, 0)
    ]
