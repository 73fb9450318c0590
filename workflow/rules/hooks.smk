# Checks before a run, and reports after it, such as the reasons why jobs failed.
from howlow.planning import cluster, failures, progress

results_folder = Path("results")
if results_folder.is_symlink() and not results_folder.exists():
    raise WorkflowError(
        f"results: this link leads to {results_folder.readlink()}, which is not there; make that folder, or remove the link"
    )
if results_folder.exists() and not results_folder.is_dir():
    raise WorkflowError("results: this is a file, and the results need a folder of this name; rename the file")

FAILURES = failures.Failures()
logger.addHandler(FAILURES)

BAR = progress.Bar(sys.stderr)
if snakemake_internals.wants_a_bar(workflow):
    logger.addHandler(BAR)
    snakemake_internals.show_only_warnings(logger, BAR.clear)


onstart:
    if not snakemake_internals.is_local(workflow):
        if any(each["training"]["device"] == "auto" for each in EXPERIMENTS.values()):
            logger.warning("Trainings with `device: auto` request no GPU from the cluster; `device: cuda` does.")
        try:
            cluster.refuse_second_writer(Path.cwd())
        except HowlowError as error:
            raise WorkflowError(str(error))
    limit_gpus()
    refuse_too_large(snakemake_internals.jobs_to_run(workflow))
    snakemake_internals.lift_limit_of_submissions(workflow)


onsuccess:
    BAR.close()
    differing = {path: found for path, found in CHANGED.items() if found}
    if snakemake_internals.is_touching(workflow) and differing:
        path, found = next(iter(differing.items()))
        raise WorkflowError(
            f"{path.parent}: {found.words}. `--touch` does not change what made a result, so the next run makes"
            f" {len(differing)} results again, including this one"
        )


onerror:
    BAR.close()
    for reason in FAILURES.reasons():
        print(reason, file=sys.stderr)  # the logger is silent under `--quiet all`
