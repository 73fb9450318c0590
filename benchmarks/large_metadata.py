"""Measure the time and memory from metadata as large as those of the paper's datasets to tracks.parquet.

python benchmarks/large_metadata.py
"""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as the byte strings of Python 2, and NumPy's functions under their names of that time."""

    dispatch: typing.ClassVar = dict(pickle._Pickler.dispatch)

    def save_byte_string(self, value: str | bytes) -> None:
        """Write a value as Python 2's `str`."""
        data = value if isinstance(value, bytes) else value.encode("latin-1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_byte_string


def python2_pickle(content: object) -> bytes:
    """A pickle of protocol 2, as Python 2 would have written it."""
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(content)
    return buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def make_mtat(root: Path, n_rows: int = 25_863, n_tags: int = 188) -> dict:
    """Write annotations of MagnaTagATune's size; return the specification of their dataset."""
    rng = np.random.default_rng(0)
    header = ["clip_id", *(f"tag {i}" for i in range(n_tags)), "mp3_path"]
    with (root / "annotations_final.csv").open("w") as file:
        print("\t".join(f'"{name}"' for name in header), file=file)
        for number, row in enumerate((rng.random((n_rows, n_tags)) < 0.04).astype(int)):
            path = f"{number % 16:x}/an_artist-an_album-{number}-a_title-0-29.mp3"
            print("\t".join(f'"{value}"' for value in (number, *row, path)), file=file)
    return {"kind": "mtat", "tags": [f"tag {i}" for i in range(50)]}


def make_msd(root: Path, n_train: int = 213_454, n_test: int = 28_435) -> dict:
    """Write pickles of the Million Song Dataset's size; return the specification of their dataset."""
    ids = [f"TR{number:016X}" for number in range(n_train + n_test)]
    labels = np.random.default_rng(0).random((len(ids), 50)) < 0.04
    (root / "filtered_list_train.cP").write_bytes(pickle.dumps(ids[:n_train], 0))
    (root / "filtered_list_test.cP").write_bytes(pickle.dumps(ids[n_train:], 0))
    vectors = {clip_id: row.astype(np.float64) for clip_id, row in zip(ids, labels, strict=True)}
    (root / "msd_id_to_tag_vector.cP").write_bytes(python2_pickle(vectors))
    (root / "50tagList.txt").write_text("\n".join(f"tag {i}" for i in range(50)))
    return {"kind": "msd"}


def main() -> None:
    print("| metadata | seconds | peak memory, MB | tracks.parquet, MB |\n|---|---|---|---|")
    for name, make in (("MagnaTagATune: 25,863 rows, 188 tags", make_mtat), ("MSD: 241,889 tracks", make_msd)):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            spec = {"dataset": "d", "shards": 16} | make(root)
            program = str(ROOT / "workflow" / "scripts" / "tracks.py")
            paths = ["--paths", json.dumps({"root": scratch})]
            outputs = ["--tracks", str(root / "t.parquet"), "--left-out", str(root / "l.csv")]
            command = [sys.executable, program, "--spec", json.dumps(spec), *paths, *outputs]
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            if status:
                raise RuntimeError(f"{name} failed")
            size = (root / "t.parquet").stat().st_size
            print(f"| {name} | {seconds:.1f} | {usage.ru_maxrss / 1000:.0f} | {size / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
