# What trainings need of a machine: which of its GPUs they may take, and how many of them take one at once.
from howlow import gpus


def local_gpus():
    """The GPUs of this machine for the trainings that run on it.

    On a cluster there are none: SLURM shares out those of the nodes, and what the submitting machine has is of no
    interest. Snakemake knows that only after it has read the rules, so that no rule may ask before a job needs it.
    """
    is_here = snakemake_internals.is_main_process(workflow) and snakemake_internals.is_local(workflow)
    return gpus.visible() if is_here and any(e["training"]["device"] != "cpu" for e in EXPERIMENTS.values()) else ()


def sharing():
    """How many trainings share a GPU: one, unless `--resources gpu=N` asks for more than there are GPUs."""
    asked = snakemake_internals.limit(workflow, "gpu") or 1
    return max(1, -(-asked // len(local_gpus()))) if local_gpus() else 1


def limit_gpus():
    """Before a run, let only one training run on each GPU at once, unless the user says `--resources gpu=N`."""
    asked = snakemake_internals.limit(workflow, "gpu")
    if local_gpus() and asked is None:
        snakemake_internals.set_limit(workflow, "gpu", len(local_gpus()))
    elif local_gpus() and asked < 1:
        raise WorkflowError(f"gpu={asked} in --resources leaves no GPU; `device: cpu` trains without one")


def specs_of_trainings(wildcards):
    """The specifications of one training of each cell of an experiment."""
    cells = CELLS[wildcards.dataset, wildcards.model]
    return [specs.train(config, experiment(wildcards), cell, config["seeds"][0]) for cell in cells]


def takes_gpu(wildcards):
    """Whether a training takes a GPU. With `device: auto` it asks a cluster for none."""
    device = experiment(wildcards)["training"]["device"]
    return device == "cuda" or (device == "auto" and bool(local_gpus()))


def device_options(wildcards, input):
    """The parameter that says what to compute on; a function with `input` is no reason to run a job again."""
    device = experiment(wildcards)["training"]["device"]
    ids = [] if device == "cpu" else [gpu.id for gpu in local_gpus()]
    return f"--device {device} --gpus {shlex.quote(' '.join(ids))} --sharing {sharing() if ids else 1}"


def refuse_too_large(jobs):
    """Raise an error that names the first training that does not fit a GPU of this machine."""
    if snakemake_internals.is_touching(workflow):  # nothing is trained
        return
    trainings = [job for job in jobs if job.rule.name == "train" and takes_gpu(job.wildcards)]
    memory_mb = min((gpu.memory_mb for gpu in local_gpus()), default=0) if trainings else 0
    for job in trainings:
        if shortage := needs.gpu_shortage(spec_of_training(job.wildcards), memory_mb, sharing()):
            raise WorkflowError(f"{Path(job.output.record).parent}: {shortage}")
