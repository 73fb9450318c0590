# What the rules share: the checked configuration, what each rule runs and leaves, and the names of its files.
import gc
import os
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import NamedTuple

from howlow import config as configuration
from howlow import files, needs, provenance, records, sources, specs
from howlow.errors import HowlowError
from howlow.representation import Representation
from snakemake.exceptions import WorkflowError

CONFIGURATION = snakemake_internals.configuration_files(workflow)

SCRIPTS = WORKFLOW / "scripts"
CHANGES = Path(".snakemake", "changed")
# A digest of the published figures, which stand beside the measured ones.
PUBLISHED = files.sha256(WORKFLOW.parent / "resources" / "published.csv")

# Planning makes millions of objects that stay. Looking for cycles among them took a sixth of its time.
gc.set_threshold(100_000)

# Programs run under Snakemake's own interpreter, also where its environment is not active.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))

try:
    # Read once more: Snakemake's reader lets pass what `howlow.strict_yaml` refuses.
    config.update(configuration.load(*CONFIGURATION, overrides=snakemake_internals.configuration_overrides(workflow)))
    for name in config["datasets"]:
        specs.paths(config, name)
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


class Stage(NamedTuple):
    """What a rule runs and leaves.

    Attributes
    ----------
    program : its program in workflow/scripts
    record : where it records what made its results
    result : one of its results, which without a record is not trusted; None if the record is itself a result
    spec : gives the specification of a job by its wildcards
    also : gives what else a record has to say
    """

    program: str
    record: str
    result: str | None
    spec: Callable
    also: Callable = lambda wildcards: {}


def experiment(wildcards):
    return EXPERIMENTS[wildcards.dataset, wildcards.model]


def kind(dataset):
    return config["datasets"][dataset]["kind"]


def spec_of_decode(w):
    """The specification of `decode`; audio that is made here is known by what makes it, before it is there."""
    spec = specs.decode(config, w.dataset, int(w.sample_rate))
    if kind(w.dataset) == "demo":
        return spec | {"generator": expected("demo", w)}
    return spec | (specs.download(config, w.dataset) if specs.is_made_here(config, w.dataset) else {})


def spec_of_training(w):
    return specs.train(config, experiment(w), Representation.parse(w.cell), int(w.seed))


def source_of(w):
    """What the record of `decode` has to say of the clips of a shard and of their audio files."""
    return {"source": source(w.dataset, w.shard)}


@cache
def source(dataset, shard):
    members, root = clips(dataset), Path(specs.root(config, dataset))
    return sources.digest(members[shard], root) if members and root.is_dir() else records.ANYTHING


class OfDataset(NamedTuple):
    """The wildcards of a job of a whole dataset."""

    dataset: str

    def items(self):
        return self._asdict().items()


class OfBands(NamedTuple):
    """The wildcards of a job of `mel`, from those of the job of `decode` that it depends on."""

    of_decode: object
    n_mels: int

    def __getattr__(self, name):
        return getattr(self.of_decode, name)

    def items(self):
        return [*self.of_decode.items(), ("n_mels", self.n_mels)]


@cache
def clips(dataset):
    """The clips of each shard; nothing while the dataset is not there.

    They come from `tracks.parquet`. Where that is to be made anew, they come from the dataset's own metadata: so it is
    known before the run which shards have other clips than before.
    """
    from howlow import datasets  # a new run needs neither
    from howlow import tracks as tracks_module

    path = Path("results", dataset, "tracks.parquet")
    try:
        if path.exists() and not difference("tracks", OfDataset(dataset)):
            return sources.by_shard(*tracks_module.read_paths(path))
        with redirect_stdout(StringIO()):  # `tracks` says it again
            tracks, _ = datasets.load(specs.tracks(config, dataset), specs.paths(config, dataset))
        return sources.by_shard(tracks.shards, tracks.clip_ids, tracks.paths)
    except HowlowError:  # `tracks` says what is wrong
        return {}


def metadata_of(w):
    """What the record of `tracks` has to say of files.

    Of the dataset's own files that is what it says, unless one has changed; of `tracks.parquet` it is its content, as
    everything else is made by it.
    """
    record = records.read(Path(STAGES["tracks"].record.format(dataset=w.dataset))) or {}
    recorded = record.get("metadata", {})
    name = sources.changed(specs.metadata_files(config, w.dataset), recorded)
    path = Path(STAGES["tracks"].result.format(dataset=w.dataset))
    content = {path.name: files.sha256(path)} if path.is_file() else {}
    return {"metadata": recorded if name is None else recorded | {name: "changed"}} | content


def origin_of_spectra(w):
    return {"origin": {"decode": expected("decode", w)}}


def origin_of_mel(w):
    by = {"decode": expected("decode", w), "spectrum": expected("spectrum", w)}
    del by["spectrum"]["origin"]
    return {"origin": by}


