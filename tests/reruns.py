"""What runs again when something changes: one change a row, with the jobs that the finished tiny run then plans.

tests/test_reruns.py asks Snakemake; docs/generate.py makes the table of the README from it.
"""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from howlow import demo

Config = dict[str, Any]


class Change(NamedTuple):
    """A change to a finished run: of its configuration, of the files in its folder, or of the project's code."""

    words: str
    jobs: dict[str, int]
    config: Callable[[Config], object] = lambda config: None
    files: Callable[[Path], object] = lambda folder: None
    code: Callable[[Path], object] | None = None
    touch: str = ""  # what `snakemake --touch` after the change names, if it is called


def _vgg(config: Config) -> Config:
    return config["experiments"][0]


def _musicnn(config: Config) -> Config:
    return config["experiments"][1]


def _reverse(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reverse(value[key]) for key in reversed(value)}
    return [_reverse(item) for item in value] if isinstance(value, list) else value


def _reverse_keys(config: Config) -> None:
    turned = _reverse(config)
    config.clear()
    config.update(turned)


def _append(module: str, text: str) -> Callable[[Path], object]:
    def change(project: Path) -> None:
        with (project / "workflow" / "howlow" / module).open("a") as file:
            file.write(text)

    return change


def _replace_audio(folder: Path) -> None:
    """One clip gets the sound of another, of the same length to the byte perhaps: its date tells."""
    first, second = sorted(folder.glob("results/tiny/source/mp3/*/*.mp3"))[:2]
    shutil.copyfile(second, first)


def _edit_annotation(folder: Path) -> None:
    path = folder / "results/tiny/source/annotations_final.csv"
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    rows[1][1] = str(1 - int(rows[1][1]))
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)


def _touch_scripts(project: Path) -> None:
    for script in (project / "workflow").glob("**/*.py"):
        script.touch()


def _copy(folder: Path) -> None:
    """What `cp -a` makes of results/ in another folder; the run's own folder is replaced by it."""
    copy = folder.with_name("copy")
    shutil.copytree(folder / "results", copy / "results", symlinks=True)
    shutil.rmtree(folder)
    copy.rename(folder)


def delete_snakemake(folder: Path) -> None:
    """Delete what Snakemake keeps for itself."""
    shutil.rmtree(folder / ".snakemake", ignore_errors=True)  # a copy of the results has none


def _unchanged(project: Path) -> None:
    """The project as it is, in another folder."""


_LINE = "\n_ANOTHER = 1\n"

# What follows from trainings: of VGG, of MUSICNN, of both; and where new representations or clips were the reason.
_ONCE = dict.fromkeys(["collect", "statistics", "tradeoff", "all"], 1)
_OF_VGG = {"times": 1, "aggregate": 1, "curves": 1, "figure1": 1, "tags": 1, "paper_table": 2, **_ONCE}
_OF_MUSICNN = {"times": 1, "aggregate": 1, "curves": 1, "paper_table": 3, **_ONCE}
_OF_BOTH = {"times": 2, "aggregate": 2, "curves": 2, "figure1": 1, "tags": 1, "paper_table": 3, **_ONCE}
_ALL_TRAININGS = {"train": 10, "evaluate": 5, **_OF_BOTH}
_ALL_STORES = {"store": 3, "excluded": 1, "sonify": 1}
_ALL_AUDIO = {"decode": 4, "spectrum": 4, "mel": 6}
_CONFIGURED = {"about": 1}

