# Code that the rules share: the checked configuration, and the names of files.
import gc
import os
from typing import NamedTuple

from howlow import config as configuration
from howlow.networks import memory
from howlow.config import specs
from howlow.errors import HowlowError
from howlow.networks.registry import NETWORKS
from howlow.features.representation import STORED_BITS, Cell
from snakemake.exceptions import WorkflowError

CONFIGURATION = snakemake_internals.configuration_files(workflow)

# Garbage collection took a sixth of the planning time, because planning creates millions of lasting objects.
gc.set_threshold(100_000)

# Programs run under Snakemake's own interpreter, even if its environment is not active.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))


def image():
    """The image in which programs run with `--sdm apptainer`. It has the packages, and this folder is the library."""
    path = WORKFLOW.parent / "howlow.sif"
    if not path.is_file():
        raise WorkflowError(f"{path}: no such file; docs/containers.md says how to make the image for Apptainer")
    os.environ.update(PYTHONPATH=str(WORKFLOW))
    return str(path)


try:
    # The files are read once more, because Snakemake's reader accepts errors that `howlow.config.strict_yaml` refuses.
    config.update(configuration.load(*CONFIGURATION, overrides=snakemake_internals.configuration_overrides(workflow)))
    for name in config["datasets"]:
        specs.paths(config, name)
except HowlowError as error:
    raise WorkflowError(str(error))

EXPERIMENTS = {(e["dataset"], e["model"]): e for e in config["experiments"]}
DATASETS = list(dict.fromkeys(dataset for dataset, _ in EXPERIMENTS))
CELLS = {pair: configuration.cells(config, e) for pair, e in EXPERIMENTS.items()}
# The experiment of Figure 1, which the other figures show, too.
MAIN = (config["figure1"]["dataset"], config["figure1"]["model"])


# On a cluster these run beside Snakemake, because they take seconds each, and `download` may need the network.
localrules:
    download,
    tracks,
    excluded,
    store,
    evaluate,
    cost,
    aggregate,
    collect,
    figure1,
    paper_table,
    statistics,
    tradeoff,
    exchange,
    frontier,
    tags,
    curves,
    about,


wildcard_constraints:
    dataset="[a-z][a-z0-9_-]*",
    model="|".join(NETWORKS),
    sample_rate=r"\d+",
    n_mels=r"\d+",
    shard=r"\d+",
    seed=r"\d+",
    cell=r"[^/]+_mel\d+_x\d+_(db|log)(_\d+bit)?(_[\d.]+s)?(_w[\d.]+)?",


def experiment(wildcards):
    return EXPERIMENTS[wildcards.dataset, wildcards.model]


def kind(dataset):
    return config["datasets"][dataset]["kind"]


def more(amount):
    """An amount of a resource, which is doubled in the second attempt in case the first one ran short of it."""
    return lambda wildcards, attempt: amount * attempt


def one_of(*names):
    """A regular expression that matches some names; without names, it matches nothing."""
    return "|".join(names) or "(?!)"


class OfCell(NamedTuple):
    """The wildcards of a cell."""

    dataset: str
    model: str
    cell: str


def cell_of(wildcards):
    """The cell of a job, also of one that is not in the grid."""
    pair = wildcards.dataset, wildcards.model
    stored, width = config["datasets"][wildcards.dataset]["seconds"], EXPERIMENTS[pair]["options"]["width"]
    return CELLS[pair].get(wildcards.cell) or Cell.parse(wildcards.cell, stored, width)


def manifest(wildcards):
    """The manifest of the store that a cell reads; all that share sample rate and bands share a store."""
    cell = cell_of(wildcards)
    return f"results/{wildcards.dataset}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json"


def ranges(wildcards):
    """The file with the range of each band that a cell needs, if it needs one."""
    is_needed = cell_of(wildcards).bits != STORED_BITS and config["spectrograms"]["quantizer"] == "band"
    return [manifest(wildcards).replace("manifest.json", "levels.json")] if is_needed else []


def experiment_files(wildcards, name):
    """The paths of a file in the folder of every cell of one experiment."""
    dataset, model = wildcards.dataset, wildcards.model
    return [f"results/{dataset}/{model}/{cell}/{name}" for cell in CELLS[dataset, model]]


def of_experiment(shown, name):
    """The path of a file in the folder of one experiment."""
    return f"results/{shown['dataset']}/{shown['model']}/{name}"


def of_experiments(name, experiments=config["experiments"]):
    """The paths of a file in the folders of experiments."""
    return [of_experiment(each, name) for each in experiments]
