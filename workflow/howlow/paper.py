"""The paper's experiments: in which settings a configured one is unlike them.

The paper's settings are the defaults of the schema. Only what the paper's authors did otherwise is written here.
"""

from functools import cache
from typing import Any

from howlow import config as configuration

DATASETS = ("mtat", "msd")
"""The kinds of the datasets that the paper has figures of."""

_DECIDES_NOTHING = {"audio", "device", "dtype", "exclude", "kind", "max_excluded", "root", "shards", "threads", "url"}
_COUNTED = {"tags"}  # of the data that these choose, the size is compared: `howlow.published.unlike`

_FOR_MSD = {"filters": 16}
"""MUSICNN's on the Million Song Dataset."""

_AS_RUN = {"window": "symmetric", "orientation": "published", "segment_frames": 128}
"""What the authors' code did where it differs from their paper, or from LibROSA."""

_ALSO_RUN = {"batch_size": 32}
"""What a part of their code did."""


def unlike(config: dict[str, Any], experiment: dict[str, Any]) -> list[str]:
    """In which settings an experiment is not the paper's with this network on this kind of dataset, in words.

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
    """What the authors' own runs, which the published figures are of, had otherwise than an experiment, in words."""
    settings = _settings(config, experiment)
    return [
        f"{key} {theirs} (here {_text(settings[key])})"
        for key, theirs in _AS_RUN.items()
        if settings.get(key, theirs) != theirs
    ]


def _settings(config: dict[str, Any], experiment: dict[str, Any]) -> dict[str, Any]:
    """All settings that an experiment depends on, by their keys; no two of these are the same."""
    settings = {"segment_frames": "3 s"} if experiment["model"] == "musicnn" else {}
    for part in (config["datasets"][experiment["dataset"]], config["spectrograms"]):
        settings |= part
    return settings | experiment["options"] | experiment["training"]


@cache
def _papers(kind: str, model: str) -> dict[str, Any]:
    experiment = {"dataset": "d", "model": model, "grid": [{"sample_rate": [12000], "n_mels": [96]}]}
    config = {"datasets": {"d": {"kind": kind, "root": "d"}}, "experiments": [experiment]}
    complete = configuration.complete(config, "the paper's")
    settings = _settings(complete, complete["experiments"][0])
    return settings | (_FOR_MSD if (kind, model) == ("msd", "musicnn") else {})


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
