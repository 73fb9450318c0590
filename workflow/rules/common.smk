# What the rules share: the checked configuration, names, and the two parameters of every rule.
import os
import sys
from pathlib import Path

WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

from howlow import config as configuration
from howlow import provenance, specs
from howlow.errors import HowlowError
from howlow.representation import Representation
from snakemake.exceptions import WorkflowError

SCRIPTS = WORKFLOW / "scripts"
ENVIRONMENT = "../../envs/howlow.yaml"

# Programs run under the interpreter of Snakemake, also where its environment is not active.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))

try:
    configuration.complete(config, ", ".join(map(str, workflow.configfiles)))
    for name in config["datasets"]:
        specs.tracks(config, name)
except HowlowError as error:
    raise WorkflowError(str(error))

EXPERIMENTS = {(e["dataset"], e["model"]): e for e in config["experiments"]}
DATASETS = list(dict.fromkeys(dataset for dataset, _ in EXPERIMENTS))
CELLS = {pair: configuration.representations(e) for pair, e in EXPERIMENTS.items()}
# The experiment of Figure 1, which the other figures show as well.
MAIN = (config["figure1"]["dataset"], config["figure1"]["model"])


onstart:
    # Its own limit of submissions, 100 a second, has Snakemake 9 look at all jobs once a second for each job that has
    # finished so far: half a core after 200 jobs. Jobs here last for seconds at least and need no such limit.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


wildcard_constraints:
    dataset="[a-z][a-z0-9_-]*",
    model="vgg|musicnn",
    sample_rate=r"\d+",
    n_mels=r"\d+",
    shard=r"\d+",
    seed=r"\d+",
    cell=r"[^/]+_mel\d+_x\d+_(db|log)",


def program(name, arguments):
    """The shell command of a rule: its program, the two parameters that all programs have, its arguments."""
    return f"python {SCRIPTS / name}.py --spec {{params.spec:q}} --code {{params.code}} {arguments} > {{log}} 2>&1"


def code(name):
    """The parameter that stands for all code that a program runs."""
    return provenance.code_digest(SCRIPTS / f"{name}.py")


def spec(of, *arguments):
    """The parameter that stands for all that a stage reads of the configuration."""
    return provenance.canonical(of(*arguments))


def kind(dataset):
    return config["datasets"][dataset]["kind"]


def one_of(*names):
    """A regular expression of some names; of none, one that nothing matches."""
    return "|".join(names) or "(?!)"


def experiment(wildcards):
    return EXPERIMENTS[wildcards.dataset, wildcards.model]


def metadata(wildcards):
    """The files that `tracks` reads: a demo's are made by a rule; of a user's, the program reports what is missing."""
    paths = specs.metadata_files(specs.tracks(config, wildcards.dataset))
    return [path for path in paths if specs.is_made_here(config, wildcards.dataset) or path.exists()]


def generated_audio(wildcards):
    """The audio that the workflow makes itself; that of a user is no input file of a job, there is too much of it."""
    return "results/{dataset}/source/mp3" if specs.is_made_here(config, wildcards.dataset) else []


def manifest(wildcards):
    """The store that a cell reads: its hop and log type cost no storage of their own."""
    cell = Representation.parse(wildcards.cell)
    return f"results/{wildcards.dataset}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json"


def cell_files(name):
    """A file of that name of every cell of every experiment."""
    return [f"results/{d}/{m}/{cell.name}/{name}" for (d, m), cells in CELLS.items() for cell in cells]


def experiment_files(wildcards, name):
    """A file of that name of every cell of one experiment."""
    dataset, model = wildcards.dataset, wildcards.model
    return [f"results/{dataset}/{model}/{cell.name}/{name}" for cell in CELLS[dataset, model]]


def of_experiment(shown, name):
    """A file of that name of one experiment."""
    return f"results/{shown['dataset']}/{shown['model']}/{name}"


def of_experiments(name, experiments=config["experiments"]):
    """A file of that name of each experiment."""
    return [of_experiment(each, name) for each in experiments]
