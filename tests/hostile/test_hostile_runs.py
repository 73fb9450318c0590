"""Odd situations of whole runs: each ends with one line that says what is wrong, or as it should."""

import json
import subprocess
import zipfile

import pytest
import yaml
from conftest import snakemake

TRACKS = "results/mine/tracks.parquet"


def configuration(folder, root="."):
    """Write `my.yaml` for a table that is not there: its first job fails."""
    grid = [{"sample_rate": [12_000], "n_mels": [8]}]
    config = {
        "datasets": {"mine": {"kind": "table", "root": root, "table": "nowhere.csv"}},
        "experiments": [{"dataset": "mine", "model": "vgg", "grid": grid}],
    }
    (folder / "my.yaml").write_text(json.dumps(config))


@pytest.fixture
def full_disk(tmp_path):
    """`logs` on a disk of its own that is full."""
    logs = tmp_path / "logs"
    logs.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", logs], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("a small disk can't be mounted here: " + mount.stderr.decode().strip())
    with pytest.raises(OSError, match="No space left"), (logs / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    yield logs
    subprocess.run(["umount", "--lazy", logs], check=True)


def test_disk_that_is_full_for_the_log_itself_is_named(tmp_path, full_disk):
    configuration(tmp_path)
    process = snakemake(tmp_path, TRACKS, "--quiet", "rules", "--cores", 1, "--configfile", "my.yaml")
    assert process.returncode != 0
    told = "no space left on the disk of logs/mine, not even for an error message; make room and start again"
    assert f"Failed: {TRACKS}: {told}; log: logs/mine/tracks.log" in process.stdout.splitlines()
    assert "Traceback" not in process.stdout


def test_text_of_the_configuration_is_no_code_in_the_report(tmp_path):
    root = "x</script><img src=x onerror=alert(1)><!--<script>"
    configuration(tmp_path, root)
    about = ["results/about.html", "--cores", 1, "--configfile", "my.yaml"]
    assert snakemake(tmp_path, *about).returncode == 0
    written = yaml.safe_load((tmp_path / "results" / "configuration.yaml").read_text())
    assert written["datasets"]["mine"]["root"] == root
    process = snakemake(tmp_path, "--report", "report.zip", *about)
    assert process.returncode == 0, process.stdout
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")]
    assert len(pages) == 2  # the report and the page in it
    assert "nowhere.csv" in pages[0]
    assert "nowhere.csv" in pages[1]
    assert "<img src=x" not in "".join(pages)
