"""Model files from anybody: one that cannot tag is refused in one line, before memory is taken or tags are printed."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import as_nobody, run_command
from trained import MUSICNN, SECONDS, noise, write_audio, write_model

Change = Callable[[dict[str, Any]], None]


def spec(**values: Any) -> Change:
    return lambda content: content["spec"].update(values)


def option(**values: Any) -> Change:
    return lambda content: content["spec"]["options"].update(values)


def entry(**values: Any) -> Change:
    return lambda content: content.update(values)


def four_bits(levels: Any) -> Change:
    def apply(content: dict[str, Any]) -> None:
        content["spec"]["bits"], content["levels"] = 4, levels

    return apply


def tag(name: Any) -> Change:
    return lambda content: content["tags"].__setitem__(0, name)


def weight(change: Callable[[torch.Tensor], Any]) -> Change:
    """Changes the weights of the last layer."""

    def apply(content: dict[str, Any]) -> None:
        content["weights"]["classifier.weight"] = change(content["weights"]["classifier.weight"])

    return apply


def one_value(value: float) -> Change:
    return weight(lambda tensor: tensor.index_fill(0, torch.tensor([1]), value))


CASES: list[tuple[str, Change, str]] = [
    ("hop of 0", spec(hop_factor=0), "hop_factor[0]: 0 is less than the minimum"),
    ("hop of 10**9", spec(hop_factor=10**9), "hop_factor[0]: 1000000000 is greater than the maximum"),
    ("log type ln", spec(log_type="ln"), "log_type[0]: 'ln' is not one of"),
    ("10**9 bands", spec(n_mels=10**9), "n_mels[0]: 1000000000 is greater than the maximum"),
    ("no bands", spec(n_mels=0), "n_mels[0]: 0 is less than the minimum"),
    ("-8 bands", spec(n_mels=-8), "n_mels[0]: -8 is less than the minimum"),
    ("bands as text", spec(n_mels="8"), "n_mels[0]: "),
    ("bands in a list", spec(n_mels=[8, 16]), "n_mels[0]: "),
    ("rate of 0", spec(sample_rate=0), "sample_rate[0]: 0 is less than the minimum"),
    ("rate of 10**12", spec(sample_rate=10**12), "sample_rate[0]: 1000000000000 is greater than the maximum"),
    ("10**12 seconds", spec(seconds=1e12), "seconds: 1000000000000.0 is greater than the maximum"),
    ("infinite seconds", spec(seconds=float("inf")), "seconds: "),
    ("NaN seconds", spec(seconds=float("nan")), "seconds: "),
    ("negative seconds", spec(seconds=-2), "seconds: -2 is less than the minimum"),
    ("huge width", spec(width=1e9), "width[0]: 1000000000.0 is greater than the maximum"),
    ("NaN width", spec(width=float("nan")), "width[0]: "),
    ("another width", spec(width=1 / 32), "size mismatch"),
    ("a width among the options", option(width=1 / 64), "unexpected keyword argument 'width'"),
    ("4 bits without levels", spec(bits=4), "its levels are not those of 4 bits"),
    ("levels of 16 bits", entry(levels={"low_db": [-100.0], "high_db": [20.0]}), "its levels are not those of 16 bits"),
    ("7 bits", spec(bits=7), "bits[0]: 7 is not one of"),
    ("options that are no mapping", spec(options=3), "options: 3 is not "),
    ("settings that are no mapping", entry(spec=[1, 2]), "its settings are not a mapping"),
    *(
        (f"levels {low} and {high}", four_bits({"low_db": low, "high_db": high}), message)
        for low, high, message in (
            ([-100.0] * 3, [20.0] * 3, "its levels are not those of 8 bands"),
            ([-100.0], [20.0] * 8, "no model that this version of howlow can use: "),
            ([20.0], [20.0], "its levels are not those of 8 bands"),
            ([20.0], [-100.0], "its levels are not those of 8 bands"),
            ([float("nan")], [20.0], "its levels are not those of 8 bands"),
            ([-100.0], [float("inf")], "its levels are not those of 8 bands"),
            ([-100.0], [1e39], "its levels are not those of 8 bands"),
            (-100.0, 20.0, "no model that this version of howlow can use: "),
            (["low"], ["high"], "no model that this version of howlow can use: "),
        )
    ),
    ("levels that are no mapping", four_bits([1, 2]), "no model that this version of howlow can use: "),
    ("levels of another key", four_bits({"low": [-100.0]}), "'low_db'"),
    ("too few frames for the network", spec(hop_factor=50), "2 frames"),
    ("unknown window", entry(window="hann"), "window: 'hann' is not one of ['periodic', 'symmetric']"),
    ("no tags", entry(tags=[]), "it names no tags"),
    ("tags in one text", entry(tags="abcde"), "it names no tags"),
    ("a tag that is a number", tag(7), "the tag 7 is not printable text"),
    ("a tag with a newline", tag("a\nb"), r"the tag 'a\nb' is not printable text"),
    ("a tag with an escape sequence", tag("\x1b[2J\x1b[31m"), r"the tag '\x1b[2J\x1b[31m' is not printable text"),
    ("a tag that is half a character", tag("\ud83d"), r"the tag '\ud83d' is not printable text"),
    ("a digest with an escape sequence", entry(digest="\x1b[2J"), "its digest has other characters than"),
    ("a NaN weight", one_value(float("nan")), "some of its weights are not finite"),
    ("an infinite weight", one_value(float("inf")), "some of its weights are not finite"),
    ("weights of another type", weight(torch.Tensor.double), "its weights are not of the type float32"),
    ("complex weights", weight(lambda tensor: tensor.to(torch.complex64)), "its weights are not of the type float32"),
    ("weights that are no tensors", weight(torch.Tensor.tolist), "classifier.weight"),
    (
        "weights without memory",
        weight(lambda tensor: tensor.to("meta")),
        "no model that this version of howlow can use: ",
    ),
    ("weights that are a list", entry(weights=[1.0]), "Expected state_dict to be dict-like"),
]


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> dict[str, Any]:
    return write_model(tmp_path_factory.mktemp("model") / "model.pt")


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    return write_audio(tmp_path_factory.mktemp("music") / "song.wav", noise(SECONDS))


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_absurd_models_are_refused(tmp_path, content, song, change, message):
    content, model = deepcopy(content), tmp_path / "model.pt"
    change(content)
    torch.save(content, model)
    for name, arguments in (("tag", [song, "--output"]), ("export", ["--onnx"])):
        process = run_command(name, "--model", model, *arguments, tmp_path / "made")
        assert process.returncode == 1
        assert process.stderr.startswith(f"howlow {name}: {model}: ")
        assert message in process.stderr
        assert len(process.stderr.splitlines()) == 1
        assert process.stdout == ""
        assert list(tmp_path.iterdir()) == [model]


def test_a_musicnn_of_huge_segments_is_refused(tmp_path, song):
    content = write_model(tmp_path / "model.pt", **MUSICNN)
    content["spec"]["options"] = content["spec"]["options"] | {"segment_frames": 10**9}
    torch.save(content, tmp_path / "model.pt")
    process = run_command("tag", "--model", tmp_path / "model.pt", song)
    assert process.returncode == 1
    assert "segment" in process.stderr
    assert len(process.stderr.splitlines()) == 1


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_scores_that_are_not_finite_are_not_printed(tmp_path, content, song, form):
    """The weights are finite, but so large that sums of them are not."""
    content = deepcopy(content)
    (first,) = (name for name, value in content["weights"].items() if value.ndim == 4 and value.shape[1] == 1)
    content["weights"][first] = 3e38 * content["weights"][first].sign()
    torch.save(content, tmp_path / "model.pt")
    process = run_command("tag", "--model", tmp_path / "model.pt", song, "--format", form)
    assert process.returncode == 1
    assert "nan" not in process.stdout.lower()
    assert process.stderr.splitlines()[-1] == "howlow tag: 1 of 1 files could not be tagged"
    assert f"howlow tag: {song}: " in process.stderr


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_samples_that_are_no_sound_are_a_bad_file(tmp_path, content, song, form):
    torch.save(content, tmp_path / "model.pt")
    huge = write_audio(tmp_path / "huge.wav", np.full(24_000, 3e38, np.float32))
    process = run_command("tag", "--model", tmp_path / "model.pt", huge, song, "--format", form)
    assert process.returncode == 1
    assert process.stderr.splitlines()[0].startswith(f"howlow tag: {huge}: ")
    assert process.stderr.splitlines()[1:] == ["howlow tag: 1 of 2 files could not be tagged"]
    assert "nan" not in process.stdout.lower()
    assert str(song) in process.stdout


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_a_model_without_permission(locked_folder, song, content, locked):
    model = locked_folder / "secret" / "model.pt"
    model.parent.mkdir()
    torch.save(content, model)
    (model if locked == "file" else model.parent).chmod(0)
    with as_nobody():
        process = run_command("tag", "--model", model, song)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == f"howlow tag: {model}: can't be read: Permission denied\n"


def test_a_model_whose_name_is_too_long(song):
    process = run_command("tag", "--model", "m" * 300, song)
    assert process.returncode == 1
    assert process.stderr == f"howlow tag: {'m' * 300}: can't be read: File name too long\n"
