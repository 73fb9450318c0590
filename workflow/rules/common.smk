# What the rules share: the checked configuration, names, and the two parameters of every rule.
import gc
import os
import shutil
import sys
from pathlib import Path

WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

from howlow import config as configuration
from howlow import cluster, failures, files, needs, provenance, sources, specs
from howlow.errors import HowlowError
from howlow.representation import Representation
from snakemake.exceptions import WorkflowError

SCRIPTS = WORKFLOW / "scripts"
ENVIRONMENT = "../../envs/howlow.yaml"

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


# Where Snakemake keeps how each result was made, and where howlow has it keep that.
MEMORY, KEPT_MEMORY = Path(".snakemake", "metadata"), Path("results", ".snakemake")


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


if MEMORY.is_symlink() and not MEMORY.exists():  # the results were deleted
    MEMORY.unlink()
if KEPT_MEMORY.is_dir():
    keep_memory()

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


onstart:
    keep_memory()
    remember_finished()
    # Its own limit of submissions, 100 a second, has Snakemake 9 look at all jobs once a second for each job that has
    # finished so far: half a core after 200 jobs. Jobs here last for seconds at least and need no such limit.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    if not workflow.local_exec:
        if any(each["training"]["device"] == "auto" for each in EXPERIMENTS.values()):
            logger.warning("Trainings with `device: auto` ask the cluster for no GPU; `device: cuda` does.")
        try:
            cluster.refuse_second_writer(Path.cwd())
        except HowlowError as error:
            raise WorkflowError(str(error))


onsuccess:
    if workflow.touch:  # aggregation would refuse what is not of this configuration; but it did not run
        refuse_stale(workflow.dag.jobs)


onerror:
    for reason in failures.reasons(Path(log[0])):
        logger.error(f"Failed: {reason}")


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
    return provenance.canonical(of(*arguments))


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