ALL_JOBS = {"demo": 1, "tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS, **_CONFIGURED}
"""What an empty folder needs."""

TABLE = [
    Change(
        "one more seed",
        {"train": 5, "evaluate": 5, **_OF_BOTH, **_CONFIGURED},
        lambda config: config.update(seeds=[1, 2, 3]),
    ),
    Change(
        "one more hop, at both sample rates",
        {"train": 4, "evaluate": 2, "cost": 1, "sonify": 1, **_OF_VGG, **_CONFIGURED},
        lambda config: _vgg(config)["grid"][0].update(hop_factor=[5, 10]),
    ),
    Change(
        "one more log type, at both sample rates",
        {"train": 4, "evaluate": 2, "cost": 1, "sonify": 1, **_OF_VGG, **_CONFIGURED},
        lambda config: _vgg(config)["grid"][0].update(log_type=["db", "log"]),
    ),
    Change(
        "one more number of bands, at both sample rates",
        {"decode": 4, "spectrum": 4, "mel": 4, "store": 2, "excluded": 1, "train": 4, "evaluate": 2, "cost": 1}
        | {"sonify": 1, **_OF_VGG, **_CONFIGURED},
        lambda config: _vgg(config)["grid"][0].update(n_mels=[8, 24]),
    ),
    Change(
        "the learning rate of MUSICNN",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN, **_CONFIGURED},
        lambda config: _musicnn(config)["training"].update(learning_rate=0.01),
    ),
    Change(
        "the epochs of VGG-CNN",
        {"train": 8, "evaluate": 4, **_OF_VGG, **_CONFIGURED},
        lambda config: _vgg(config)["training"].update(epochs=2),
    ),
    Change(
        "one tag less",
        {"tracks": 1, "cost": 2, **_ALL_STORES, **_ALL_TRAININGS, **_CONFIGURED},
        lambda config: config["datasets"]["tiny"].update(tags=list(demo.TAGS[1:])),
    ),
    Change(
        "one tag less, and another window at once",
        {"tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS, **_CONFIGURED},
        lambda config: (
            config["datasets"]["tiny"].update(tags=list(demo.TAGS[1:])),
            config.update(spectrograms={"window": "symmetric"}),
        ),
    ),
    Change(
        "the annotation of one clip",
        {"tracks": 1, "cost": 2, **_ALL_STORES, **_ALL_TRAININGS},
        files=_edit_annotation,
    ),
    Change(
        "one audio file replaced",
        {"decode": 2, "spectrum": 2, "mel": 3, **_ALL_STORES, **_ALL_TRAININGS},
        files=_replace_audio,
    ),
    Change(
        "the window of the Fourier transform",
        {**_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS, **_CONFIGURED},
        lambda config: config.update(spectrograms={"window": "symmetric"}),
    ),
    Change(
        "the seed of the demo's generator",
        {"demo": 1, "tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS, **_CONFIGURED},
        lambda config: config["datasets"]["tiny"].update(seed=5),
    ),
    Change(
        "the margin of equivalence",
        {"statistics": 1, "tradeoff": 1, "all": 1, **_CONFIGURED},
        lambda config: config.update(statistics={"margin_points": 1}),
    ),
    Change(
        "a line of `howlow/mel.py`",
        {**_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS},
        code=_append("mel.py", _LINE),
    ),
    Change("a line of `howlow/models.py`", {"cost": 2, **_ALL_TRAININGS}, code=_append("models.py", _LINE)),
    Change(
        "a line of `howlow/comparison.py`",
        {"statistics": 1, "tradeoff": 1, "all": 1},
        code=_append("comparison.py", _LINE),
    ),
    Change("a line of `howlow/plots/figure1.py`", {"figure1": 1, "all": 1}, code=_append("plots/figure1.py", _LINE)),
    Change("a line of `howlow/plots/tags.py`", {"tags": 1, "all": 1}, code=_append("plots/tags.py", _LINE)),
    Change("a line of `howlow/plots/tradeoff.py`", {"tradeoff": 1, "all": 1}, code=_append("plots/tradeoff.py", _LINE)),
    Change("a comment or a docstring", {}, code=_append("training.py", '\n# More.\n"""More."""\n')),
    Change("`touch` of all programs and modules", {}, code=_touch_scripts),
    Change("the order of keys in the YAML file", {}, _reverse_keys),
    Change("a fresh clone, with `results` copied by `cp -a`", {}, files=_copy, code=_unchanged),
    Change("`.snakemake` deleted", {}, files=delete_snakemake),
    Change(
        "the learning rate of MUSICNN, and `snakemake --touch`, which names it and fails",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN},
        lambda config: _musicnn(config)["training"].update(learning_rate=0.01),
        touch="results/tiny/musicnn/12k_mel8_x1_db/seed1: its spec is not that of this configuration and code",
    ),
]
"""What the finished tiny run does again; where nothing is to be done, no jobs."""
