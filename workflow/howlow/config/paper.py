"""The settings of the paper's experiments, and how a configured experiment differs from them.

The defaults of the schema are the paper's settings. This module adds only where the authors deviated from them.
"""

from functools import cache
from typing import Any

from howlow import config as configuration
from howlow.networks.registry import network

DATASETS = ("mtat", "msd")
"""The kinds of the datasets for which the paper has figures."""

_DECIDES_NOTHING = {"audio", "device", "dtype", "exclude", "kind", "max_excluded", "root", "shards", "threads", "url"}
_COUNTED = {"tags"}  # `howlow.results.published.unlike` compares the size of the data that these choose

_BY_DATASET = {("msd", "musicnn"): {"filters": 16}}
"""Settings that a network has on a kind of dataset alone."""

_AS_RUN = {"window": "symmetric", "orientation": "published", "segment_frames": 128}
"""Settings of the authors' code that differ from their paper, or from LibROSA."""

_ALSO_RUN = {"batch_size": 32}
"""Settings of a part of the authors' code."""


def unlike(config: dict[str, Any], experiment: dict[str, Any]) -> list[str]:
    """The settings in which an experiment differs from the paper's for the same network and kind of dataset, in words.

    Parameters
    ----------
    config : a complete configuration
    experiment : one of its experiments, on a dataset of one of `DATASETS`
    """
    papers = _papers(config["datasets"][experiment["dataset"]]["kind"], experiment["model"])
    also = _AS_RUN | _ALSO_RUN
    return [
        f"{key} is {_text(value)}, the paper's is {_text(papers.get(key))}"
        for key, value in _settings(config, experiment).items()
        if key not in _DECIDES_NOTHING | _COUNTED and value not in (papers.get(key), also.get(key))
    ]


def remarks(config: dict[str, Any], experiment: dict[str, Any]) -> list[str]:
    """The settings in which the authors' own runs, which gave the published figures, differ from an experiment."""
    settings = _settings(config, experiment)
    return [
        f"{key} {theirs} (here {_text(settings[key])})"
        for key, theirs in _AS_RUN.items()
        if settings.get(key, theirs) != theirs
    ]


def _settings(config: dict[str, Any], experiment: dict[str, Any]) -> dict[str, Any]:
    """All settings that an experiment depends on, by their keys, which are unique."""
    settings = {"segment_frames": "3 s"} if network(experiment["model"]).WORKS_ON_SEGMENTS else {}
    for part in (config["datasets"][experiment["dataset"]], config["spectrograms"]):
        settings |= part
    return settings | experiment["options"] | experiment["training"]


@cache
def _papers(kind: str, model: str) -> dict[str, Any]:
    experiment = {"dataset": "d", "model": model, "grid": [{"sample_rate": [12000], "n_mels": [96]}]}
    config = {"datasets": {"d": {"kind": kind, "root": "d"}}, "experiments": [experiment]}
    complete = configuration.complete(config, "the paper's")
    settings = _settings(complete, complete["experiments"][0])
    return settings | _BY_DATASET.get((kind, model), {})


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
