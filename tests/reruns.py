"""The jobs that a finished run of the tests plans after a change, for one change per entry.

tests/test_reruns.py checks them with Snakemake; docs/generate.py makes the tables of README.md from them.
"""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from howlow.data.demo.tags import MUSICAL

Config = dict[str, Any]


class Change(NamedTuple):
    """A change to a finished run: of its configuration, of the files in its folder, or of the project's code."""

    words: str
    jobs: dict[str, int]
    config: Callable[[Config], object] = lambda config: None
    files: Callable[[Path], object] = lambda folder: None
    code: Callable[[Path], object] | None = None
    touch: str = ""  # what `snakemake --touch` names after the change; empty if it is not called
    arguments: tuple[str, ...] = ()  # arguments of Snakemake, besides those of the configuration


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
    """Replace one clip by another. Their sizes may be the same, so that only the date differs."""
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
    """Replace the folder of the run by another one with a copy of results/, as `cp -a` makes it."""
    copy = folder.with_name("copy")
    shutil.copytree(folder / "results", copy / "results", symlinks=True)
    shutil.rmtree(folder)
    copy.rename(folder)


def _copy_without_hidden(folder: Path) -> None:
    """Delete what a copy of `results/*` leaves out: everything whose name begins with a dot."""
    for hidden in [*folder.glob("results/.*"), *folder.glob("results/**/.*")]:
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()
    delete_snakemake(folder)


def _edit_published(project: Path) -> None:
    path = project / "resources" / "published.csv"
    path.write_text(path.read_text().replace("89.", "88.", 1))


def _delete(*names: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / "results" / name).unlink()

    return change


def _delete_folders(pattern: str) -> Callable[[Path], object]:
    return lambda folder: [shutil.rmtree(path) for path in folder.glob(f"results/{pattern}")]


