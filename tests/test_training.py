"""Training is repeatable to the bit and resumable, and never sees the test clips."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import SCRIPTS
from small_training import MUSICNN, N_FRAMES, OUTPUTS, SPEC, changed, make_data, train

from howlow import feeding, files, models, training
from howlow.feeding import Segments
from howlow.protocol import Epoch, Protocol
from howlow.store import Store, open_store
from howlow.tracks import Tracks

CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path):
    """A folder with a store and its tracks, and the tracks themselves."""
    return tmp_path, make_data(tmp_path)


def scores(folder):
    return (folder / "scores.parquet").read_bytes()


def test_learns_and_writes_what_it_promises(data):
    folder, tracks = data
    process = train(folder / "a", folder, changed(epochs=12))
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in (folder / "a").iterdir()) == sorted(OUTPUTS)
    table = pq.read_table(folder / "a" / "scores.parquet")
    assert table.column_names == ["clip_id", "split", "loud", "odd"]
    assert table["clip_id"].to_pylist() == tracks.clip_ids[40:]
    assert table["split"].to_pylist() == tracks.splits[40:]
    loud = table["loud"].to_numpy()
    assert ((loud >= 0) & (loud <= 1)).all()
    is_loud = tracks.labels[48:, 0]
    assert loud[8:][is_loud].mean() - loud[8:][~is_loud].mean() > 0.5  # untrained networks differ less between clips
    assert len(files.read_csv(folder / "a" / "history.csv")) == 12
    run = files.read_json(folder / "a" / "run.json")
    assert run["best_epoch"] == 12
    assert run["seed"] == 1


def test_same_seed_same_bytes(data):
    folder, _ = data
    for name in ("a", "b"):
        assert train(folder / name, folder).returncode == 0
    assert scores(folder / "a") == scores(folder / "b")
    assert train(folder / "c", folder, SPEC | {"seed": 2}).returncode == 0
    assert scores(folder / "a") != scores(folder / "c")


@pytest.mark.parametrize("model", ["vgg", "musicnn"])
def test_killed_training_goes_on_and_ends_the_same(data, model):
    folder, _ = data
    spec = changed(epochs=6)
    if model == "musicnn":
        spec = spec | MUSICNN
    assert train(folder / "whole", folder, spec).returncode == 0
    command = [
        sys.executable, SCRIPTS / "train.py", "--spec", json.dumps(spec),
        "--tracks", folder / "tracks.parquet", "--manifest", folder / "manifest.json", "--folder", folder / "killed",
        "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    while not (folder / "killed" / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "killed" / "run.json").exists(), "was not killed in time"
    finished = train(folder / "killed", folder, spec)
    assert "going on after epoch" in finished.stdout
    assert scores(folder / "killed") == scores(folder / "whole")
    assert not (folder / "killed" / "checkpoint.pt").exists()


@pytest.mark.parametrize(("model", "n_frames"), [({}, {N_FRAMES}), (MUSICNN, {20})])
def test_only_the_frames_that_are_trained_on_are_read(data, monkeypatch, model, n_frames):
    """MUSICNN trains on segments, here of 20 frames. Clips to score are read whole."""
    folder, _ = data
    read = {"training": set(), "scoring": set()}
    copy = Store.copy

    def note(store, out, indices, starts):
        is_training = max(map(int, indices)) < 40
        read["training" if is_training else "scoring"].add(out.shape[2])
        copy(store, out, indices, starts)

    monkeypatch.setattr(Store, "copy", note)
    assert train(folder / "a", folder, SPEC | model).returncode == 0
    assert read == {"training": n_frames, "scoring": {N_FRAMES}}


def test_segments_are_drawn_from_whole_clips(data):
    """Every possible first frame of a segment is drawn, and each epoch draws again."""
    folder, _ = data
    feed = feeding.feed(open_store(folder / "manifest.json", 10, "db"), CPU)
    model = SimpleNamespace(segment_frames=N_FRAMES - 3)
    drawn = [training._draw_segments(model, feed, 400, np.random.default_rng([1, epoch, 2])) for epoch in (1, 2)]
    assert all(set(segments.starts) == {0, 1, 2, 3} for segments in drawn)
    assert (drawn[0].starts != drawn[1].starts).any()
    assert training._draw_segments(torch.nn.Linear(1, 1), feed, 4, np.random.default_rng(1)) is None


def test_checkpoint_of_another_training_is_ignored(data):
    folder, _ = data
    (folder / "a").mkdir()
    torch.save({"identity": "another"}, folder / "a" / "checkpoint.pt")
    process = train(folder / "a", folder)
    assert process.returncode == 0
    assert "going on" not in process.stdout


def test_test_clips_are_never_looked_at(data):
    """Other labels of the test clips change neither the weights nor the chosen epoch."""
    folder, tracks = data
    spec = changed(epochs=5, keep="best_val_roc_auc")
    assert train(folder / "a", folder, spec).returncode == 0
    labels = tracks.labels.copy()
    labels[48:] = ~labels[48:]
    Tracks(**(tracks.__dict__ | {"labels": labels})).write(folder / "tracks.parquet", "made-up")
    assert train(folder / "b", folder, spec).returncode == 0
    first, second = (torch.load(folder / name / "model.pt", weights_only=True)["weights"] for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert scores(folder / "a") == scores(folder / "b")


def test_kept_epoch_is_the_best_and_not_the_worst(data):
    folder, _ = data
    assert train(folder / "a", folder, changed(epochs=6, keep="best_val_roc_auc")).returncode == 0
    history = [float(row["val_roc_auc"]) for row in files.read_csv(folder / "a" / "history.csv")]
    kept = files.read_json(folder / "a" / "run.json")["best_epoch"]
    assert history[kept - 1] == max(history)


def test_learning_rate_decays(data):
    folder, _ = data
    for name, decay in (("a", None), ("b", 2), ("c", 3)):
        assert train(folder / name, folder, changed(decay_epochs=decay)).returncode == 0
    a, b, c = ([row["train_loss"] for row in files.read_csv(folder / name / "history.csv")] for name in "abc")
    assert a == c  # a decay after three epochs comes too late for three epochs
    assert a[:2] == b[:2]
    assert a[2] != b[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": ["test"] * 64}, "there is no training clip"),
        ({"splits": ["train"] * 64}, "there is no validation clip"),
        ({"clip_ids": [f"x{i}" for i in range(64)]}, "there is no training clip"),
    ],
)
def test_bad_splits_get_one_line(data, change, message):
    folder, tracks = data
    Tracks(**(tracks.__dict__ | change)).write(folder / "tracks.parquet", "made-up")
    process = train(folder / "a", folder)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow train: {folder / 'a'}: {message}")
    assert process.stderr.count("\n") == 1


def test_one_class_only_can_not_select_an_epoch(data):
    folder, tracks = data
    Tracks(**(tracks.__dict__ | {"labels": np.ones((64, 2), bool)})).write(folder / "tracks.parquet", "made-up")
    assert train(folder / "a", folder).returncode == 0
    process = train(folder / "b", folder, changed(keep="best_val_roc_auc"))
    assert process.returncode == 1
    assert "b: no tag has positive and negative validation clips" in process.stderr


def test_no_gpu(data, monkeypatch):
    folder, _ = data
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train(folder / "a", folder, device="auto").returncode == 0
    process = train(folder / "b", folder, device="cuda")
    assert process.returncode == 1
    assert "b: device is cuda, but PyTorch sees no GPU" in process.stderr


@pytest.mark.parametrize(("keep", "merits"), [("last", "val_loss"), ("best_val_roc_auc", "val_roc_auc")])
def test_early_stopping(keep, merits):
    def history(*values):
        signs = {"val_loss": -1.0, "val_roc_auc": 1.0}
        made = []
        for number, value in enumerate(values, start=1):
            figures = {"val_loss": 0.7, "val_roc_auc": None} | {merits: signs[merits] * value}
            made.append(Epoch(number, 0.5, seconds=1.0, **figures))
        return made

    protocol = Protocol(10, 8, 0.001, keep=keep, patience=2)
    assert not protocol.is_over([])
    assert not protocol.is_over(history(0.5, 0.6, 0.6))
    assert protocol.is_over(history(0.5, 0.6, 0.6, 0.55))
    assert not protocol.is_over(history(0.5, 0.6, 0.6, 0.61))
    assert Protocol(3, 8, 0.001, keep=keep).is_over(history(0.5, 0.4, 0.3))
    assert not Protocol(4, 8, 0.001, keep=keep).is_over(history(0.5, 0.4, 0.3))


def test_exploding_loss_is_an_error(data):
    folder, _ = data
    store = open_store(folder / "manifest.json", 10, "db")
    model = models.build("vgg", sample_rate=12_000, n_mels=8, hop_factor=10, n_tags=2, width=1 / 64)
    torch.nn.init.constant_(model.classifier.bias, torch.inf)
    clips = training.Clips(np.arange(8), np.zeros((8, 2), bool))
    feed = feeding.feed(store, torch.device("cpu"))
    with pytest.raises(training.TrainingError, match="after epoch 1 these are not finite: the training loss"):
        training.train(model, feed, clips, clips, Protocol(1, 8, 1.0), seed=1, checkpoint=folder / "c.pt", identity="")


FEEDS = {
    "cpu": lambda store: feeding.feed(store, CPU),
    "resident": lambda store: feeding.Feed(store, CPU, feeding.load(store, CPU)),
    "read ahead": lambda store: feeding.Feed(store, CPU, readers=2),
}
# Sizes of the batches of 19 clips, by the batch size asked for. A last batch of one clip joins the batch before it.
SIZES = {1: [1] * 19, 3: [3] * 5 + [4], 8: [8, 8, 3], 19: [19], 18: [19], 10**19: [19]}


@pytest.mark.parametrize("log_type", ["db", "log"])
@pytest.mark.parametrize("size", SIZES)
def test_all_feeds_give_the_same_batches(data, log_type, size):
    """The feeds keep clips on a GPU, read ahead for it, or read for a CPU; they give whole clips or segments."""
    folder, _ = data
    store = open_store(folder / "manifest.json", 10, log_type)
    indices = np.random.default_rng(0).permutation(64)[:19]
    starts = np.random.default_rng(1).integers(N_FRAMES - 20 + 1, size=19)
    whole = store.read(indices)
    cut = np.stack([clip[:, start : start + 20] for clip, start in zip(whole, starts, strict=True)])
    for expected, segments in ((whole, None), (cut, Segments(starts, 20))):
        for name, feed in FEEDS.items():
            batches = list(feed(store).batches(indices, size, segments))
            assert [len(batch) for batch in batches] == SIZES[size], name
            assert all(batch.dtype == torch.float32 for batch in batches)
            found = torch.cat(batches)[:, 0].numpy()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * (log_type == "log"), err_msg=name)


def test_broken_store_gets_one_line(data):
    folder, _ = data
    (folder / "00.npy").unlink()
    process = train(folder / "a", folder)
    assert process.returncode == 1
    assert process.stderr.startswith("howlow train: ")
    assert process.stderr.count("\n") == 1


def test_adam_is_pytorchs():
    torch.manual_seed(0)
    ours = torch.nn.Linear(5, 3)
    theirs = torch.nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizers = training.Adam(ours), torch.optim.Adam(theirs.parameters(), lr=0.01, eps=1e-7)
    for _ in range(20):
        x = torch.randn(4, 5)
        for model in (ours, theirs):
            model.zero_grad()
            model(x).square().sum().backward()
        optimizers[0].step(0.01)
        optimizers[1].step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_training_does_not_import_the_compiler_nor_scikit_learn(data):
    """Importing them takes longer than a training of the demo."""
    folder, _ = data
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0]);"
        "runpy.run_path(sys.argv[0], run_name='__main__');"
        "print('heavy:', *sorted({'torch._dynamo', 'sklearn', 'scipy.signal'} & set(sys.modules)))"
    )
    inputs = ["--tracks", folder / "tracks.parquet", "--manifest", folder / "manifest.json", "--folder", folder / "a"]
    inputs += ["--device", "cpu"]
    command = [sys.executable, "-c", code, SCRIPTS / "train.py", "--spec", json.dumps(SPEC), *inputs]
    process = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == "heavy:"