STAGES = {
    "demo": Stage(
        "demo",
        "results/{dataset}/records/demo.json",
        "results/{dataset}/source/annotations_final.csv",
        lambda w: specs.demo(config, w.dataset),
    ),
    "download": Stage(
        "download",
        "results/{dataset}/records/download.json",
        None,
        lambda w: specs.download(config, w.dataset),
    ),
    "tracks": Stage(
        "tracks",
        "results/{dataset}/records/tracks.json",
        "results/{dataset}/tracks.parquet",
        lambda w: specs.tracks(config, w.dataset),
        metadata_of,
    ),
    "decode": Stage("decode", "results/{dataset}/clips/{sample_rate}/{shard}.json", None, spec_of_decode, source_of),
    "excluded": Stage(
        "excluded",
        "results/{dataset}/records/excluded.json",
        "results/{dataset}/excluded.csv",
        lambda w: specs.excluded(config, w.dataset),
    ),
    "spectrum": Stage(
        "spectrum",
        "results/{dataset}/spectrum/{sample_rate}/{shard}.json",
        None,
        lambda w: specs.spectrum(config),
        origin_of_spectra,
    ),
    "mel": Stage(
        "mel",
        "results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.json",
        "results/{dataset}/mel/{sample_rate}/{n_mels}/{shard}.npy",
        lambda w: specs.mel(config, int(w.sample_rate), int(w.n_mels)),
        origin_of_mel,
    ),
    "store": Stage(
        "store",
        "results/{dataset}/mel/{sample_rate}/{n_mels}/manifest.json",
        None,
        lambda w: specs.store(config, w.dataset),
    ),
    "train": Stage(
        "train",
        "results/{dataset}/{model}/{cell}/seed{seed}/run.json",
        "results/{dataset}/{model}/{cell}/seed{seed}/scores.parquet",
        spec_of_training,
    ),
    "evaluate": Stage(
        "evaluate",
        "results/{dataset}/{model}/{cell}/metrics.json",
        "results/{dataset}/{model}/{cell}/metrics.csv",
        lambda w: specs.evaluate(config),
    ),
    "cost": Stage(
        "cost",
        "results/{dataset}/{model}/records/cost.json",
        "results/{dataset}/{model}/cost.csv",
        lambda w: specs.cost(config, experiment(w)),
    ),
    "times": Stage(
        "times",
        "results/{dataset}/{model}/records/times.json",
        "results/{dataset}/{model}/times.csv",
        lambda w: specs.times(config, experiment(w)),
    ),
    "aggregate": Stage(
        "aggregate",
        "results/{dataset}/{model}/records/aggregate.json",
        "results/{dataset}/{model}/runs.csv",
        lambda w: specs.aggregate(config, experiment(w)),
    ),
    "collect": Stage("collect", "results/records/collect.json", "results/runs.csv", lambda w: specs.collect(config)),
    "figure1": Stage(
        "figure1", "results/records/figure1.json", "results/figure1.pdf", lambda w: dict(config["figure1"])
    ),
    "paper_table": Stage(
        "tables",
        "results/records/{table}.json",
        "results/{table}.csv",
        lambda w: specs.table(config, w.table) | {"published": PUBLISHED},
    ),
    "statistics": Stage(
        "compare", "results/records/statistics.json", "results/statistics.csv", lambda w: specs.statistics(config)
    ),
    "tradeoff": Stage(
        "tradeoff", "results/records/tradeoff.json", "results/tradeoff.csv", lambda w: specs.tradeoff(config)
    ),
    "tags": Stage(
        "heatmap",
        "results/records/tags.json",
        "results/tags.csv",
        lambda w: specs.cells(config, EXPERIMENTS[MAIN]),
    ),
    "curves": Stage(
        "curves",
        "results/{dataset}/{model}/records/curves.json",
        "results/{dataset}/{model}/curves.pdf",
        lambda w: specs.cells(config, experiment(w)),
    ),
    "sonify": Stage(
        "sonify",
        "results/records/sonify.json",
        "results/sound.html",
        lambda w: specs.sonify(config, EXPERIMENTS[MAIN]),
    ),
    "about": Stage("about", "results/records/about.json", "results/versions.csv", lambda w: specs.about(config)),
}


def record(rule):
    """The output of a rule that records what made the others."""
    return STAGES[rule].record


def spec(rule):
    """The parameter of a rule that its program works by.

    It is a function, because Snakemake would take braces in a text for wildcards.
    """
    return lambda wildcards: as_text(STAGES[rule].spec(wildcards))


def as_text(data):
    """Plain data as a parameter that is JSON, without `<`.

    The report has parameters in a script element, which `</script>` in the name of a folder would end.
    """
    return provenance.canonical(data).replace("<", r"\u003c")