def _cut(name: str) -> Callable[[Path], object]:
    """Cut off the second half of a file, as on a full disk, and keep its date."""

    def change(folder: Path) -> None:
        path = folder / "results" / name
        status = path.stat()
        os.truncate(path, status.st_size // 2)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change


def _overwrite(name: str) -> Callable[[Path], object]:
    """The middle of a file becomes zeros, as after a power cut; its size stays."""

    def change(folder: Path) -> None:
        path = folder / "results" / name
        content = path.read_bytes()
        path.write_bytes(content[:400] + bytes(len(content) - 800) + content[-400:])

    return change


def delete_snakemake(folder: Path) -> None:
    """Delete Snakemake's own files."""
    shutil.rmtree(folder / ".snakemake", ignore_errors=True)  # a copy of the results has no such folder


def _unchanged(project: Path) -> None:
    """Leave the project as it is; it is only in another folder."""


_LINE = "\n_ANOTHER = 1\n"
_IN_A_DATABASE = ("--persistence-backend", "db")

# The jobs that follow from trainings of VGG, of MUSICNN, or of both, and those that follow from new clips.
_ABOUT = {"about": 1, "all": 1}
_CHOICES = {"tradeoff": 1, "exchange": 1, "frontier": 1}
_ONCE = {"collect": 1, "statistics": 1, **_CHOICES, **_ABOUT}
_OF_VGG = {"times": 1, "bootstrap": 1, "aggregate": 1, "curves": 1, "figure1": 1, "tags": 1, "paper_table": 2, **_ONCE}
_OF_MUSICNN = {"times": 1, "bootstrap": 1, "aggregate": 1, "curves": 1, "paper_table": 3, **_ONCE}
_OF_BOTH = {"times": 2, "bootstrap": 2, "aggregate": 2, "curves": 2, "figure1": 1, "tags": 1, "paper_table": 3, **_ONCE}
_ALL_TRAININGS = {"train": 10, "evaluate": 5, **_OF_BOTH}
_ALL_STORES = {"store": 3, "excluded": 1, "sonify": 1}
_ALL_AUDIO = {"decode": 4, "spectrum": 4, "mel": 6}

ALL_JOBS = {"demo": 1, "tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS}
"""The jobs of a run that starts from an empty folder."""

TABLE = [
    Change(
        "one more seed",
        {"train": 5, "evaluate": 5, **_OF_BOTH},
        lambda config: config.update(seeds=[1, 2, 3]),
    ),
    Change(
        "one more hop, at both sample rates",
        {"train": 4, "evaluate": 2, "cost": 1, "sonify": 1, **_OF_VGG},
        lambda config: _vgg(config)["grid"][0].update(hop_factor=[5, 10]),
    ),
    Change(
        "one more log type, at both sample rates",
        {"train": 4, "evaluate": 2, "cost": 1, "sonify": 1, **_OF_VGG},
        lambda config: _vgg(config)["grid"][0].update(log_type=["db", "log"]),
    ),
    Change(
        "one more number of bands, at both sample rates",
        {"decode": 4, "spectrum": 4, "mel": 4, "store": 2, "excluded": 1, "train": 4, "evaluate": 2, "cost": 1}
        | {"sonify": 1, **_OF_VGG},
        lambda config: _vgg(config)["grid"][0].update(n_mels=[8, 24]),
    ),
    Change(
        "the learning rate of MUSICNN",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN},
        lambda config: _musicnn(config)["training"].update(learning_rate=0.01),
    ),
    Change(
        "the epochs of VGG-CNN",
        {"train": 8, "evaluate": 4, **_OF_VGG},
        lambda config: _vgg(config)["training"].update(epochs=2),
    ),
    Change(
        "one tag fewer",
        {"tracks": 1, "cost": 2, **_ALL_STORES, **_ALL_TRAININGS},
        lambda config: config["datasets"]["tiny"].update(tags=list(MUSICAL[1:])),
    ),
    Change(
        "one tag fewer, and another window at once",
        {"tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS},
        lambda config: (
            config["datasets"]["tiny"].update(tags=list(MUSICAL[1:])),
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
        {**_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS},
        lambda config: config.update(spectrograms={"window": "symmetric"}),
    ),
    Change(
        "the seed of the demo's generator",
        {"demo": 1, "tracks": 1, "cost": 2, **_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS},
        lambda config: config["datasets"]["tiny"].update(seed=5),
    ),
    Change(
        "the margin of equivalence",
        {"statistics": 1, **_CHOICES, **_ABOUT},
        lambda config: config.update(statistics={"margin_points": 1}),
    ),
    Change(
        "a line of `howlow/features/mel.py`",
        {**_ALL_AUDIO, **_ALL_STORES, **_ALL_TRAININGS},
        code=_append("features/mel.py", _LINE),
    ),
    Change(
        "a line of `howlow/networks/layers.py`",
        {"cost": 2, **_ALL_TRAININGS},
        code=_append("networks/layers.py", _LINE),
    ),
    Change(
        "a line of `howlow/networks/vgg.py`",
        {"cost": 1, "train": 8, "evaluate": 4, **_OF_VGG},
        code=_append("networks/vgg.py", _LINE),
    ),
    Change(
        "a line of `howlow/networks/musicnn_layers.py`",
        {"cost": 1, "train": 2, "evaluate": 1, **_OF_MUSICNN},
        code=_append("networks/musicnn_layers.py", _LINE),
    ),
    Change(
        "a further network in `howlow/networks/registry.py`",
        {},
        code=_append("networks/registry.py", '\nNETWORKS["resnet"] = "ResNet"\n'),
    ),
    Change(
        "a line of `howlow/results/statistics.py`",
        {"statistics": 1, **_ABOUT},
        code=_append("results/statistics.py", _LINE),
    ),
    Change(
        "a line of `howlow/results/effects.py`",
        {"statistics": 1, **_CHOICES, **_ABOUT},
        code=_append("results/effects.py", _LINE),
    ),
    Change(
        "a line of `howlow/results/plots/figure1.py`",
        {"figure1": 1, **_ABOUT},
        code=_append("results/plots/figure1.py", _LINE),
    ),
    Change(
        "a line of `howlow/results/plots/tags.py`", {"tags": 1, **_ABOUT}, code=_append("results/plots/tags.py", _LINE)
    ),
    Change(
        "a line of `howlow/results/plots/tradeoff.py`",
        {**_CHOICES, **_ABOUT},
        code=_append("results/plots/tradeoff.py", _LINE),
    ),
    Change(
        "the quantizer, where every cell has 16 bits",
        _ABOUT,
        lambda config: config.update(spectrograms={"quantizer": "band"}),
    ),
    Change("a comment or a docstring", {}, code=_append("training/loop.py", '\n# More.\n"""More."""\n')),
    Change("`touch` of all programs and modules", {}, code=_touch_scripts),
    Change("the order of keys in the YAML file", {}, _reverse_keys),
    Change("a fresh clone, with `results` copied by `cp -a`", {}, files=_copy, code=_unchanged),
    Change("`.snakemake` deleted", {}, files=delete_snakemake),
    Change(
        "the learning rate of MUSICNN, and `snakemake --touch`, which names it and fails",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN},
        lambda config: _musicnn(config)["training"].update(learning_rate=0.01),
        touch="training.learning_rate is 0.01 now and was 0.001",
    ),
    Change(
        "the margin of equivalence, and `snakemake --touch`, which names it and fails",
        {"statistics": 1, **_CHOICES, **_ABOUT},
        lambda config: config.update(statistics={"margin_points": 1}),
        touch="margin_points is 1 now and was 0.5",
    ),
    Change(
        "the device, from `cpu` to `cuda`",
        _ABOUT,
        lambda config: [each["training"].update(device="cuda") for each in config["experiments"]],
    ),
    Change("a published figure", {"paper_table": 3, **_ABOUT}, code=_edit_published),
    Change("a line of `howlow/program.py`", {}, code=_append("program.py", _LINE)),
    Change("`results` copied by `cp -r --preserve=timestamps results/*`", {}, files=_copy_without_hidden),
    Change("Snakemake's own records in a database (`--persistence-backend db`)", {}, arguments=_IN_A_DATABASE),
    Change(
        "the learning rate of MUSICNN, and Snakemake's records in a database",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN},
        lambda config: _musicnn(config)["training"].update(learning_rate=0.01),
        arguments=_IN_A_DATABASE,
    ),
    Change(
        "a training's `history.csv` and the curves deleted",
        {"train": 1, "evaluate": 1, **_OF_MUSICNN},
        files=_delete("tiny/musicnn/12k_mel8_x1_db/seed1/history.csv", "tiny/musicnn/curves.pdf"),
    ),
    Change(
        "a cell's `metrics.csv` deleted",
        {"evaluate": 1, **_OF_MUSICNN},
        files=_delete("tiny/musicnn/12k_mel8_x1_db/metrics.csv"),
    ),
    Change(
        "the folder of a training deleted",
        {"train": 1, "evaluate": 1, **_OF_MUSICNN},
        files=_delete_folders("tiny/musicnn/12k_mel8_x1_db/seed1"),
    ),
    Change(
        "the folder of a cell deleted",
        {"train": 2, "evaluate": 1, **_OF_MUSICNN},
        files=_delete_folders("tiny/musicnn/12k_mel8_x1_db"),
    ),
    Change(
        "a training's `run.json` damaged",
        {"train": 1, "evaluate": 1, **_OF_MUSICNN},
        files=_cut("tiny/musicnn/12k_mel8_x1_db/seed1/run.json"),
    ),
    Change(
        "the records of the tables deleted: what made them is not known",
        {"paper_table": 3, **_ABOUT},
        files=_delete("records/table4.json", "records/table5.json", "records/full.json"),
    ),
    Change(
        "`tracks.parquet` damaged",
        {"tracks": 1, "cost": 2, **_ALL_STORES, **_ALL_TRAININGS},
        files=_cut("tiny/tracks.parquet"),
    ),
    Change(
        "zeros inside `tracks.parquet`",
        {"tracks": 1, "cost": 2, **_ALL_STORES, **_ALL_TRAININGS},
        files=_overwrite("tiny/tracks.parquet"),
    ),
    Change(
        "a shard of the store of 16 kHz lost (its trainings find nothing to do)",
        {
            "decode": 1,
            "spectrum": 1,
            "mel": 1,
            "store": 1,
            "excluded": 1,
            "train": 2,
            "evaluate": 1,
            "sonify": 1,
            **_OF_VGG,
        },
        files=_delete("tiny/mel/16000/8/00.npy"),
    ),
    Change(
        "a shard of the store of 16 kHz cut off",
        {
            "decode": 1,
            "spectrum": 1,
            "mel": 1,
            "store": 1,
            "excluded": 1,
            "train": 2,
            "evaluate": 1,
            "sonify": 1,
            **_OF_VGG,
        },
        files=_cut("tiny/mel/16000/8/00.npy"),
    ),
]
"""The jobs that the finished run of tests/tiny.yaml runs again; none if there is nothing to do."""


def _edit_table(edit: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    """Change the rows of the user's own table; the first one is the header."""

    def change(folder: Path) -> None:
        table = folder / "music" / "tracks.csv"
        table.write_text("\n".join(edit(table.read_text().splitlines())) + "\n")

    return change


def _add_clip(folder: Path) -> None:
    audio = sorted(folder.glob("music/mp3/0/*.mp3"))[0]
    shutil.copyfile(audio, folder / "music" / "mp3" / "new.mp3")
    _edit_table(lambda rows: [*rows, "new.mp3,new.mp3,loud"])(folder)


def _move_audio(folder: Path) -> None:
    """By a copy that keeps dates: the other collection has the same audio, and keeps it."""
    shutil.copytree(folder / "music" / "mp3", folder / "elsewhere")


def _rename_table(folder: Path) -> None:
    """Write the table again under another name: neither its name nor its date counts."""
    table = folder / "music" / "tracks.csv"
    (folder / "music" / "renamed.csv").write_bytes(table.read_bytes())
    table.unlink()


_OF_MINE = {"train": 1, "evaluate": 1, "times": 1, "aggregate": 1, "curves": 1, "figure1": 1, "tags": 1, "sonify": 1}
_OF_MINE |= {"bootstrap": 1, "paper_table": 1, "store": 1, "tracks": 1, "cost": 1, "excluded": 1, **_ONCE}
_OF_LAYOUT = {key: jobs for key, jobs in _OF_MINE.items() if key not in ("figure1", "tags", "sonify")}
_ONE_SHARD = {"decode": 1, "spectrum": 1, "mel": 1}

OWN_JOBS = {key: 2 * jobs for key, jobs in _OF_LAYOUT.items() if key not in (*_ONCE, "paper_table")}
OWN_JOBS |= {"paper_table": 1, "figure1": 1, "tags": 1, "sonify": 1, "decode": 5, "spectrum": 5, "mel": 5, **_ONCE}
"""The jobs of a run of tests/own.yaml that starts from an empty folder."""

OWN_TABLE = [
    Change("one more row in the table", {**_ONE_SHARD, **_OF_MINE}, files=_add_clip),
    Change("one row fewer", {**_ONE_SHARD, **_OF_MINE}, files=_edit_table(lambda rows: rows[:-1])),
    Change("the rows in another order", _OF_MINE, files=_edit_table(lambda rows: [rows[0], *reversed(rows[1:])])),
    Change("one clip gets another tag", _OF_MINE, files=_edit_table(lambda rows: [*rows[:-1], rows[-1] + "|quiet"])),
    Change(
        "the folder of the audio moved",
        _ABOUT,
        lambda config: config["datasets"]["mine"].update(root="elsewhere"),
        _move_audio,
    ),
    Change(
        "the table renamed",
        _ABOUT,
        lambda config: config["datasets"]["mine"].update(table="music/renamed.csv"),
        _rename_table,
    ),
    Change(
        "the rule of the split, from folders to artists",
        _OF_LAYOUT,
        lambda config: config["datasets"]["layout"].update(split="artists"),
    ),
    Change(
        "two more seeds, and three folds in one of two collections",
        {**_OF_MINE, "train": 5, **dict.fromkeys(["evaluate", "times", "aggregate", "curves", "bootstrap"], 2)},
        lambda config: (config.update(seeds=[1, 2, 3]), config["datasets"]["mine"].update(folds=3)),
    ),
]
"""The jobs that the finished run of tests/own.yaml runs again."""

_OF_AXES = {key: jobs for key, jobs in _OF_VGG.items() if key != "paper_table"} | {"paper_table": 1}

AXES_JOBS = {"demo": 1, "tracks": 1, "cost": 1, "decode": 2, "spectrum": 2, "mel": 2, "store": 1, "excluded": 1}
AXES_JOBS |= {"train": 2, "evaluate": 2, "sonify": 1, **_OF_AXES}
"""The jobs of a run of tests/axes.yaml that starts from an empty folder."""

AXES_TABLE = [
    Change(
        "one more number of bits",
        {"train": 1, "evaluate": 1, "cost": 1, "sonify": 1, **_OF_AXES},
        lambda config: _vgg(config)["grid"][0].update(bits=[16, 4, 2]),
    ),
    Change(
        "one more length, with both numbers of bits",
        {"train": 2, "evaluate": 2, "cost": 1, "sonify": 1, **_OF_AXES},
        lambda config: _vgg(config)["grid"][0].update(seconds=[3, 1.5]),
    ),
    Change(
        "one more width, with both numbers of bits",
        {"train": 2, "evaluate": 2, "cost": 1, **_OF_AXES},
        lambda config: _vgg(config)["grid"][0].update(width=[0.015625, 0.03125]),
    ),
    Change(
        "the quantizer, from `global` to `band`",
        {"levels": 1, "train": 1, "evaluate": 1, "sonify": 1, **_OF_AXES},
        lambda config: config.update(spectrograms={"quantizer": "band"}),
    ),
    Change(
        "a line of `howlow/features/quantizer.py`",
        {"cost": 1, "store": 1, "train": 2, "evaluate": 2, "sonify": 1, **_OF_AXES},
        code=_append("features/quantizer.py", _LINE),
    ),
]
"""The jobs that the finished run of tests/axes.yaml runs again."""
