# What trainings need of a machine: which of its GPUs they may take, and how many of them take one at once.
import shlex

from howlow import gpus


def local_gpus():
    """The GPUs of this machine for the trainings that run on it.

    On a cluster there are none: SLURM shares out those of the nodes, and what the submitting machine has is of no
    interest. Snakemake knows that only after it has read the rules, so that no rule may ask before a job needs it.
    """
    is_here = workflow.is_main_process and workflow.local_exec
    return gpus.visible() if is_here and any(e["training"]["device"] != "cpu" for e in EXPERIMENTS.values()) else ()


def user_limit():
    """What `--resources gpu=N` says, or None."""
    return workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else None


def sharing():
    """How many trainings share a GPU: one, unless `--resources gpu=N` asks for more than there are GPUs."""
    return max(1, -(-(user_limit() or 1) // len(local_gpus()))) if local_gpus() else 1


def limit_gpus():
    """Before a run, let only one training run on each GPU at once, unless the user says `--resources gpu=N`.

    Snakemake has a default for no such resource. This is the only place that sets one, in its own and its scheduler's
    tables of resources, which are not part of its documented interface.
    """
    if not local_gpus():
        return
    if user_limit() is None:
        scheduler = workflow.scheduler
        for table in (workflow.global_resources, scheduler.global_resources, scheduler.resources):
            table["gpu"] = len(local_gpus())
    elif user_limit() < 1:
        raise WorkflowError(f"gpu={user_limit()} in --resources leaves no GPU; `device: cpu` trains without one")


def train_spec(wildcards):
    """The specification of a training."""
    cell = Representation.parse(wildcards.cell)
    return specs.train(config, experiment(wildcards), cell, int(wildcards.seed))


def train_specs(wildcards):
    """The specifications of one training of each cell of an experiment."""
    cells = CELLS[wildcards.dataset, wildcards.model]
    return [specs.train(config, experiment(wildcards), cell, config["seeds"][0]) for cell in cells]


def takes_gpu(wildcards):
    """Whether a training takes a GPU. With `device: auto` it asks a cluster for none."""
    device = experiment(wildcards)["training"]["device"]
    return device == "cuda" or (device == "auto" and bool(local_gpus()))


def device_options(wildcards):
    """The options by which a program learns what to compute on; see `howlow.program.add_device_options`."""
    device = experiment(wildcards)["training"]["device"]
    ids = [] if device == "cpu" else [gpu.id for gpu in local_gpus()]
    return f"--device {device} --gpus {shlex.quote(' '.join(ids))} --sharing {sharing() if ids else 1}"


def refuse_too_large(jobs):
    """Raise an error that names the first training that does not fit a GPU of this machine."""
    if workflow.touch:  # nothing is trained
        return
    trainings = [job for job in jobs if job.rule.name == "train" and takes_gpu(job.wildcards)]
    memory_mb = min((gpu.memory_mb for gpu in local_gpus()), default=0) if trainings else 0
    for job in trainings:
        if shortage := needs.gpu_shortage(train_spec(job.wildcards), memory_mb, sharing()):
            raise WorkflowError(f"{folder_of(job)}: {shortage}")
