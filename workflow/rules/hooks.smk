# Before and after a run: what Snakemake knows of earlier results, what it refuses, and what it says of failures.
import shutil

from howlow import cluster, failures

# Where Snakemake keeps how each result was made, and where howlow has it keep that.
MEMORY, KEPT_MEMORY = Path(".snakemake", "metadata"), Path("results", ".snakemake")

FAILURES = failures.Failures()
logger.addHandler(FAILURES)


def keep_memory():
    """Keep Snakemake's memory of how each result was made with the results: it then goes wherever these are copied."""
    if MEMORY.is_symlink() or MEMORY.parent.is_symlink():
        return
    KEPT_MEMORY.mkdir(parents=True, exist_ok=True)
    # Without this folder, Snakemake takes the other for an old version's.
    MEMORY.with_name("incomplete").mkdir(parents=True, exist_ok=True)
    if MEMORY.is_dir():
        for record in MEMORY.iterdir():
            if not (KEPT_MEMORY / record.name).exists():  # those of these very results count
                shutil.move(record, KEPT_MEMORY)
        shutil.rmtree(MEMORY)
    MEMORY.symlink_to(Path("..") / KEPT_MEMORY)


def refuse_stale(jobs):
    """Have the next run make what of these jobs' results is of another configuration or code; name it and fail."""
    from howlow import aggregation  # here, because it imports pandas

    stages = {stage: code(stage) for stage in ("decode", "spectrum", "mel", "train")}
    told = {
        record.parent: aggregation.told(record, key)
        for each in EXPERIMENTS.values()
        for record, key in aggregation.stale(specs.aggregate(config, each), Path("results"), stages)
    }
    stale = [job for job in jobs if job.rule.name in ("mel", "train") and folder_of(job) in told]
    for job in stale:
        workflow.persistence.started(job)  # and not finished
    if stale:
        raise WorkflowError(f"{told[folder_of(stale[0])]}. Start again, and it is made anew")


def remember_finished():
    """Have Snakemake know of results whose jobs ended while it was dead: on a cluster they go on without it."""
    settled = (job for job in workflow.dag.jobs if not workflow.dag.needrun(job))
    unknown = [job for job in settled if not workflow.persistence.has_metadata(job)]
    if unknown:
        refuse_stale(unknown)
        for job in unknown:
            workflow.async_run(workflow.persistence.finished(job))


def folder_of(job):
    return Path(job.output[0]).parent


# The jobs of a cluster read this file as well, and leave it all to the Snakemake that submitted them.
if workflow.is_main_process:
    if MEMORY.is_symlink() and not MEMORY.exists():  # the results were deleted
        MEMORY.unlink()
    if KEPT_MEMORY.is_dir():
        keep_memory()


onstart:
    if not workflow.local_exec:
        if any(each["training"]["device"] == "auto" for each in EXPERIMENTS.values()):
            logger.warning("Trainings with `device: auto` ask the cluster for no GPU; `device: cuda` does.")
        try:
            cluster.refuse_second_writer(Path.cwd())
        except HowlowError as error:
            raise WorkflowError(str(error))
    keep_memory()
    remember_finished()
    # Its own limit of submissions, 100 a second, has Snakemake 9 look at all jobs once a second for each job that has
    # finished so far: half a core after 200 jobs. Jobs here last for seconds at least and need no such limit.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    if workflow.touch:  # aggregation would refuse what is not of this configuration; but it did not run
        refuse_stale(workflow.dag.jobs)


onerror:
    for reason in FAILURES.reasons():
        print(f"Failed: {reason}", file=sys.stderr)  # the logger says nothing under `--quiet all`
