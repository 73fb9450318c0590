"""Measure how long the cells of one model on one dataset take on this machine: extraction, inference and training."""

from argparse import Namespace
from pathlib import Path
from statistics import mean

from howlow import files, gpus, models, program, timing, training
from howlow.representation import Representation
from howlow.tracks import read_tags

HEADER = [
    "cell",
    "extraction_ms",
    "inference_ms_batch_1",
    "inference_ms_batch_64",
    "train_seconds_per_epoch",
    "device",
    "threads",
]


BATCHES = (1, 64)


def main(args: Namespace) -> list[Path]:
    with gpus.place(args.gpus, args.sharing), training.out_of_memory_is_told(BATCHES[-1]):
        return _measure(args)


def _measure(args: Namespace) -> list[Path]:
    spec = args.spec
    n_tags = len(read_tags(args.tracks))
    device = training.prepare(spec["threads"], args.device)
    rows = []
    for name in program.progress(spec["cells"], "times"):
        cell = Representation.parse(name)
        model = models.build_cell(spec["model"], cell, n_tags=n_tags, seconds=spec["seconds"], options=spec["options"])
        training.lay_out(model, device)
        extraction = timing.extraction_ms(cell, spec["seconds"], spec["window"])
        inference = [timing.inference_ms(model, cell, spec["seconds"], batch, device) for batch in BATCHES]
        runs = [files.read_json(args.times.parent / name / f"seed{seed}" / "run.json") for seed in spec["seeds"]]
        epoch = mean(run["train_seconds"] / run["n_epochs"] for run in runs)
        rows.append([name, extraction, *inference, epoch, runs[0]["device"], spec["threads"]])
    files.write_csv(args.times, HEADER, rows)
    print(f"{len(rows)} cells; inference on {device.type}")
    return [args.times]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for the number of tags")
    program.add_device_options(options)
    options.add_argument("--times", type=Path, required=True, help="CSV file to write, in the folder of the cells")
    program.run(main, options)
