"""The datasets. Each has one module, which reads the dataset's own metadata into `howlow.data.tracks.Tracks`."""

from collections.abc import Callable
from typing import Any

from howlow.data.datasets import metadata, msd, mtat, table
from howlow.data.datasets.metadata import MetadataError
from howlow.data.tracks import Tracks

_LOADERS: dict[str, Callable[..., tuple[Tracks, list[tuple[str, str]]]]] = {
    "demo": mtat.load,
    "mtat": mtat.load,
    "msd": msd.load,
    "table": table.load,
}

_NOT_FOR_LOADERS = ("dataset", "kind", "n_channels", "n_clips", "sample_rate", "seed")


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
        tracks, left_out = _LOADERS[spec["kind"]](**settings, **paths)
    except OSError as error:
        raise MetadataError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from None
    metadata.check_splits(spec["dataset"], tracks, left_out, spec.get("folds"))
    return tracks, left_out


def split_rule(spec: dict[str, Any]) -> str:
    """Describe how the clips of a dataset are split, by the specification of `tracks`."""
    if "folds" in spec:
        return f"{spec['folds']} folds by {'artist' if spec['kind'] == 'mtat' else 'group'}"
    if spec["kind"] == "table":
        return "as the table says, or else by group"
    return {"msd": "the lists of the field"}.get(spec["kind"]) or f"by {spec.get('split', 'folders')}"


def published_sizes(kind: str) -> dict[str, int]:
    """The number of usable clips of each split that the literature reports for a dataset."""
    return {"mtat": mtat.PUBLISHED_SIZES, "msd": msd.PUBLISHED_SIZES}[kind]
