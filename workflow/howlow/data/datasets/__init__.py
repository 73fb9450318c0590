"""The datasets. Each has one module, which reads the dataset's own metadata into `howlow.data.tracks.Tracks`."""

from importlib import import_module
from types import ModuleType
from typing import Any

from howlow.data.datasets import metadata
from howlow.data.datasets.registry import DATASETS
from howlow.data.tracks import Tracks
from howlow.errors import MetadataError

_NOT_FOR_LOADERS = ("dataset", "kind", "n_channels", "n_clips", "probes", "sample_rate", "seed")


def load(spec: dict[str, Any], paths: dict[str, str]) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the metadata of a dataset.

    Parameters
    ----------
    spec : the specification of the dataset, by `howlow.config.specs.tracks`
    paths : the dataset's folders and files, by `howlow.config.specs.paths`

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason)

    Raises
    ------
    HowlowError
        if a file is missing, can't be read or has invalid content, or if no network can be trained and tested on the
        clips
    """
    settings = {key: value for key, value in spec.items() if key not in _NOT_FOR_LOADERS}
    try:
        tracks, left_out = _module(spec["kind"]).load(**settings, **paths)
    except OSError as error:
        raise MetadataError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    metadata.check_splits(spec["dataset"], tracks, left_out, spec.get("folds"))
    return tracks, left_out


def split_rule(spec: dict[str, Any]) -> str:
    """Describe how the clips of a dataset are split, by the specification of `tracks`."""
    if "folds" in spec:
        return f"{spec['folds']} folds by {DATASETS[spec['kind']].folds_by}"
    return _module(spec["kind"]).split_rule(spec)


def published_sizes(kind: str) -> dict[str, int]:
    """The number of usable clips of each split that the literature reports for a kind of dataset."""
    return _module(kind).PUBLISHED_SIZES


def _module(kind: str) -> ModuleType:
    return import_module(f"howlow.data.datasets.{kind}")
