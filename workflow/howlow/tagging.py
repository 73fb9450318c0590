"""Trained networks on music of any length: reading model files, tagging audio files, and export to ONNX."""

import json
import logging
import unicodedata
import warnings
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from howlow import config, files, networks
from howlow.errors import HowlowError
from howlow.features import audio, levels, mel, quantizer
from howlow.features.quantizer import Quantizer
from howlow.features.representation import Cell, Representation, n_samples
from howlow.networks import archive

# A file that is longer than a window by less than this is tagged by its centre, as a clip of the training is.
_SPARE_S = 1.0
# Number of windows that are computed together; it limits the memory that a long file takes.
_BATCH_WINDOWS = 8
_OPSET = 20
# Unicode categories that a tag must not contain: controls, surrogates, and separators of lines and paragraphs.
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_KEYS = ("spec", "tags", "window", "digest", "weights")


class ModelError(HowlowError):
    """A model file can't be used or exported; the message names it and says what to do."""


@dataclass(frozen=True)
class Tagger:
    """A trained network, and the meaning of its input and output.

    Attributes
    ----------
    network : nn.Module, in evaluation mode: spectrograms (batch, 1, n_mels, n_frames) to logits (batch, n_tags)
    name : str, `vgg` or `musicnn`
    cell : Cell
    tags : tuple of str
    window : str, window of the Fourier transform, see `howlow.features.mel.power_spectrum`
    rounding : Quantizer or None, the levels that values are rounded to
    digest : str, digest of the specification, code, clips and labels of its training
    """

    network: nn.Module
    name: str
    cell: Cell
    tags: tuple[str, ...]
    window: str
    rounding: Quantizer | None
    digest: str

    @property
    def description(self) -> dict[str, Any]:
        """The data that identify this model."""
        return {
            "network": self.name,
            "representation": self.cell.name(self.cell.seconds, self.cell.width),
            "seconds": self.cell.seconds,
            "digest": self.digest,
        }


class Tagged(NamedTuple):
    """The tags of a file: the probability of each tag, [shape=(n_tags,), dtype=float32], and the length of the file."""

    probabilities: np.ndarray
    seconds: float
    is_repeated: bool  # whether it was repeated, being shorter than a window


def load(path: Path | str) -> Tagger:
    """Load the `model.pt` of a training onto the CPU.

    Raises
    ------
    ModelError
        if the file is missing, is not a model or is one of another version, or if the model can't be used because of
        its settings or because a weight is not finite
    """
    content = _read(Path(path))
    missing = [key for key in _KEYS if content.get(key) is None]
    if missing:
        raise ModelError(f"{path}: has no {', '.join(missing)}: not a model of this version of howlow; train it again")
    try:
        _check_settings(content)
        tagger = _built(content)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, HowlowError) as error:
        reason = " ".join(" ".join(str(error).splitlines()[:2]).split())  # PyTorch's first line alone says too little
        raise ModelError(f"{path}: is no model that this version of howlow can use: {reason}; train it again") from None
    return tagger


def _built(content: dict[str, Any]) -> Tagger:
    spec, tags = content["spec"], tuple(content["tags"])
    cell = Cell(**{field.name: spec[field.name] for field in fields(Cell)})
    with torch.device("meta"):  # so that sizes in the settings allocate no memory
        network = networks.build_cell(spec["model"], cell, n_tags=len(tags), options=spec["options"])
    types = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    network.load_state_dict(content["weights"], assign=True)
    weights = network.state_dict()
    if {name: tensor.dtype for name, tensor in weights.items()} != types:
        raise ModelError("its weights are not of the type float32")
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise ModelError("some of its weights are not finite")
    rounding = levels.checked(content["levels"], cell)
    return Tagger(network.eval(), spec["model"], cell, tags, content["window"], rounding, content["digest"])


def _check_settings(content: dict[str, Any]) -> None:
    """Refuse settings of a model file that a configuration must not have, by the rules for configurations."""
    spec, tags, digest = content["spec"], content["tags"], content["digest"]
    if not isinstance(spec, dict):
        raise ModelError("its settings are not a mapping")
    axes = {field.name: [spec[field.name]] for field in fields(Cell)}
    config.complete(
        {
            "datasets": {"music": {"kind": "table", "root": ".", "table": "music.csv", "seconds": spec["seconds"]}},
            "experiments": [{"dataset": "music", "model": spec["model"], "options": spec["options"], "grid": [axes]}],
            "spectrograms": {"window": content["window"]},
        },
        "its settings",
    )
    if not isinstance(digest, str) or not digest.isalnum():
        raise ModelError("its digest has other characters than letters and digits")
    if not isinstance(tags, list | tuple) or not tags:
        raise ModelError("it names no tags")
    for tag in tags:
        # A control character could move the cursor of a terminal, or break a line.
        if not isinstance(tag, str) or any(unicodedata.category(character) in _CONTROLS for character in tag):
            raise ModelError(f"the tag {tag!r} is not printable text")


def _read(path: Path) -> dict[str, Any]:
    try:
        is_file = path.is_file()
        if is_file:
            path.open("rb").close()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from None
    if not is_file:
        raise ModelError(f"{path}: missing file; training writes one named model.pt into the folder of each seed")
    try:
        content = archive.read(path)
    except archive.ArchiveError:
        content = None
    if not isinstance(content, dict):
        raise ModelError(f"{path}: is not a model file, or is damaged; training writes one named model.pt")
    return content


