"""The state of a training after each epoch, from which it resumes when it was killed."""

import time
from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from howlow.networks import archive
from howlow.networks.archive import ArchiveError
from howlow.training import devices
from howlow.training.adam import Adam
from howlow.training.protocol import Epoch


class Kept(NamedTuple):
    """The weights to keep so far, and their epoch."""

    epoch: int
    weights: dict[str, Tensor]


def write(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizer: Adam,
    history: list[Epoch],
    kept: Kept | None,
) -> None:
    """Write the state of a training after an epoch, whole or not at all."""
    state = {
        "identity": identity,
        "model": model.state_dict(),
        "optimizer": optimizer.state,
        "history": [astuple(epoch) for epoch in history],
        "kept": kept and tuple(kept),
    }
    archive.write(path, state)


def resume(
    path: Path, identity: str, model: nn.Module, optimizer: Adam, device: torch.device
) -> tuple[list[Epoch], Kept | None]:
    """Load the checkpoint of this training; without one, start from the beginning."""
    if path.is_dir():
        aside = path.with_name(f"{path.name}.{time.time_ns()}")
        path.rename(aside)
        print(f"{path}: is a folder, which is now {aside.name}; the training starts from the beginning", flush=True)
    if not path.is_file():
        return [], None
    try:
        state = archive.read(path)
    except ArchiveError as error:
        print(f"{error}; the training starts from the beginning", flush=True)
        return [], None
    if not isinstance(state, dict) or state.get("identity") != identity:
        print(f"{path}: belongs to another training; this one starts from the beginning", flush=True)
        return [], None
    model.load_state_dict(state["model"])
    optimizer.state = {name: [tensor.to(device) for tensor in tensors] for name, tensors in state["optimizer"].items()}
    history = [Epoch(*values) for values in state["history"]]
    print(f"going on after epoch {len(history)}", flush=True)
    if history and history[-1].device != devices.device_name(device):
        print(f"the device has changed from {history[-1].device} to {devices.device_name(device)}", flush=True)
    return history, Kept(*state["kept"])
