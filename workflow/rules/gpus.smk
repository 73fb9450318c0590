# The GPUs that trainings may use, and the number of trainings that share one.
from howlow.training import gpus


def local_gpus():
    """The GPUs of this machine, if trainings run on it.

    On a cluster there are none, because SLURM assigns the GPUs of the nodes. Snakemake knows where jobs run only
    after it has read the rules, so that rules must call this in functions.
    """
    is_here = snakemake_internals.is_main_process(workflow) and snakemake_internals.is_local(workflow)
    return gpus.visible() if is_here and any(e["training"]["device"] != "cpu" for e in EXPERIMENTS.values()) else ()


def sharing():
    """The number of trainings that share a GPU: one, unless `--resources gpu=N` exceeds the number of GPUs."""
    asked = snakemake_internals.limit(workflow, "gpu") or 1
    return max(1, -(-asked // len(local_gpus()))) if local_gpus() else 1


def limit_gpus():
    """Before a run, limit each GPU to one training at once, unless the user gave `--resources gpu=N`."""
    asked = snakemake_internals.limit(workflow, "gpu")
    if local_gpus() and asked is None:
        snakemake_internals.set_limit(workflow, "gpu", len(local_gpus()))
    elif local_gpus() and asked < 1:
        raise WorkflowError(f"gpu={asked} in --resources leaves no GPU; set `device: cpu` to train without one")


def specs_of_trainings(wildcards):
    """The specification of one training for each cell of an experiment."""
    cells = CELLS[wildcards.dataset, wildcards.model]
    return [specs.train(config, experiment(wildcards), cell, config["seeds"][0]) for cell in cells.values()]


def takes_gpu(wildcards):
    """Whether a training uses a GPU; with `device: auto` it does not request one from a cluster."""
    device = experiment(wildcards)["training"]["device"]
    return device == "cuda" or (device == "auto" and bool(local_gpus()))


def device_options(wildcards, input):
    """The parameter with the device to use; as a function of `input`, it is no reason to run a job again."""
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
        if shortage := memory.gpu_shortage(spec_of_training(job.wildcards), memory_mb, sharing()):
            raise WorkflowError(f"{Path(job.output.record).parent}: {shortage}")