def program(rule, arguments):
    """The shell command of a rule: its program, the options that all programs have, its arguments."""
    script = shlex.quote(str(SCRIPTS / f"{STAGES[rule].program}.py"))
    script = script.replace("{", "{{").replace("}", "}}")
    options = "--spec {params.spec:q} --record {output.record} --parent $PPID"
    return f"exec python {script} {options} {arguments} > {{log}} 2>&1"


def code(name):
    """The code that a program runs."""
    return provenance.code(SCRIPTS / f"{name}.py")


def expected(rule, wildcards):
    """What the record of a job has to say."""
    stage = STAGES[rule]
    made_by = {"spec": stage.spec(wildcards)}
    if stage.program != "download":  # another way of downloading does not change what was downloaded
        made_by["code"] = code(stage.program)
    return made_by | stage.also(wildcards)


CHANGED = {}
"""How the results that are there differ from what would be made now: a `Difference` or None, by their records."""


def difference(rule, wildcards):
    """How the results of a job differ from what it would make now; None if they do not, or if there are none."""
    stage, values = STAGES[rule], dict(wildcards.items())
    path = Path(stage.record.format(**values))
    if path not in CHANGED:
        is_there = path.exists() or (stage.result and os.path.lexists(stage.result.format(**values)))
        CHANGED[path] = records.difference(path, expected(rule, wildcards)) if is_there else None
    return CHANGED[path]


def changed(rule):
    """The input of a rule that makes a job run again when its results are not those that it would make now.

    It is a file that is newer than the results, which is Snakemake's documented reason to run a job again. Its name
    says what has changed, and Snakemake shows it. Where nothing has changed, or nothing is there, there is no such
    input.
    """

    def marker(wildcards):
        found = difference(rule, wildcards)
        return marker_of(found.name) if found else []

    return marker


@cache
def marker_of(name):
    path = CHANGES / "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs of a cluster read this, too. Its content is new, because Snakemake does not mind newer files of the same.
    if snakemake_internals.is_main_process(workflow) or not path.exists():
        path.write_text(os.urandom(16).hex())
    return str(path)


def is_current(rule, wildcards):
    """Whether the results of a job are there and those that it would make now, and the user forces nothing."""
    is_there = Path(STAGES[rule].record.format(**dict(wildcards.items()))).exists()
    return is_there and not difference(rule, wildcards) and not snakemake_internals.is_forcing(workflow)


def inputs_of_mel(wildcards):
    """The spectra that mel-spectrograms are made from; nothing where these are current.

    Snakemake runs again whatever depends on a file that is made again, and spectra are made again for every new number
    of bands.
    """
    if is_current("mel", wildcards):
        return {}
    spectra = "results/{dataset}/spectrum/{sample_rate}/{shard}".format(**dict(wildcards.items()))
    return {"spectra": f"{spectra}.npy", "record": f"{spectra}.json", "changed": changed("mel")(wildcards)}


def inputs_of_decode(wildcards):
    """The tracks and what else decides the clips; where all that is made of these is current, new tracks do not matter.

    Which clips a shard has is known before `tracks` runs. Audio is an input only where the workflow makes it: a user
    has too many files. Snakemake does not look at what follows from an `ancient` input, so there must be nothing stale.
    """
    cells = [cell for pair in CELLS if pair[0] == wildcards.dataset for cell in CELLS[pair]]
    bands = {cell.n_mels for cell in cells if cell.sample_rate == int(wildcards.sample_rate)}
    are_current = is_current("decode", wildcards) and all(is_current("mel", OfBands(wildcards, n)) for n in bands)
    when = ancient if are_current else str
    found = {"tracks": when(f"results/{wildcards.dataset}/tracks.parquet"), "changed": changed("decode")(wildcards)}
    if specs.is_made_here(config, wildcards.dataset):
        found["audio"] = when(f"results/{wildcards.dataset}/source/mp3")
    return found


def inputs_of_tracks(wildcards):
    """The metadata that the workflow makes itself.

    Of a user's files only the content counts, which `changed` looks at; and Snakemake would take braces in their names
    for wildcards.
    """
    made = Path("results", wildcards.dataset, "source")
    files = specs.metadata_files(config, wildcards.dataset).values()
    return [str(path) for path in files if path.is_relative_to(made)]


def paths(wildcards, input):
    """The parameter that says where a dataset lies; a function with `input` is no reason to run a job again."""
    return as_text(specs.paths(config, wildcards.dataset))


def more(amount):
    """So much of a resource, and twice as much when it is tried again: the first may have ended for the lack of it."""
    return lambda wildcards, attempt: amount * attempt


def one_of(*names):
    """A regular expression of some names; of none, one that nothing matches."""
    return "|".join(names) or "(?!)"


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
