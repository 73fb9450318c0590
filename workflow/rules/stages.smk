# The program and the record of each rule, by `STAGES`, and what makes commands and parameters of them.
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
    return specs.train(config, experiment(w), cell_of(w), int(w.seed))


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
    "levels": Stage(
        "levels",
        "results/{dataset}/mel/{sample_rate}/{n_mels}/levels.json",
        None,
        lambda w: specs.levels(config),
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
    "exchange": Stage(
        "exchange", "results/records/exchange.json", "results/exchange.csv", lambda w: specs.statistics(config)
    ),
    "frontier": Stage(
        "frontier", "results/records/frontier.json", "results/frontier.csv", lambda w: specs.collect(config)
    ),
    "tags": Stage(
        "heatmap",
        "results/records/tags.json",
        "results/tags.csv",
        lambda w: specs.every_run(config, EXPERIMENTS[MAIN]),
    ),
    "curves": Stage(
        "curves",
        "results/{dataset}/{model}/records/curves.json",
        "results/{dataset}/{model}/curves.pdf",
        lambda w: specs.every_run(config, experiment(w)),
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


def paths(wildcards, input):
    """The parameter with the places of a dataset; as a function of `input`, it is no reason to run a job again."""
    return as_text(specs.paths(config, wildcards.dataset))
