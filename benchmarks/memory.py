"""Measure how many maps of the first layer training and scoring hold at once.

The constants of howlow.networks.memory come from it.

    python benchmarks/memory.py

The networks have a quarter of the full width and run on a CPU, each in a process of its own. The tensors that a GPU
saves for the gradients are counted on a CPU as well: in bfloat16, and with PyTorch's own layers, which a GPU uses.
"""

import argparse
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from training import Peak, own_bytes  # the benchmark beside this one

from howlow import networks
from howlow.features.representation import Cell
from howlow.networks import memory
from howlow.training import devices

ROOT = Path(__file__).resolve().parents[1]

OPTIONS = {"vgg": {}, "musicnn": {"filters": 8}}
CLIPS = 4
WHAT = {"step": "training step on a CPU", "saved": "saved for the gradients on a GPU", "scores": "scoring on a CPU"}


def maps(what: str, name: str, sample_rate: int, n_mels: int) -> float:
    """Memory of one kind of work, as a number of maps of the first layer in the type that the work computes in."""
    device = devices.prepare(1)
    cell = Cell(sample_rate, n_mels, 1, "db", width=0.25)
    model = networks.build_cell(name, cell, n_tags=50, options=OPTIONS[name])
    devices.lay_out(model, device)
    spectrograms = torch.randn(CLIPS, 1, n_mels, cell.n_frames)
    spec = asdict(cell) | {"model": name, "options": OPTIONS[name], "training": {"batch_size": CLIPS}}
    if what == "saved":
        return saved_bytes(model, spectrograms) / (2 * memory._training_values(spec, 1))
    before = own_bytes()
    with Peak() as peak:
        for _ in range(3):
            if what == "step":
                model.train()(spectrograms).square().mean().backward()
            else:
                with torch.inference_mode():
                    model.eval()(spectrograms)
    values = memory._training_values(spec, 1)
    if what == "scores":
        values = memory._scoring_values(spec, CLIPS) / networks.registry.network(name).SCORING_MAPS
    return (peak.bytes - before) / (4 * values)


def saved_bytes(model: torch.nn.Module, spectrograms: torch.Tensor) -> int:
    """Size of all tensors that autograd saves in a forward pass, without the parameters."""
    model.train().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    storages = {}
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)  # kept, so that no other tensor gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        model(spectrograms)
    return sum(size for size, _ in storages.values())


def main() -> None:
    print("| maps held at once | " + " | ".join(WHAT.values()) + " |")
    print("|---" * (1 + len(WHAT)) + "|")
    for name in OPTIONS:
        for sample_rate, n_mels in ((12_000, 48), (12_000, 96), (16_000, 128)):
            row = []
            for what in WHAT:
                command = [sys.executable, __file__, "--one", what, name, str(sample_rate), str(n_mels)]
                row.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
            print(f"| {name}, {sample_rate // 1000} kHz, {n_mels} bands | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--one", nargs=4, help=argparse.SUPPRESS)  # the program calls itself with it
    if one := options.parse_args().one:
        print(f"{maps(one[0], one[1], int(one[2]), int(one[3])):.2f}")
    else:
        main()
