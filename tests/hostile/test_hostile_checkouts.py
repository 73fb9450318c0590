"""Paths and settings that a shell, or Snakemake, would take for something else."""

import os
import shutil
import subprocess
import sys

import yaml
from conftest import copy_project, library_of

NAME = "it's a $(touch injected) {x} `touch injected` ace"


def test_odd_characters_in_the_path_of_the_checkout_and_in_settings(finished, tmp_path):
    """They are blanks, quotes, commands that a shell would run, and braces, which Snakemake takes for wildcards."""
    project = copy_project(tmp_path / NAME)
    folder = project / "music" / "{b} ra"
    folder.mkdir(parents=True)
    rows = ["path,split,tags"]
    for number, audio in enumerate(sorted(finished.glob("results/tiny/source/mp3/*/*.mp3"))):
        shutil.copyfile(audio, folder / f"{number}.mp3")
        split = ["train", "validation", "test"][number % 3]
        rows.append(f"{number}.mp3,{split},{'{tag}' if number % 2 else 'b'}{{s}}c{number % 3}")
    (project / "music" / "{t} racks.csv").write_text("\n".join(rows) + "\n")
    dataset = {"kind": "table", "root": "music/{b} ra", "table": "music/{t} racks.csv", "separator": "{s}"}
    dataset |= {"tags": ["{tag}", "b", "c1"], "shards": 2, "seconds": 2}
    experiment = {"dataset": "mine", "model": "vgg", "grid": [{"sample_rate": [12_000], "n_mels": [8]}]}
    config = {"datasets": {"mine": dataset}, "seeds": [1], "experiments": [experiment]}
    (project / "mine.yaml").write_text(yaml.safe_dump(config))

    def snakemake(*arguments):
        command = [sys.executable, "-m", "snakemake", *arguments, "--quiet", "rules", "--configfile", "mine.yaml"]
        environment = os.environ | library_of(project)
        return subprocess.run(
            command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    plan = snakemake("--dry-run")
    assert plan.returncode == 0, plan.stdout
    run = snakemake("results/mine/mel/12000/8/manifest.json", "--cores", "2")
    assert run.returncode == 0, run.stdout
    assert not [*tmp_path.rglob("injected")]
