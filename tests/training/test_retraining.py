"""The same training gives the same bytes, also after it was killed, and is repeated only if something has changed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import SCRIPTS
from small_training import MUSICNN, OUTPUTS, SPEC, changed, make_data, run, scores, train

from howlow import files, provenance
from howlow.data.tracks import Tracks
from howlow.errors import HowlowError
from howlow.training import checkpoints, devices, loop


@pytest.fixture
def data(tmp_path):
    """A folder with a store and its tracks, and the tracks themselves."""
    return tmp_path, make_data(tmp_path)


def test_same_seed_same_bytes(data):
    folder, _ = data
    for name in ("a", "b"):
        run(folder / name, folder)
    assert scores(folder / "a") == scores(folder / "b")


def test_another_seed_draws_other_weights_and_another_order(data, monkeypatch):
    folder, _ = data
    seen = []
    original = loop.train

    def note(model, *args, seed, **more):
        seen.append((model.classifier.weight.sum().item(), seed))
        return original(model, *args, seed=seed, **more)

    monkeypatch.setattr(loop, "train", note)
    for seed in (1, 2):
        run(folder / str(seed), folder, SPEC | {"seed": seed})
    (weights, seed), (other_weights, other_seed) = seen
    assert weights != other_weights
    assert (seed, other_seed) == (1, 2)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training that was killed, and started again, as programs; gives its folder and what the second one printed."""
    folder = tmp_path_factory.mktemp("killed")
    make_data(folder)
    spec = changed(epochs=6) | MUSICNN
    run(folder / "whole", folder, spec)
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__');"
        "print('heavy:', *sorted({'torch._dynamo', 'sklearn', 'scipy.signal'} & set(sys.modules)))"
    )
    command = [
        sys.executable, "-c", code, SCRIPTS / "train.py", "--spec", json.dumps(spec), "--device", "cpu",
        "--tracks", folder / "tracks.parquet", "--manifest", folder / "manifest.json", "--folder", folder / "killed",
    ]  # fmt: skip
    words = list(map(str, command))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while not (folder / "killed" / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "killed" / "run.json").exists(), "was not killed in time"
    second = subprocess.run(words, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    return folder, second.stdout


def test_killed_training_goes_on_and_ends_the_same(killed):
    folder, printed = killed
    assert "going on after epoch" in printed
    assert scores(folder / "killed") == scores(folder / "whole")
    assert not (folder / "killed" / "checkpoint.pt").exists()


def test_training_does_not_import_the_compiler_nor_scikit_learn(killed):
    """Importing them takes longer than a training of the demo."""
    _, printed = killed
    assert printed.splitlines()[-1] == "heavy:"


def other_labels(folder, monkeypatch):
    tracks = make_data(folder)
    Tracks(**(tracks.__dict__ | {"labels": ~tracks.labels})).write(folder / "tracks.parquet", "made-up")
    return SPEC


def other_clips(folder, monkeypatch):
    manifest = files.read_json(folder / "manifest.json")
    clip_ids = manifest["shards"][0]["clip_ids"]
    clip_ids[:2] = clip_ids[1::-1]
    files.write_json(folder / "manifest.json", manifest)
    return SPEC


def other_code(folder, monkeypatch):
    monkeypatch.setattr(provenance, "code", lambda script, spec: {"training": "another digest"})
    return SPEC


CHANGES = {
    "specification": lambda folder, monkeypatch: changed(learning_rate=0.004),
    "labels": other_labels,
    "clips": other_clips,
    "code": other_code,
}


def interrupted(folder, data_folder, monkeypatch, spec=SPEC):
    """Start a training, which ends after its first epoch."""
    write = checkpoints.write

    def interrupt(*args):
        write(*args)
        raise HowlowError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", interrupt)
        assert "interrupted" in train(folder, data_folder, spec).stderr


def test_records_every_device_that_was_used(data, monkeypatch):
    """The only epoch was trained on a GPU, and then the CPU scores the clips."""
    folder, _ = data
    with monkeypatch.context() as patch:
        patch.setattr(devices, "device_name", lambda device: "NVIDIA A100")
        interrupted(folder / "a", folder, monkeypatch, changed(epochs=1))
    run(folder / "a", folder, changed(epochs=1))
    assert files.read_json(folder / "a" / "run.json")["device"] == "NVIDIA A100, cpu"


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_a_checkpoint_is_only_resumed_by_the_same_training(data, monkeypatch, change):
    """A training was interrupted. What then changes makes it another one, which starts from the beginning."""
    folder, _ = data
    interrupted(folder / "a", folder, monkeypatch)
    spec = CHANGES[change](folder, monkeypatch) if change else SPEC
    printed = run(folder / "a", folder, spec)
    assert ("going on after epoch 1" in printed) == (change is None)
    assert ("belongs to another training" in printed) == (change is not None)
    run(folder / "new", folder, spec)
    assert scores(folder / "a") == scores(folder / "new")


@pytest.mark.parametrize("change", [None, *CHANGES, *OUTPUTS])
def test_a_finished_training_is_repeated_only_if_something_has_changed(data, monkeypatch, change):
    folder, _ = data
    run(folder / "a", folder)
    for name in OUTPUTS:
        os.utime(folder / "a" / name, (0, 0))
    spec = SPEC
    if change in OUTPUTS:
        (folder / "a" / change).unlink()
    elif change:
        spec = CHANGES[change](folder, monkeypatch)
    printed = run(folder / "a", folder, spec)
    assert ("there is nothing to train" in printed) == (change is None)
    assert ("epoch 1/3" in printed) == (change is not None)
    # Either way the files are newer than what they were made from.
    assert all((folder / "a" / name).stat().st_mtime > 0 for name in OUTPUTS)
