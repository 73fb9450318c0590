"""Collects the results of an experiment in two tables, after a check that they belong to it."""

from collections.abc import Sequence
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.typing import DataFrameGroupBy

from howlow import files, provenance
from howlow.config import specs
from howlow.data.tracks import read as read_tracks
from howlow.errors import HowlowError
from howlow.evaluation.metrics import MACRO
from howlow.evaluation.scores import read_metrics
from howlow.features import levels
from howlow.features.representation import cells_of
from howlow.features.store import content_digest
from howlow.names import CELL, METRICS
from howlow.provenance import records

KEYS = ["dataset", "model", *CELL]

VALIDATION = [f"val_{metric}" for metric in METRICS]
"""The columns of the metrics on the validation clips; those on the test clips have the names of the metrics."""

STAGES = ("decode", "spectrum", "mel", "train")
"""The programs whose results `check` looks at."""


class StaleError(HowlowError):
    """A result on disk was made by another configuration or code. The message names it."""


def check(spec: dict[str, Any], results: Path, code: dict[str, dict[str, str]]) -> None:
    """Make sure that the stores and trainings on disk were made by this configuration and code.

    Parameters
    ----------
    spec : the specification of the experiment, by `howlow.config.specs.aggregate`
    results : the folder `results`
    code : for each program of `STAGES`, its code as `howlow.provenance.code` identifies it

    Raises
    ------
    StaleError
        if one was made from another specification, code or input; the message says which one and what differs
    """
    dataset = spec["dataset"]
    tracks = read_tracks(results / dataset / "tracks.parquet").digest()
    manifests = {}
    for store, stages in spec["stores"].items():
        path = results / dataset / "mel" / store / "manifest.json"
        origin = {stage: {"spec": of_stage, "code": code[stage]} for stage, of_stage in stages.items()}
        # The specification of generated audio also says how it is generated. The rules compare that part.
        found = files.read_json(path)
        origin["decode"]["spec"] = found["origin"]["decode"]["spec"] | origin["decode"]["spec"]
        _refuse(path, {"origin": origin})
        manifests[store] = content_digest(found)
    for name, cell in cells_of(spec).items():
        store = f"{cell.sample_rate}/{cell.n_mels}"
        manifest = results / dataset / "mel" / store / "manifest.json"
        inputs = {"manifest": manifests[store], "tracks": tracks}
        for seed in spec["seeds"]:
            path = results / dataset / spec["model"] / name / f"seed{seed}" / "run.json"
            fold = specs.fold(spec["seeds"], seed, spec.get("folds"))
            of_cell = specs.of_training(spec["trainings"], cell, seed, fold)
            found = levels.read(manifest, cell.bits, of_cell.get("quantizer"), fold)
            of_levels = {} if found is None else {"levels": provenance.digest(found)}
            _refuse(path, {"spec": of_cell, "code": code["train"], "inputs": inputs | of_levels})


def _refuse(record: Path, expected: dict[str, Any]) -> None:
    differs = records.difference(record, expected)
    if differs:
        raise StaleError(f"{record.parent}: {differs.words}. Start the workflow again to make it anew")


def runs(spec: dict[str, Any], results: Path) -> pd.DataFrame:
    """The macro-averaged metrics, with one row for each cell and seed.

    `roc_auc` and `pr_auc` are of the test clips, which results are reported on. `val_roc_auc` and `val_pr_auc` are of
    the validation clips, by which representations are chosen.

    Parameters
    ----------
    spec, results : see `check`

    Returns
    -------
    pd.DataFrame with the columns `KEYS`, seed, roc_auc, pr_auc, best_epoch, train_seconds, device, torch (its version),
    `VALIDATION`, cell (the name of its folder)
    """
    rows = []
    dataset, model = spec["dataset"], spec["model"]
    for name, cell in cells_of(spec).items():
        folder = results / dataset / model / name
        macro = _macro(folder / "metrics.csv")
        for seed in spec["seeds"]:
            run = files.read_json(folder / f"seed{seed}" / "run.json")
            test, validation = (macro.loc[(seed, split), list(METRICS)] for split in ("test", "validation"))
            made_by = [run["best_epoch"], run["train_seconds"], run["device"], run["versions"]["torch"]]
            rows.append([dataset, model, *astuple(cell), seed, *test, *made_by, *validation, name])
    facts = ["best_epoch", "train_seconds", "device", "torch"]
    return pd.DataFrame(rows, columns=[*KEYS, "seed", *METRICS, *facts, *VALIDATION, "cell"])


