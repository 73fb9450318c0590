"""The uses of Snakemake's undocumented interface, with one function for each.

A new version of Snakemake may change any of it. The function then reports what is missing, instead of failing somewhere
else.
"""

import functools
import importlib.util
import logging
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import snakemake
from packaging.version import Version
from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod

OLDEST, FIRST_UNTRIED = "9.27.1", "10"
"""The tested versions of Snakemake: from the first up to, but without, the second."""

T = TypeVar("T")


def _internal(function: Callable[..., T]) -> Callable[..., T]:
    """Give a function a clear error if Snakemake's internals are not as it expects."""

    @functools.wraps(function)
    def explained(*arguments: Any) -> T:
        try:
            return function(*arguments)
        except (AttributeError, TypeError) as error:
            raise WorkflowError(
                f"Snakemake {snakemake.__version__} is not as this workflow knows it: {error} (in"
                f" {function.__name__} of workflow/snakemake_internals.py). It is known to run with Snakemake from"
                f" {OLDEST} up to, but without, {FIRST_UNTRIED}; install such a version"
            ) from None

    return explained


@_internal
def configuration_files(workflow: Any) -> list[Path]:
    """The configuration files that were named on the command line."""
    return list(map(Path, workflow.configfiles))


@_internal
def configuration_overrides(workflow: Any) -> dict[str, Any]:
    """The settings of `--config` on the command line, as Snakemake parsed them."""
    return dict(workflow.config_settings.config)


@_internal
def set_default_target(workflow: Any, rule: str) -> None:
    """Choose the rule that is made if the user names no target."""
    if workflow.default_target is None:  # with no rule of its own before
        workflow.default_target = rule


@_internal
def refuse_module(workflow: Any) -> None:
    """Raise an error if another workflow uses this one as a module.

    Raises
    ------
    WorkflowError
        the message says what to do instead
    """
    if not workflow.modifier.is_main_snakefile():
        raise WorkflowError(
            "howlow is no module for other workflows, because its programs find results by their places below"
            " results/. Clone it, and run it in its own folder or with --directory"
        )


@_internal
def is_main_process(workflow: Any) -> bool:
    """Whether this is the Snakemake process that the user started, and not one that runs a job for it."""
    return bool(workflow.is_main_process)


@_internal
def is_local(workflow: Any) -> bool:
    """Whether jobs run on this machine, and not on a cluster."""
    return bool(workflow.local_exec)


@_internal
def is_touching(workflow: Any) -> bool:
    """Whether Snakemake was started with `--touch`."""
    return bool(workflow.touch)


@_internal
def wants_a_bar(workflow: Any) -> bool:
    """Whether a run is to leave out Snakemake's messages about rules and the host, by `--quiet rules host`.

    With `--quiet progress`, Snakemake would not tell its loggers which jobs have finished.
    """
    return set(workflow.output_settings.quiet or ()) == {Quietness.RULES, Quietness.HOST} and not workflow.dryrun


@_internal
def uses_apptainer(workflow: Any) -> bool:
    """Whether the programs of the rules run in a container."""
    return DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


@_internal
def show_only_warnings(logger: logging.Logger, before: Callable[[], object]) -> None:
    """Leave out what Snakemake prints about its steps; its warnings, its errors and its log file stay as they are.

    The command of a job that failed is left out, too, because `onerror` tells the reason. `before` is called before
    something is printed.
    """

    def is_shown(record: logging.LogRecord) -> bool:
        shown = record.levelno >= logging.WARNING and "CalledProcessError in file" not in record.getMessage()
        if shown:
            before()
        return shown

    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_shown)


@_internal
def note_new_file(workflow: Any, path: str) -> None:
    """Let Snakemake see a file that was written after it listed the file's folder, which it does once."""
    workflow.iocache.exists_local[path] = True


@_internal
def is_forcing(workflow: Any) -> bool:
    """Whether the user forces some job to run again; that job then needs its inputs."""
    settings = workflow.dag_settings
    return bool(settings.forceall or settings.forcerun or settings.forcetargets or settings.force_incomplete)


@_internal
def jobs_to_run(workflow: Any) -> list[Any]:
    """The jobs that this run is going to run, each with its `rule.name` and `wildcards`."""
    return [job for job in workflow.dag.jobs if workflow.dag.needrun(job)]


@_internal
def limit(workflow: Any, resource: str) -> int | None:
    """The amount of a resource that all running jobs may take together, by `--resources`; None if it is not given."""
    resources = workflow.global_resources
    return resources[resource].value if resource in resources else None


@_internal
def set_limit(workflow: Any, resource: str, amount: int) -> None:
    """Set the limit of a resource at the start of a run, as `--resources` would.

    The rules can't do so earlier, because Snakemake does not know then whether jobs run on this machine.
    """
    for table in (workflow.global_resources, workflow.scheduler.global_resources, workflow.scheduler.resources):
        table[resource] = amount


@_internal
def lift_limit_of_submissions(workflow: Any) -> None:
    """Remove Snakemake's default limit of 100 submissions per second; a limit that the user set stays.

    With this limit, Snakemake 9 checks all jobs once per second for each job that has finished so far, which takes half
    a core after 200 jobs. Jobs here last for seconds and need no limit.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def refuse_untried_version() -> None:
    """Raise an error unless this version of Snakemake has been tested with this workflow.

    Raises
    ------
    WorkflowError
        the message names the tested versions
    """
    found, oldest, untried = map(Version, (snakemake.__version__, OLDEST, FIRST_UNTRIED))
    if not oldest <= found < untried:
        raise WorkflowError(
            f"This is Snakemake {found}; howlow is known to run with versions from {OLDEST} up to, but without,"
            f" {FIRST_UNTRIED}. Install such a version, for instance by `pip install -r envs/requirements.txt`"
        )


def refuse_other_library(folder: Path) -> None:
    """Raise an error unless the package `howlow` that Python finds is the one in a folder, that of this workflow.

    Raises
    ------
    WorkflowError
        the message says where the package comes from, and how to install this one
    """
    found = importlib.util.find_spec("howlow")
    if found is None or Path(found.submodule_search_locations[0]).resolve() != (folder / "howlow").resolve():
        instead = f"it has that of {Path(found.origin).parent}" if found else "it has none"
        raise WorkflowError(
            f"This environment does not have the package howlow of this folder: {instead}. Install it with"
            f" `python -m pip install --no-deps --editable {shlex.quote(str(folder.parent))}`, or run `make` there"
        )
