"""A full disk leads to a clear error and to no half-written file, and the run continues when there is space."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY, run_script, snakemake
from matplotlib.figure import Figure

from howlow import files
from howlow.features import arrays

FULL = "no space left on the disk of its files, or of its output or log; make room and start again"
TARGET = "results/tiny/vgg/12k_mel8_x10_db/seed1/run.json"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_write_that_fails_leaves_the_old_file(tmp_path, code):
    path = tmp_path / "a.npy"
    arrays.write_rows(path, iter(np.zeros((2, 3))), (3,), "float32")
    before = path.read_bytes()

    def rows():
        yield np.ones(3)
        raise OSError(code, os.strerror(code))

    with pytest.raises(files.FullDiskError, match=r"a\.npy: no space left on its disk; make room and start again"):
        arrays.write_rows(path, rows(), (3,), "float32")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), files.whole(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "no")


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    (tmp_path / ".a.npy.4711.part").write_bytes(b"half")
    (tmp_path / ".aa.npy.4711.part").write_bytes(b"another's")
    arrays.write_rows(tmp_path / "a.npy", iter(np.zeros((2, 3))), (3,), "float32")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".aa.npy.4711.part", "a.npy"]


@pytest.mark.parametrize(
    ("write", "is_flushed"),
    [
        (lambda path: files.write_text(path, "text"), True),
        (lambda path: arrays.write_rows(path, iter(np.zeros((2, 3))), (3,), "float32"), True),
        (lambda path: arrays.write_rows(path, iter(np.zeros((2, 3))), (3,), "float32", durable=False), False),
    ],
    ids=["text", "rows", "temporary rows"],
)
def test_a_file_reaches_the_disk_before_it_gets_its_name(tmp_path, monkeypatch, write, is_flushed):
    path, flushed = tmp_path / "file", []
    path.write_text("old")
    old = path.stat().st_ino
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: flushed.append((os.fstat(descriptor).st_ino, path.stat().st_ino))
    )
    write(path)
    new = path.stat().st_ino
    # What was flushed each time, and what had the file's name then.
    assert flushed == ([(new, old), (tmp_path.stat().st_ino, new)] if is_flushed else [])


def test_the_files_of_a_folder_reach_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, flushed = tmp_path / "folder", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append((os.fstat(descriptor).st_ino, path.exists())))
    with files.whole_folder(path) as beside:
        (beside / "deep").mkdir()
        (beside / "deep" / "file").write_text("text")
    made = [path / "deep" / "file", path / "deep", path]
    assert sorted(flushed[:-1]) == sorted((file.stat().st_ino, False) for file in made)
    assert flushed[-1] == (tmp_path.stat().st_ino, True)


NOISE = np.random.default_rng(0).standard_normal(500_000)  # 4 MB that cannot be compressed


def write_figure(path, form):
    figure = Figure()
    picture, line = figure.subplots(2)
    picture.imshow(NOISE[:100_000].reshape(200, 500))
    line.plot(NOISE[:20_000])
    figure.savefig(path, format=form, dpi=200)


def save_tensor(path):
    with path.open("wb") as file:
        torch.save({"weights": torch.from_numpy(NOISE)}, file)


WRITERS = {
    "bytes": lambda path: path.write_bytes(NOISE.tobytes()),
    "model": save_tensor,
    "Parquet": lambda path: pq.write_table(pa.table({"noise": NOISE}), path),
    "CSV": lambda path: pd.DataFrame({"noise": NOISE}).to_csv(path),
    "PNG": lambda path: write_figure(path, "png"),
    "PDF": lambda path: write_figure(path, "pdf"),
    "SVG": lambda path: write_figure(path, "svg"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_whatever_is_written_says_that_the_disk_is_full(small_disk, tmp_path, write):
    """Each library raises its own error for a full disk."""
    path = tmp_path / "results" / "new" / "file"
    with pytest.raises(files.FullDiskError, match=f"^{path}: no space left on its disk"), files.whole(path) as beside:
        write(beside)
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_does_not_fit_leaves_the_old_one(small_disk, tmp_path):
    path = tmp_path / "results" / "audio"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(files.FullDiskError, match=f"^{path}: no space left"), files.whole_folder(path) as beside:
        (beside / "new").write_bytes(NOISE.tobytes())
    assert [file.relative_to(path).as_posix() for file in path.rglob("*")] == [
        "old",
    ]


def test_the_demo_does_not_fit(small_disk, tmp_path):
    process = run_script("demo", "--root", tmp_path / "results", spec={"n_clips": 16, "probes": ["air"]})
    assert process.returncode == 1
    assert process.stderr == f"howlow demo: {FULL}\n"


def test_the_log_does_not_fit(small_disk, tmp_path):
    """The shell sends both streams of a program to its log."""
    (tmp_path / "talk.py").write_text(
        "import argparse\n"
        "from howlow import program\n"
        "program.run(lambda args: print('word ' * 1_000_000), argparse.ArgumentParser())\n"
    )
    command = f"{sys.executable} talk.py > results/log 2> errors"
    process = subprocess.run(["bash", "-c", command], cwd=tmp_path)
    assert process.returncode == 1
    assert (tmp_path / "errors").read_text() == f"howlow talk: {FULL}\n"


def test_run_goes_on_when_there_is_room(tmp_path, finished, small_disk):
    small_disk(30)  # the generated music fits, but not all audio of the shards
    process = snakemake(tmp_path, TARGET, "--cores", 2, "--configfile", TINY)
    assert process.returncode != 0
    assert "no space left on its disk; make room and start again, finished work is kept; log: logs/" in process.stdout
    assert "Traceback" not in process.stdout
    results = tmp_path / "results"
    assert not list(results.glob("**/.*.part"))
    for array in results.glob("tiny/**/*.npy"):
        clips = finished / "results/tiny/clips/12000" / f"{array.stem}.json"
        assert len(np.load(array, mmap_mode="r")) == len(json.loads(clips.read_text())["clip_ids"])  # whole

    small_disk(500)
    process = snakemake(tmp_path, TARGET, "--cores", 2, "--configfile", TINY)
    assert process.returncode == 0, process.stdout
    for name in ("scores.parquet", "model.pt"):
        path = (tmp_path / TARGET).with_name(name)
        assert path.read_bytes() == (finished / path.relative_to(tmp_path)).read_bytes()