def summary(spec: dict[str, Any], results: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell: mean and standard deviation (n - 1) over the seeds, costs, clips, and devices.

    With folds, the standard deviations are of runs whose folds were brought to the same level, see `level`.
    """
    groups = runs.groupby([*KEYS, "cell"], sort=False)
    n_folds = spec.get("folds", 0)
    folds = [specs.fold(spec["seeds"], seed, n_folds) for seed in runs["seed"]]
    deviations = level(runs, folds).groupby([*KEYS, "cell"], sort=False) if n_folds else groups
    table = groups.agg(n_seeds=("seed", "size")).assign(n_folds=n_folds)
    table = table.join(_moments(groups, deviations, list(METRICS))).reset_index()
    on_validation = _moments(groups, deviations, VALIDATION).reset_index()
    made_on = groups[["device", "torch"]].agg(_listed).reset_index()
    costs = pd.read_csv(results / spec["dataset"] / spec["model"] / "cost.csv")
    table = table.merge(costs, on="cell", how="left", validate="one_to_one")
    stores = table[["dataset", "sample_rate_hz", "n_mels"]].itertuples(index=False)
    counts = [_clip_counts(results, *store) for store in stores]
    table = table.assign(n_clips=[used for used, _ in counts], n_excluded=[excluded for _, excluded in counts])
    for further in (made_on, on_validation):
        table = table.merge(further.drop(columns=KEYS), on="cell", how="left", validate="one_to_one")
    return table[[*table.columns.drop("cell"), "cell"]]


def of_cells(spec: dict[str, Any], results: Path) -> list[Path]:
    """The files of single cells and trainings that the tables are made from.

    They belong to the record of the tables: figures and statistics read further files of every cell, and rely on it
    that all cells are there where the tables are.
    """
    names = ["metrics.csv", *(f"seed{seed}/run.json" for seed in spec["seeds"])]
    return [results / spec["dataset"] / spec["model"] / cell / name for cell in spec["cells"] for name in names]


def level(runs: pd.DataFrame, folds: Sequence[int | None]) -> pd.DataFrame:
    """Runs whose metrics have the same mean in every fold, for deviations in which easy and hard folds do not count.

    All cells are tested on the same folds, so what a fold adds to all of them is no difference between cells. The
    metrics become differences from the mean of their fold over all cells (Cousineau, "Confidence intervals in
    within-subject designs", 2005). They are scaled so that their variance is not too small (Morey, 2008).

    Parameters
    ----------
    runs : rows of `runs.csv` of one experiment
    folds : [length=n_runs], the fold of each run
    """
    columns = [*METRICS, *VALIDATION]
    n_cells = len(runs[KEYS].drop_duplicates())
    if n_cells == 1:
        return runs  # nothing else says how hard a fold is
    of_fold = runs.assign(fold=np.array(folds)).groupby("fold")[columns].transform("mean")
    return runs.assign(**((runs[columns] - of_fold) * np.sqrt(n_cells / (n_cells - 1))))


def _moments(means: DataFrameGroupBy, deviations: DataFrameGroupBy, columns: list[str]) -> pd.DataFrame:
    """The mean and the standard deviation (n - 1) of each column, side by side."""
    mean, std = means[columns].mean(), deviations[columns].std()
    parts = {f"{column}_{name}": part[column] for column in columns for name, part in (("mean", mean), ("std", std))}
    return pd.DataFrame(parts)


def _listed(names: pd.Series) -> str:
    return ", ".join(sorted(set(names)))


@cache
def _clip_counts(results: Path, dataset: str, sample_rate: int, n_mels: int) -> tuple[int, int]:
    """The number of clips in a store, and the number of clips that could not be decoded."""
    manifest = files.read_json(results / dataset / "mel" / str(sample_rate) / str(n_mels) / "manifest.json")
    return sum(len(shard["clip_ids"]) for shard in manifest["shards"]), manifest["n_excluded"]


def _macro(path: Path) -> pd.DataFrame:
    table = read_metrics(path)
    return table[table["tag"] == MACRO].set_index(["seed", "split"])
