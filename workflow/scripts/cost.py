"""Compute the costs of all cells of one model on one dataset: GMAC, parameters and stored bytes."""

from argparse import Namespace
from pathlib import Path

import torch

from howlow import files, networks, program
from howlow.data.tracks import read_tags
from howlow.features.representation import Representation
from howlow.networks import cost

HEADER = ["cell", "gmac", "parameters", "bytes_per_clip"]


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    n_tags = len(read_tags(args.tracks))
    rows = []
    for name in program.progress(spec["cells"], "cost"):
        cell = Representation.parse(name)
        with torch.device("meta"):
            model = networks.build_cell(
                spec["model"], cell, n_tags=n_tags, seconds=spec["seconds"], options=spec["options"]
            )
        n_frames = cell.n_frames(spec["seconds"])
        gmac = cost.macs(model, cell.n_mels, n_frames) / 1e9
        n_bytes = cost.bytes_per_clip(cell.n_mels, n_frames, spec["dtype"])
        rows.append([name, gmac, cost.parameters(model), n_bytes])
    files.write_csv(args.cost, HEADER, rows)
    return [args.cost]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for the number of tags")
    options.add_argument("--cost", type=Path, required=True, help="CSV file to write, with a row per cell")
    program.run(main, options)
