# The program and the record of each rule, and what has to run again because its record is not what it would be now.
import os
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import NamedTuple

from howlow import files, provenance
from howlow.provenance import records
from howlow.data import audio_files

SCRIPTS = WORKFLOW / "scripts"
CHANGES = Path(".snakemake", "changed")
# A digest of the published figures, so that tables are made again when these change.
PUBLISHED = files.sha256(WORKFLOW.parent / "resources" / "published.csv")


class Stage(NamedTuple):
    """The program of a rule, and the record of its results.

    Attributes
    ----------
    program : name of its program in workflow/scripts
    record : path of its record, which says what made its results
    result : one of its results, which is not trusted without a record; None if the record is itself a result
    spec : function from the wildcards of a job to its specification
    also : function from the wildcards of a job to further entries that its record must have
    """

    program: str
    record: str
    result: str | None
    spec: Callable
    also: Callable = lambda wildcards: {}


def spec_of_decode(w):
    """The specification of `decode`, with that of the audio if the workflow generates or downloads it."""
    spec = specs.decode(config, w.dataset, int(w.sample_rate))
    if kind(w.dataset) == "demo":
        return spec | {"generator": expected("demo", w)}
    return spec | (specs.download(config, w.dataset) if specs.is_made_here(config, w.dataset) else {})


def spec_of_training(w):
    return specs.train(config, experiment(w), Representation.parse(w.cell), int(w.seed))


def source_of(w):
    """The expected entry of the record of `decode` about the clips of a shard and their audio files."""
    return {"source": source(w.dataset, w.shard)}


@cache
def source(dataset, shard):
    members, root = clips(dataset), Path(specs.root(config, dataset))
    return audio_files.digest(members[shard], root) if members and root.is_dir() else records.ANYTHING


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
    """The clips of each shard; empty if the dataset does not exist yet.

    They are read from `tracks.parquet`, or from the dataset's own metadata if that file will be made again. So it is
    known before the run which shards get other clips.
    """
    from howlow.data import datasets  # imported here, because a new run needs neither
    from howlow.data import tracks as tracks_module

    path = Path("results", dataset, "tracks.parquet")
    try:
        if path.exists() and not difference("tracks", OfDataset(dataset)):
            return audio_files.by_shard(*tracks_module.read_paths(path))
        with redirect_stdout(StringIO()):  # `tracks` prints it again
            tracks, _ = datasets.load(specs.tracks(config, dataset), specs.paths(config, dataset))
        return audio_files.by_shard(tracks.shards, tracks.clip_ids, tracks.paths)
    except HowlowError:  # `tracks` reports the error
        return {}


def metadata_of(w):
    """The entries that the record of `tracks` must have about files.

    About the dataset's own files it is the recorded one, if none has changed. About `tracks.parquet` it is the digest of
    its content, because everything else depends on it.
    """
    record = records.read(Path(STAGES["tracks"].record.format(dataset=w.dataset))) or {}
    recorded = record.get("metadata", {})
    name = audio_files.changed(specs.metadata_files(config, w.dataset), recorded)
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
    "bootstrap": Stage(
        "bootstrap",
        "results/{dataset}/{model}/records/bootstrap.json",
        "results/{dataset}/{model}/bootstrap.npz",
        lambda w: specs.bootstrap(config, experiment(w)),
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
    """The path of a rule's record, which is one of its outputs."""
    return STAGES[rule].record


def spec(rule):
    """The parameter with the specification of a job.

    It is a function, because Snakemake would take braces in a text for wildcards.
    """
    return lambda wildcards: as_text(STAGES[rule].spec(wildcards))


def as_text(data):
    """Plain data as JSON for a parameter, with `<` escaped.

    The report puts parameters into a script element, which `</script>` in the name of a folder would end.
    """
    return provenance.canonical(data).replace("<", r"\u003c")


def program(rule, arguments):
    """The shell command of a rule: its program, the options of all programs, and its own arguments."""
    script = shlex.quote(str(SCRIPTS / f"{STAGES[rule].program}.py"))
    script = script.replace("{", "{{").replace("}", "}}")
    options = "--spec {params.spec:q} --record {output.record} --parent $PPID"
    return f"exec python {script} {options} {arguments} > {{log}} 2>&1"


def expected(rule, wildcards):
    """The expected content of the record of a job."""
    stage = STAGES[rule]
    made_by = {"spec": stage.spec(wildcards)}
    if stage.program != "download":  # changes in the code of downloading do not change what was downloaded
        made_by["code"] = provenance.code(SCRIPTS / f"{stage.program}.py", made_by["spec"])
    return made_by | stage.also(wildcards)


CHANGED = {}
"""A cache of `difference`: how existing results differ from what would be made now, by their records."""


def difference(rule, wildcards):
    """How the results of a job differ from what it would make now; None if they do not differ or do not exist."""
    stage, values = STAGES[rule], dict(wildcards.items())
    path = Path(stage.record.format(**values))
    if path not in CHANGED:
        is_there = path.exists() or (stage.result and os.path.lexists(stage.result.format(**values)))
        CHANGED[path] = records.difference(path, expected(rule, wildcards)) if is_there else None
    return CHANGED[path]


def changed(rule):
    """The input of a rule that makes a job run again if its results differ from those that it would make now.

    It is a file that is newer than the results, which is Snakemake's documented reason to run a job again. Snakemake
    shows its name, which says what has changed. There is no such input if nothing has changed, or if there are no
    results.
    """

    def marker(wildcards):
        found = difference(rule, wildcards)
        return marker_of(found.name) if found else []

    return marker


@cache
def marker_of(name):
    path = CHANGES / "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs on a cluster read this, too. The content is random, because Snakemake ignores newer files of equal content.
    if snakemake_internals.is_main_process(workflow) or not path.exists():
        path.write_text(os.urandom(16).hex())
    snakemake_internals.note_new_file(workflow, str(path))
    return str(path)


def is_current(rule, wildcards):
    """Whether the results of a job exist and are those that it would make now, and the user forces no job."""
    is_there = Path(STAGES[rule].record.format(**dict(wildcards.items()))).exists()
    return is_there and not difference(rule, wildcards) and not snakemake_internals.is_forcing(workflow)


def inputs_of_mel(wildcards):
    """The spectra that mel-spectrograms are made from; nothing if the mel-spectrograms are up to date.

    Spectra are made again for every new number of bands, and Snakemake would then run all jobs that depend on them.
    """
    if is_current("mel", wildcards):
        return {}
    spectra = "results/{dataset}/spectrum/{sample_rate}/{shard}".format(**dict(wildcards.items()))
    return {"spectra": f"{spectra}.npy", "record": f"{spectra}.json", "changed": changed("mel")(wildcards)}


def inputs_of_decode(wildcards):
    """The tracks and the audio of a shard; their dates do not count if everything derived from it is up to date.

    The clips of a shard are known before `tracks` runs. The audio files of a user are no inputs, because there are too
    many. Snakemake does not follow an `ancient` input, so nothing that is derived from the shard may be stale.
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

    Only the content of a user's files counts, which `changed` checks. Snakemake would take braces in their names for
    wildcards.
    """
    made = Path("results", wildcards.dataset, "source")
    paths = specs.metadata_files(config, wildcards.dataset).values()
    return [str(path) for path in paths if path.is_relative_to(made)]


def paths(wildcards, input):
    """The parameter with the places of a dataset; as a function of `input`, it is no reason to run a job again."""
    return as_text(specs.paths(config, wildcards.dataset))
