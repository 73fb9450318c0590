"""All results of a configuration in two tables, after a check that they are its results."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from howlow import files, provenance, specs
from howlow.config import representations
from howlow.errors import HowlowError
from howlow.metrics import MACRO
from howlow.representation import Representation
from howlow.store import content_digest
from howlow.tracks import read as read_tracks
from howlow.words import CELL

KEYS = ["dataset", "model", *CELL]


class StaleError(HowlowError):
    """A result on disk is not that of this configuration and code; the message names it."""


def runs(config: dict[str, Any], results: Path, code: dict[str, str]) -> pd.DataFrame:
    """One row for each cell and seed: the macro figures on the test clips.

    Parameters
    ----------
    config : complete configuration
    results : the folder `results`
    code : digests of the code of the stages `decode`, `spectrum`, `mel` and `train`

    Returns
    -------
    pd.DataFrame with the columns `KEYS`, seed, roc_auc, pr_auc, best_epoch, train_seconds

    Raises
    ------
    StaleError
        if a store or a training comes from another specification, code or input
    """
    for record, key in stale(config, results, code):
        raise StaleError(f"{told(record, key)}. Delete it and run again")
    rows = []
    for experiment in config["experiments"]:
        dataset, model = experiment["dataset"], experiment["model"]
        for cell in representations(experiment):
            folder = results / dataset / model / cell.name
            macro = _macro(folder / "metrics.csv")
            for seed in config["seeds"]:
                run = files.read_json(folder / f"seed{seed}" / "run.json")
                areas = macro.loc[seed, ["roc_auc", "pr_auc"]]
                rows.append([*_keys(dataset, model, cell), seed, *areas, run["best_epoch"], run["train_seconds"]])
    return pd.DataFrame(rows, columns=[*KEYS, "seed", "roc_auc", "pr_auc", "best_epoch", "train_seconds"])


def stale(config: dict[str, Any], results: Path, code: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """The records on disk that are not of this configuration and code, each with the entry that differs.

    They are those of the stores, `manifest.json`, and of the trainings, `run.json`. What is missing is not stale.
    The arguments are those of `runs`.
    """
    for experiment in config["experiments"]:
        dataset, model = experiment["dataset"], experiment["model"]
        tracks_file = results / dataset / "tracks.parquet"
        tracks = read_tracks(tracks_file).digest() if tracks_file.exists() else ""
        manifests: dict[tuple[int, int], str] = {}
        for cell in representations(experiment):
            pair = (cell.sample_rate, cell.n_mels)
            if pair not in manifests:
                path = _manifest_path(results, dataset, *pair)
                manifest = files.read_json(path) if path.exists() else {}
                made_by = {
                    "decode": [provenance.digest(specs.decode(config, dataset, cell.sample_rate)), code["decode"]],
                    "spectrum": [provenance.digest(specs.spectrum(config)), code["spectrum"]],
                    "mel": [provenance.digest(specs.mel(config, *pair)), code["mel"]],
                }
                yield from _differing(path, manifest.get("origin", {}), made_by)
                manifests[pair] = content_digest(manifest) if manifest else ""
            for seed in config["seeds"]:
                path = results / dataset / model / cell.name / f"seed{seed}" / "run.json"
                spec = provenance.digest(specs.train(config, experiment, cell, seed))
                trained_by: dict[str, Any] = {"spec": spec, "code": code["train"]}
                if manifests[pair] and tracks:
                    trained_by["inputs"] = {"manifest": manifests[pair], "tracks": tracks}
                yield from _differing(path, files.read_json(path) if path.exists() else {}, trained_by)


def told(record: Path, key: str) -> str:
    """In words, what is wrong with a stale record."""
    return f"{record.parent}: its {key} is not that of this configuration and code; it was made by others"


def summary(config: dict[str, Any], results: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell: mean and standard deviation (n - 1) over the seeds, the costs, the number of clips."""
    groups = runs.groupby(KEYS, sort=False)
    table = groups.agg(
        n_seeds=("seed", "size"),
        roc_auc_mean=("roc_auc", "mean"),
        roc_auc_std=("roc_auc", "std"),
        pr_auc_mean=("pr_auc", "mean"),
        pr_auc_std=("pr_auc", "std"),
    ).reset_index()
    costs = pd.concat([_costs(results, experiment) for experiment in config["experiments"]])
    table = table.merge(costs, on=KEYS, how="left", validate="one_to_one")
    stores = table[["dataset", "sample_rate_hz", "n_mels"]].itertuples(index=False)
    counts = [_clip_counts(results, *store) for store in stores]
    return table.assign(n_clips=[used for used, _ in counts], n_excluded=[excluded for _, excluded in counts])


def _differing(record: Path, found: dict[str, Any], expected: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """The first entry that differs, if any does and there is a record."""
    differing = [key for key, value in expected.items() if found.get(key) != value]
    if found and differing:
        yield record, differing[0]


@cache
def _clip_counts(results: Path, dataset: str, sample_rate: int, n_mels: int) -> tuple[int, int]:
    """Number of clips in a store, and of those that could not be decoded."""
    manifest = files.read_json(_manifest_path(results, dataset, sample_rate, n_mels))
    return sum(len(shard["clip_ids"]) for shard in manifest["shards"]), manifest["n_excluded"]


def _manifest_path(results: Path, dataset: str, sample_rate: int, n_mels: int) -> Path:
    return results / dataset / "mel" / str(sample_rate) / str(n_mels) / "manifest.json"


def _macro(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    return table[(table["tag"] == MACRO) & (table["split"] == "test")].set_index("seed")


def _costs(results: Path, experiment: dict[str, Any]) -> pd.DataFrame:
    table = pd.read_csv(results / experiment["dataset"] / experiment["model"] / "cost.csv")
    keys = [_keys(experiment["dataset"], experiment["model"], Representation.parse(name)) for name in table["cell"]]
    return pd.concat([pd.DataFrame(keys, columns=KEYS), table.drop(columns="cell")], axis=1)


def _keys(dataset: str, model: str, cell: Representation) -> list[Any]:
    return [dataset, model, cell.sample_rate, cell.n_mels, cell.hop_factor, cell.log_type]
