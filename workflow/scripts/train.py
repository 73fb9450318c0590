"""Train one cell with one seed, and score the validation and test clips."""

import os
from argparse import Namespace
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from howlow import files, networks, program, provenance
from howlow.data import tracks as tracks_module
from howlow.errors import HowlowError, TrainingError
from howlow.features import levels, quantizer
from howlow.features.representation import Cell
from howlow.features.store import Store, content_digest, open_store, verify
from howlow.networks import archive, memory
from howlow.provenance import records
from howlow.training import batches, devices, gpus, loop
from howlow.training.batches import Feed
from howlow.training.protocol import Epoch, Protocol


def main(args: Namespace) -> None:
    try:
        inputs = {
            "manifest": content_digest(files.read_json(args.manifest)),
            "tracks": tracks_module.read(args.tracks).digest(),
        }
        if (found := _levels(args)) is not None:
            inputs["levels"] = provenance.digest(found)
        if _is_current(args, inputs):
            print("the specification, code, clips and labels have not changed, so there is nothing to train")
            for path in _results(args.folder):
                path.touch()
        else:
            verify(args.manifest)
            batch_size = args.spec["training"]["batch_size"]
            with gpus.place(args.gpus, args.sharing), devices.out_of_memory_is_told(batch_size):
                _train(args, inputs)
    except HowlowError as error:
        raise HowlowError(f"{args.folder}: {error}") from None


def _is_current(args: Namespace, inputs: dict[str, str]) -> bool:
    """Whether the results are already those of this training; its inputs may be new files with the same content."""
    expected = {"spec": args.spec, "code": provenance.code(Path(__file__), args.spec), "inputs": inputs}
    return records.difference(args.folder / "run.json", expected) is None and all(
        path.exists() for path in _results(args.folder)
    )


def _results(folder: Path) -> list[Path]:
    return [folder / name for name in ("model.pt", "history.csv", "scores.parquet", "run.json")]


def _train(args: Namespace, inputs: dict[str, str]) -> None:
    spec = args.spec
    protocol = Protocol(**{field.name: spec["training"][field.name] for field in fields(Protocol)})
    tracks = tracks_module.read(args.tracks)
    manifest = files.read_json(args.manifest)
    cell = Cell(**{field.name: spec[field.name] for field in fields(Cell)})
    found = _levels(args)
    rounding = None if found is None else quantizer.between(cell.bits, **found)
    store = open_store(args.manifest, cell.hop_factor, cell.log_type, n_frames=cell.n_frames_at_x1, quantizer=rounding)
    # This variable says which GPU is used. The cluster sets it, or `gpus.place`.
    print("CUDA_VISIBLE_DEVICES:", os.environ.get("CUDA_VISIBLE_DEVICES", "not set"), flush=True)
    device = devices.prepare(spec["training"]["threads"], args.device)
    torch.manual_seed(spec["seed"])
    model = networks.build_cell(spec["model"], cell, n_tags=len(tracks.tags), options=spec["options"])
    devices.lay_out(model, device)
    feed = batches.feed(store, device, 1e6 * _resident_mb(spec, device, args.sharing))
    made_by = {"spec": spec, "code": provenance.code(Path(__file__), spec), "inputs": inputs}
    splits = tracks.of_fold(spec.get("fold"))
    clips = {split: _clips(tracks, store, splits, split) for split in tracks_module.SPLITS}
    checkpoint = args.folder / "checkpoint.pt"
    history, kept_epoch = loop.train(
        model,
        feed,
        clips["train"],
        clips["validation"],
        protocol,
        seed=spec["seed"],
        checkpoint=checkpoint,
        identity=provenance.canonical(made_by),
    )
    used = [*(epoch.device for epoch in history), devices.device_name(device)]  # the last one scores
    header = [field.name for field in fields(Epoch)]
    files.write_csv(args.folder / "history.csv", header, [astuple(epoch) for epoch in history])
    _write_scores(args.folder / "scores.parquet", model, feed, clips, tracks.tags)
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    content = {
        "spec": spec,
        "tags": list(tracks.tags),
        "window": manifest["window"],
        "levels": found,
        "digest": provenance.digest(made_by),
        "weights": weights,
    }
    archive.write(args.folder / "model.pt", content)
    records.write(
        args.folder / "run.json",
        spec,
        Path(__file__),
        [args.folder / name for name in ("history.csv", "scores.parquet")],  # the outputs that other programs read
        inputs=inputs,
        seed=spec["seed"],
        device=", ".join(dict.fromkeys(used)),
        best_epoch=kept_epoch,
        n_epochs=len(history),
        train_seconds=sum(epoch.seconds for epoch in history),
    )
    checkpoint.unlink(missing_ok=True)


def _levels(args: Namespace) -> dict[str, list[float]] | None:
    """The lowest and highest levels of quantized values; None if the values are not quantized."""
    spec = args.spec
    return levels.read(args.manifest, spec["bits"], spec.get("quantizer"), spec.get("fold"))


def _resident_mb(spec: dict[str, Any], device: torch.device, sharing: int) -> int:
    """GPU memory that spectrograms may fill, in MB; a GPU that is too small for the training is refused."""
    if device.type != "cuda":
        return 0
    memory_mb = round(torch.cuda.get_device_properties(device).total_memory / 1e6)
    value_bytes = devices.precision(device).itemsize
    if shortage := memory.gpu_shortage(spec, memory_mb, sharing, value_bytes):
        raise TrainingError(shortage)
    return memory.resident_mb(spec, memory_mb, sharing, value_bytes)


def _clips(tracks: tracks_module.Tracks, store: Store, splits: list[str], split: str) -> loop.Clips:
    """The clips of a split that are in the store, in the order of the tracks."""
    position = {clip_id: index for index, clip_id in enumerate(store.clip_ids)}
    rows = [
        row
        for row, (clip_id, of) in enumerate(zip(tracks.clip_ids, splits, strict=True))
        if of == split and clip_id in position
    ]
    indices = np.array([position[tracks.clip_ids[row]] for row in rows], dtype=int)
    return loop.Clips(indices, tracks.labels[rows])


def _write_scores(
    path: Path, model: torch.nn.Module, feed: Feed, clips: dict[str, loop.Clips], tags: tuple[str, ...]
) -> None:
    scored = [split for split in ("validation", "test") if len(clips[split].indices)]
    indices = np.concatenate([clips[split].indices for split in scored])
    scores = np.concatenate([loop.score(model, feed, clips[split].indices) for split in scored])
    columns = {
        "clip_id": _strings([feed.store.clip_ids[index] for index in indices]),
        "split": _strings([split for split in scored for _ in clips[split].indices]),
        **{tag: _floats(column) for tag, column in zip(tags, scores.T, strict=True)},
    }
    with files.whole(path) as beside:
        pq.write_table(pa.Table.from_arrays(list(columns.values()), names=list(columns)), beside)


# Arrays are made from buffers, because `pa.array` would import pandas, which takes half a second.
def _strings(values: list[str]) -> pa.Array:
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def _floats(values: np.ndarray) -> pa.Array:
    return pa.Array.from_buffers(
        pa.float32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.float32))]
    )


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--manifest", type=Path, required=True, help="manifest of the store")
    options.add_argument("--folder", type=Path, required=True, help="folder to write to")
    program.add_device_options(options)
    program.run(main, options)
