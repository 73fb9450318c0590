# What the rules share: the checked configuration, names, and the two parameters of every rule.
import gc
import os
import sys
from pathlib import Path

WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

from howlow import config as configuration
from howlow import files, needs, provenance, sources, specs
from howlow.errors import HowlowError
from howlow.representation import Representation
from snakemake.exceptions import WorkflowError

SCRIPTS = WORKFLOW / "scripts"

# Planning makes millions of objects that stay: a sixth of its time went into looking for cycles among them.
gc.set_threshold(100_000)

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


# On a cluster these run beside Snakemake: seconds each, and `download` may need the network.
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
    tradeoff,
    tags,
    curves,
    about,


wildcard_constraints:
    dataset="[a-z][a-z0-9_-]*",
    model="vgg|musicnn",
    sample_rate=r"\d+",
    n_mels=r"\d+",
    shard=r"\d+",
    seed=r"\d+",
    cell=r"[^/]+_mel\d+_x\d+_(db|log)",


def program(name, arguments):
    """The shell command of a rule: its program, the options that all programs have, its arguments."""
    options = "--spec {params.spec:q} --code {params.code} --parent $PPID"
    return f"exec python {SCRIPTS / name}.py {options} {arguments} > {{log}} 2>&1"


def code(name):
    """The parameter that stands for all code that a program runs."""
    return provenance.code_digest(SCRIPTS / f"{name}.py")


def spec(of, *arguments):
    """The parameter that stands for all that a stage reads of the configuration."""
    # The report has parameters in a script element, which `</script>` in the name of a folder would end.
    return provenance.canonical(of(*arguments)).replace("<", r"\u003c")


def more(amount):
    """So much of a resource, and twice as much when it is tried again: the first may have ended for the lack of it."""
    return lambda wildcards, attempt: amount * attempt


def kind(dataset):
    return config["datasets"][dataset]["kind"]


def one_of(*names):
    """A regular expression of some names; of none, one that nothing matches."""
    return "|".join(names) or "(?!)"


def experiment(wildcards):
    return EXPERIMENTS[wildcards.dataset, wildcards.model]


def metadata(wildcards):
    """The files that `tracks` reads: some are made by a rule; of a user's, the program reports what is missing."""
    spec = specs.tracks(config, wildcards.dataset)
    made = Path("results", wildcards.dataset, "source")
    return [path for path in specs.metadata_files(spec) if path.is_relative_to(made) or path.exists()]


def audio_state(dataset, shard):
    """What changes when an audio file of a shard is replaced."""
    tracks = Path("results", dataset, "tracks.parquet")
    return sources.shard_digest(tracks, Path(specs.root(config, dataset)), shard)


def origin(dataset, sample_rate, shard):
    """What decides the spectra of a shard: its audio, and specification and code of what they are made by."""
    made_by = {
        "decode": [specs.decode(config, dataset, int(sample_rate)), code("decode")],
        "spectrum": [specs.spectrum(config), code("spectrum")],
    }
    return provenance.digest(made_by | {"audio": audio_state(dataset, shard)})


def is_current(record, expected):
    """Whether a record on disk says that its results are those of this configuration, code and audio.

    Snakemake would rerun whatever depends on a file that is made again, and spectra are made again for every new number
    of bands. What has a current record waits for nothing, unless the user forces something.
    """
    settings = workflow.dag_settings
    if settings.forceall or settings.forcerun or settings.forcetargets:
        return False
    try:
        found = files.read_json(record)
    except FileNotFoundError:
        return False
    return all(found.get(key) == value for key, value in expected.items())


def is_current_mel(dataset, sample_rate, n_mels, shard):
    """Whether the mel-spectrograms of a shard are there and current."""
    made = f"results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}"
    # Its job was killed just when it was done: Snakemake makes it again.
    if workflow.persistence._filter_incomplete_keys([f"{made}.npy", f"{made}.json"]):
        return False
    by = [provenance.digest(specs.mel(config, int(sample_rate), int(n_mels))), code("mel")]
    expected = {"made_by": by, "source": origin(dataset, sample_rate, shard)}
    return Path(f"{made}.npy").exists() and is_current(f"{made}.json", expected)


def spectra_to_reduce(wildcards):
    """The spectra that mel-spectrograms are made from; nothing where these are there and current."""
    dataset, sample_rate, shard = wildcards.dataset, wildcards.sample_rate, wildcards.shard
    if is_current_mel(dataset, sample_rate, wildcards.n_mels, shard):
        return {}
    spectra = f"results/{dataset}/spectrum/{sample_rate}/{shard}"
    return {"spectra": f"{spectra}.npy", "record": f"{spectra}.json"}


def tracks_to_decode(wildcards):
    """Where all that is made of a shard is current, new tracks are no reason to decode it: its clips are the same."""
    dataset, sample_rate, shard = wildcards.dataset, wildcards.sample_rate, wildcards.shard
    tracks = f"results/{dataset}/tracks.parquet"
    expected = {
        "spec": provenance.digest(specs.decode(config, dataset, int(sample_rate))),
        "code": code("decode"),
        "source": audio_state(dataset, shard),
    }
    clips = is_current(f"results/{dataset}/clips/{sample_rate}/{shard}.json", expected)
    cells = [cell for pair in CELLS if pair[0] == dataset for cell in CELLS[pair]]
    bands = {cell.n_mels for cell in cells if cell.sample_rate == int(sample_rate)}
    return ancient(tracks) if clips and all(is_current_mel(dataset, sample_rate, n, shard) for n in bands) else tracks


def generated_audio(wildcards):
    """The audio that the workflow makes itself; that of a user is no input file of a job, there is too much of it."""
    return "results/{dataset}/source/mp3" if specs.is_made_here(config, wildcards.dataset) else []


def manifest(wildcards):
    """The store that a cell reads: its hop and log type cost no storage of their own."""
    cell = Representation.parse(wildcards.cell)
    return f"results/{wildcards.dataset}/mel/{cell.sample_rate}/{cell.n_mels}/manifest.json"


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
