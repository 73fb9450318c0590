"""In odd situations, a whole run ends as it should, or with one line that says what is wrong."""

import json
import subprocess

import pytest
from conftest import snakemake

TRACKS = "results/mine/tracks.parquet"


def configuration(folder, root="."):
    """Write `my.yaml` for a table that does not exist, so that the first job fails."""
    grid = [{"sample_rate": [12_000], "n_mels": [8]}]
    config = {
        "datasets": {"mine": {"kind": "table", "root": root, "table": "nowhere.csv"}},
        "experiments": [{"dataset": "mine", "model": "vgg", "grid": grid}],
    }
    (folder / "my.yaml").write_text(json.dumps(config))


@pytest.fixture
def full_disk(tmp_path):
    """Put `logs` on a disk of its own that is full."""
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
    """The report has the parameters of jobs verbatim in a script element. A dry run shows the same parameters."""
    configuration(tmp_path, root="x</script><img src=x onerror=alert(1)><!--<script>")
    dry_run = ["--dry-run", "--printshellcmds", "--configfile", "my.yaml"]
    process = snakemake(tmp_path, "results/about.html", *dry_run)
    assert process.returncode == 0, process.stdout
    for program in ("tracks", "sonify", "about"):  # all programs that get the name of the folder, except `decode`
        (command,) = (line for line in process.stdout.splitlines() if f"/{program}.py --spec" in line)
        assert r'"root":"x\u003c/script>\u003cimg src=x onerror=alert(1)>' in command
        assert "<" not in command
