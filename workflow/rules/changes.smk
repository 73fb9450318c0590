# What has to run again, because its record is not what it would be now.
import os
from functools import cache

from howlow import provenance
from howlow.provenance import records

CHANGES = Path(".snakemake", "changed")


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
    cells = [cell for pair in CELLS if pair[0] == wildcards.dataset for cell in CELLS[pair].values()]
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
