"""A disk that is full: a clear error, nothing half-written, and a run that goes on when there is room."""

import errno
import json
import os
import subprocess

import numpy as np
import pytest
from conftest import TINY, snakemake

from howlow import files

TARGET = "results/tiny/vgg/12k_mel8_x10_db/seed1/run.json"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_write_that_fails_leaves_the_old_file(tmp_path, code):
    path = tmp_path / "a.npy"
    files.write_rows(path, iter(np.zeros((2, 3))), (3,), "float32")
    before = path.read_bytes()

    def rows():
        yield np.ones(3)
        raise OSError(code, os.strerror(code))

    with pytest.raises(files.FullDiskError, match=r"a\.npy: no space left on its disk; make room and start again"):
        files.write_rows(path, rows(), (3,), "float32")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), files.whole(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "no")


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    (tmp_path / ".a.npy.4711.part").write_bytes(b"half")
    (tmp_path / ".aa.npy.4711.part").write_bytes(b"another's")
    files.write_rows(tmp_path / "a.npy", iter(np.zeros((2, 3))), (3,), "float32")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".aa.npy.4711.part", "a.npy"]


@pytest.fixture
def small_disk(tmp_path):
    """`results` on a disk of its own, and a function that sets its size in MB."""
    results = tmp_path / "results"
    results.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", results], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("a small disk can't be mounted here: " + mount.stderr.decode().strip())
    yield lambda size_mb: subprocess.run(["mount", "-o", f"remount,size={size_mb}m", results], check=True)
    subprocess.run(["umount", "--lazy", results], check=True)


def test_run_goes_on_when_there_is_room(tmp_path, finished, small_disk):
    small_disk(30)  # the generated music fits, and not all audio of the shards
    process = snakemake(tmp_path, TARGET, "--cores", 2, "--configfile", TINY)
    assert process.returncode != 0
    assert "no space left on its disk; make room and start again, it goes on here; log: logs/tiny/" in process.stdout
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
