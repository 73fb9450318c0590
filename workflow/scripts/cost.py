"""Compute the costs of all cells of one model on one dataset: GMAC, parameters and stored bytes."""

from argparse import Namespace
from pathlib import Path

import torch

from howlow import files, networks, program
from howlow.data.tracks import read_tags
from howlow.features.quantizer import bytes_per_clip
from howlow.features.representation import cells_of
from howlow.networks import cost

HEADER = ["cell", "gmac", "parameters", "bytes_per_clip"]


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    n_tags = len(read_tags(args.tracks))
    rows = []
    for name, cell in program.progress(cells_of(spec).items(), "cost"):
        with torch.device("meta"):
            model = networks.build_cell(spec["model"], cell, n_tags=n_tags, options=spec["options"])
        gmac = cost.macs(model, cell.n_mels, cell.n_frames) / 1e9
        n_bytes = bytes_per_clip(cell, spec["dtype"])
        rows.append([name, gmac, cost.parameters(model), n_bytes])
    files.write_csv(args.cost, HEADER, rows)
    return [args.cost]


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet, for the number of tags")
    options.add_argument("--cost", type=Path, required=True, help="CSV file to write, with a row per cell")
    program.run(main, options)
