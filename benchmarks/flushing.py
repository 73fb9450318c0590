"""Measure the cost of flushing files to the disk before they get their names, for small and for large files.

    python benchmarks/flushing.py FOLDER

writes files to a folder on the disk to measure, and deletes them. Both ways take turns, and the best of five rounds
counts.
"""

import argparse
import tempfile
import time
from pathlib import Path

from howlow import files

ROUNDS = 5


def main(folder: Path) -> None:
    for n_files, n_bytes in ((1000, 2_000), (20, 20_000_000)):
        content = bytes(n_bytes)
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for durable, taken in seconds.items():
                taken.append(_write(folder, n_files, content, durable))
        plain, flushed = (min(taken) for taken in seconds.values())
        print(
            f"{n_files} files of {n_bytes / 1000:,g} kB: {1000 * plain / n_files:.2f} ms per file, flushed"
            f" {1000 * flushed / n_files:.2f} ms ({flushed / plain:.1f} times)"
        )


def _write(folder: Path, n_files: int, content: bytes, durable: bool) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        start = time.perf_counter()
        for number in range(n_files):
            with files.whole(Path(name, str(number)), durable=durable) as beside:
                beside.write_bytes(content)
        return time.perf_counter() - start


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="folder on the disk to measure")
    main(options.parse_args().folder)
