"""Measure how long the cells of one model on one dataset take on this machine: extraction, inference and training."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from howlow import files, networks, program
from howlow.data import tracks as tracks_module
from howlow.features.representation import Cell, cells_of
from howlow.planning import timing
from howlow.planning.timing import Task
from howlow.results import spread
from howlow.training import devices, gpus

TIMES = [
    "extraction_ms",
    *(f"inference_ms_batch_{batch}" for batch in timing.BATCHES),
    "train_seconds_per_epoch",
]
HEADER = [
    "cell",
    *(column for time in TIMES for column in spread.columns(time)),
    "n_rounds",
    "others_percent",
    "device",
    "threads",
]


def main(args: Namespace) -> list[Path]:
    largest = max(*timing.BATCHES, args.spec["batch_size"])
    with gpus.place(args.gpus, args.sharing), devices.out_of_memory_is_told(largest):
        return _measure(args)


def _measure(args: Namespace) -> list[Path]:
    spec = args.spec
    tracks = tracks_module.read(args.tracks)
    device = devices.prepare(spec["threads"], args.device)
    cells = cells_of(spec)

    def network(cell: Cell) -> dict[str, Task]:
        model = networks.build_cell(spec["model"], cell, n_tags=len(tracks.tags), options=spec["options"])
        devices.lay_out(model, device)
        return timing.inference(model, cell, device) | timing.epoch(
            model,
            cell,
            device,
            n_clips=tracks.of_fold(1 if tracks.n_folds else None).count("train"),
            batch_size=spec["batch_size"],
            n_tags=len(tracks.tags),
            dtype=spec["dtype"],
        )

    front_ends = {name: f"{cell.sample_rate} Hz, {cell.n_mels} bands, {cell.seconds} s" for name, cell in cells.items()}
    subjects: dict[str, timing.Subject] = {
        front_ends[name]: partial(
            timing.extraction, cell.sample_rate, cell.n_mels, cell.seconds, spec["window"], spec["dtype"]
        )
        for name, cell in cells.items()
    }
    subjects |= {name: partial(network, cell) for name, cell in cells.items()}
    before = timing.work()
    times = timing.measure(subjects, timing.LIMIT_S_PER_CELL * len(cells))
    others = timing.others_percent(before, timing.work())
    n_rounds = len(next(iter(times.values())))
    circumstances = [n_rounds, others, devices.device_name(device), spec["threads"]]
    rows = []
    for name in cells:
        subject_of = dict.fromkeys(TIMES, name) | {"extraction_ms": front_ends[name]}
        spreads = [value for time in TIMES for value in spread.of(times[subject_of[time], time])]
        rows.append([name, *spreads, *circumstances])
    files.write_csv(args.times, HEADER, rows)
    print(f"{len(rows)} cells in {n_rounds} rounds on {device.type}; others used {others:.0f} % of the processor cores")
    return [args.times]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for the training clips and tags")
    program.add_device_options(options)
    options.add_argument("--times", type=Path, required=True, help="CSV file to write, in the folder of the cells")
    program.run(main, options)
