# What trainings need of a machine: which of its GPUs they may take, and how many of them take one at once.
import shlex

from howlow import gpus

# Of this machine. On a cluster, SLURM shares out those of the nodes: what the submitting machine has is of no interest.
GPUS = ()
if workflow.is_main_process and workflow.local_exec:
    if any(each["training"]["device"] != "cpu" for each in EXPERIMENTS.values()):
        GPUS = gpus.visible()


def gpu_limit():
    """How many jobs that take a GPU run at once: one for each GPU, unless the user says `--resources gpu=N`.

    Snakemake has a default for no such resource. This is the only place that sets one, in its table of resources,
    which is not part of its documented interface.
    """
    if "gpu" not in workflow.global_resources:
        workflow.register_resource("gpu", len(GPUS))
    return workflow.global_resources["gpu"].value


# How many jobs share one GPU of this machine.
SHARING = 1
if GPUS:
    if gpu_limit() < 1:
        raise WorkflowError(f"gpu={gpu_limit()} in --resources leaves no GPU; `device: cpu` trains without one")
    SHARING = -(-gpu_limit() // len(GPUS))


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
    return device == "cuda" or (device == "auto" and bool(GPUS))


def device_options(wildcards):
    """The options by which a program learns what to compute on; see `howlow.program.add_device_options`."""
    device = experiment(wildcards)["training"]["device"]
    ids = [gpu.id for gpu in GPUS] if takes_gpu(wildcards) else []
    return f"--device {device} --gpus {shlex.quote(' '.join(ids))} --sharing {SHARING}"


def refuse_too_large(jobs):
    """Raise an error that names the first training that does not fit a GPU of this machine."""
    memory_mb = min((gpu.memory_mb for gpu in GPUS), default=0)
    for job in jobs:
        if job.rule.name == "train" and takes_gpu(job.wildcards):
            if shortage := needs.gpu_shortage(train_spec(job.wildcards), memory_mb, SHARING):
                raise WorkflowError(f"{folder_of(job)}: {shortage}")