def tag(tagger: Tagger, signal: np.ndarray, path: Path | str) -> Tagged:
    """Tag a signal of any length, by the mean of the probabilities in the windows of `starts`.

    A signal that is shorter than a window is repeated until it fills one. Silent windows are left out, as they were in
    training.

    Parameters
    ----------
    tagger : Tagger
    signal : np.ndarray [shape=(n_samples,), dtype=float32], of `howlow.features.audio.load_all` at its sample rate
    path : path of the file that the signal comes from, for errors

    Raises
    ------
    audio.AudioError
        if a probability is not finite
    """
    rate = tagger.cell.sample_rate
    length = n_samples(rate, tagger.cell.seconds)
    filled = signal if len(signal) >= length else np.resize(signal, length)
    all_starts = starts(len(filled), length, rate)
    sounding = [start for start in all_starts if filled[start : start + length].any()] or all_starts
    windows = [filled[start : start + length] for start in sounding]
    with np.errstate(over="ignore", invalid="ignore"):  # the result is checked below
        found = probabilities(tagger, windows).mean(axis=0)
    if not np.isfinite(found).all():
        raise audio.AudioError(
            path, "its probabilities are not finite, because its samples or the weights of the model are too large"
        )
    return Tagged(found, len(signal) / rate, len(signal) < length)


def starts(n_samples: int, length: int, sample_rate: int) -> list[int]:
    """The first samples of windows of `length` samples that cover a signal evenly, from its beginning to its end.

    A signal that is longer than a window by less than a second gets one window, at its centre, as the clips of the
    training do. Two windows would be almost the same.
    """
    spare = n_samples - length
    if spare < _SPARE_S * sample_rate:
        return [spare // 2]
    n_windows = -(-n_samples // length)
    return [round(i * spare / (n_windows - 1)) for i in range(n_windows)]


def probabilities(tagger: Tagger, windows: list[np.ndarray]) -> np.ndarray:
    """The tag probabilities of windows of audio, each [shape=(n_samples,), dtype=float32].

    Returns
    -------
    np.ndarray [shape=(n_windows, n_tags), dtype=float32]
    """
    parts = [windows[first : first + _BATCH_WINDOWS] for first in range(0, len(windows), _BATCH_WINDOWS)]
    return np.concatenate([_probabilities(tagger, part) for part in parts])


def _probabilities(tagger: Tagger, windows: list[np.ndarray]) -> np.ndarray:
    batch = np.stack([spectrogram(window, tagger.cell, tagger.window, tagger.rounding) for window in windows])
    device = next(tagger.network.parameters()).device
    with torch.inference_mode():
        logits: Tensor = tagger.network(torch.from_numpy(batch).unsqueeze(1).to(device))
        return torch.sigmoid(logits).cpu().numpy()


def spectrogram(
    signal: np.ndarray, representation: Representation, window: str, rounding: Quantizer | None = None
) -> np.ndarray:
    """The spectrogram of a signal as training reads it from a store, but without the rounding of the store.

    Returns
    -------
    np.ndarray [shape=(n_mels, n_frames), dtype=float32]
    """
    power = mel.mel_power(signal, representation.sample_rate, representation.n_mels, window, representation.hop_factor)
    decibels = mel.compress(power, "db")
    if rounding is not None:
        decibels = quantizer.values(quantizer.codes(decibels, rounding), rounding)
    return mel.from_db(decibels, representation.log_type)


def export_onnx(tagger: Tagger, path: Path | str) -> None:
    """Write a network that is on the CPU as ONNX.

    Its input is `spectrogram` (batch, n_mels, n_frames), its output `probabilities` (batch, n_tags). The batch may have
    any size, and n_frames is that of one window. The metadata of the file explain both, see `metadata`.

    Raises
    ------
    ModelError
        if onnxscript, which PyTorch needs for the export, is not installed
    """
    try:
        import onnxscript  # noqa: F401 - imported here, because it takes seconds and few need it
    except ImportError:
        raise ModelError(f"{path}: the export to ONNX needs another package; run pip install onnxscript") from None
    with files.output(Path(path)) as target:  # it refuses a bad path before the slow export
        _onnx_program(tagger).save(target)


def _onnx_program(tagger: Tagger) -> torch.onnx.ONNXProgram:
    n_mels = tagger.cell.n_mels
    n_frames = tagger.cell.n_frames
    with_probabilities = nn.Sequential(nn.Unflatten(1, (1, n_mels)), tagger.network, nn.Sigmoid()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about the internals of PyTorch's exporter
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it would list packages that are not needed
        program = torch.onnx.export(
            with_probabilities,
            (torch.zeros(2, n_mels, n_frames),),  # two, because PyTorch would take one for a fixed size
            input_names=["spectrogram"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # they name files of this machine
    program.model.metadata_props.update(metadata(tagger))
    return program


def metadata(tagger: Tagger) -> dict[str, str]:
    """The metadata of an ONNX file, as texts by name: all that is needed to make its input and read its output."""
    cell, rounding = asdict(tagger.cell), tagger.rounding
    bounds = {}
    if rounding is not None:
        bounds = {"lowest_level_db": rounding.low.ravel().tolist(), "highest_level_db": rounding.high.ravel().tolist()}
    values = tagger.description | {
        "sample_rate_hz": cell.pop("sample_rate"),
        **cell,
        **bounds,
        "window": tagger.window,
    }
    return {name: str(value) for name, value in values.items()} | {"tags": json.dumps(tagger.tags, ensure_ascii=False)}
