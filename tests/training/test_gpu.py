"""Training on a GPU gives the same as on the CPU, up to bfloat16, and the same each time.

Each test also runs on the CPU in place of the GPU. The CPU then computes in bfloat16 where a GPU does, and reads
batches ahead, so that this code is tested without a GPU.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import SCRIPTS
from small_training import MUSICNN, SPEC, changed, make_data, train

from howlow import files, networks
from howlow.errors import HowlowError
from howlow.features.store import Store, open_store
from howlow.training import batches, checkpoints, devices, loop
from howlow.training.adam import Adam

NEEDS_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU"),
]


def needs_gpu(test):
    """Mark a test for which nothing can take the place of a GPU."""
    for mark in NEEDS_GPU:
        test = mark(test)
    return test


NETWORKS = {"vgg": SPEC, "musicnn": SPEC | MUSICNN}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
def device(request, monkeypatch):
    """`cuda`, or the CPU in its place."""
    if request.param == "cpu":
        monkeypatch.setattr(devices, "precision", lambda device: torch.bfloat16)
    return request.param


def build(spec, device):
    """The network of a specification without dropout, which would draw other values on another device."""
    torch.manual_seed(spec["seed"])
    keys = {key: spec[key] for key in ("sample_rate", "n_mels", "hop_factor", "seconds", "width")}
    model = networks.build(spec["model"], n_tags=2, **keys, **spec["options"])
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    devices.lay_out(model, device)
    return model


def losses(spec, store, tracks, device):
    """The losses of 16 training steps on the device."""
    device = devices.prepare(1, device)
    model, feed = build(spec, device), batches.feed(store, device)
    optimizer = Adam(model)
    found = []
    for step in range(16):
        rows = np.arange(16) + 16 * (step % 4)
        clips = loop.Clips(rows, tracks.labels[rows])
        segments = loop._draw_segments(model, feed, 16, np.random.default_rng(step))
        found.append(loop._pass(model, optimizer, 1e-4, feed, clips, 16, segments))
    return np.array(found)


@pytest.mark.parametrize(("network", "tolerance"), [("vgg", 0.01), ("musicnn", 0.05)])
def test_steps_are_those_of_the_cpu(tmp_path, device, network, tolerance):
    """VGG-CNN agrees within 1 %. A narrow MUSICNN has many batch normalizations, and differs by a few percent."""
    tracks = make_data(tmp_path)
    store = open_store(tmp_path / "manifest.json", 10, "db")
    found = losses(NETWORKS[network], store, tracks, device)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "precision", lambda device: torch.float32)
        expected = losses(NETWORKS[network], store, tracks, "cpu")
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    assert found.mean() == pytest.approx(expected.mean(), rel=0.01)


@pytest.mark.parametrize("network", NETWORKS)
def test_scores_are_those_of_the_cpu(tmp_path, device, network):
    """They are computed in float32, without TF32, on every device."""
    make_data(tmp_path)
    store = open_store(tmp_path / "manifest.json", 10, "log")
    found, expected = (
        loop.score(build(NETWORKS[network], place), batches.feed(store, place), np.arange(64))
        for place in (devices.prepare(1, device), torch.device("cpu"))
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("log_type", ["db", "log"])
@pytest.mark.parametrize("n_frames", [20, None])
def test_feeds_give_what_is_stored(tmp_path, device, log_type, n_frames):
    """Spectrograms stay on the GPU or are read ahead, as whole clips or as segments."""
    make_data(tmp_path)
    store, place = open_store(tmp_path / "manifest.json", 10, log_type), devices.prepare(1, device)
    indices = np.random.default_rng(0).permutation(64)
    starts = np.random.default_rng(1).integers(store.n_frames - (n_frames or store.n_frames) + 1, size=64)
    expected = _cut(store, indices, starts, n_frames or store.n_frames)
    segments = n_frames and batches.Segments(starts, n_frames)
    for resident in (batches.load(store, place), None):
        read = list(batches.Feed(store, place, resident, readers=2).batches(indices, 9, segments))
        assert [len(batch) for batch in read] == [9] * 6 + [10]
        assert all(batch.device.type == device for batch in read)
        found = torch.cat(read)[:, 0].cpu().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * (log_type == "log"))


def _cut(store: Store, indices, starts, n_frames):
    return np.stack([clip[:, i : i + n_frames] for clip, i in zip(store.read(indices), starts, strict=True)])


@pytest.mark.parametrize("network", NETWORKS)
def test_interrupted_training_ends_with_the_same_bytes(tmp_path, device, network, monkeypatch):
    make_data(tmp_path)
    spec = NETWORKS[network] | {"training": changed(epochs=4)["training"]}
    assert train(tmp_path / "whole", tmp_path, spec, device).returncode == 0
    write = checkpoints.write

    def interrupt(path, identity, model, optimizer, history, kept):
        write(path, identity, model, optimizer, history, kept)
        if len(history) == 2:
            raise HowlowError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", interrupt)
        assert "interrupted" in train(tmp_path / "a", tmp_path, spec, device).stderr
    process = train(tmp_path / "a", tmp_path, spec, device)
    assert process.returncode == 0, process.stderr
    assert "going on after epoch 2" in process.stdout
    for name in ("model.pt", "scores.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@needs_gpu
def test_two_at_once_share_a_gpu_and_give_what_one_gives(tmp_path, monkeypatch):
    """Each training has a process of its own, like a job. The third one waits for one of the others."""
    make_data(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert train(tmp_path / "alone", tmp_path, device="cuda").returncode == 0

    alone = (tmp_path / "alone" / "scores.parquet").read_bytes()

    def start(name):
        command = [
            sys.executable, SCRIPTS / "train.py", "--spec", json.dumps(SPEC), "--device", "cuda",
            "--gpus", os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0], "--sharing", 2,
            "--tracks", tmp_path / "tracks.parquet", "--manifest", tmp_path / "manifest.json",
            "--folder", tmp_path / name,
        ]  # fmt: skip
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    processes = [start(name) for name in "abc"]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], printed
    assert [(tmp_path / name / "scores.parquet").read_bytes() == alone for name in "abc"] == [True] * 3
    assert files.read_json(tmp_path / "a" / "run.json")["device"] == torch.cuda.get_device_name()


@needs_gpu
def test_a_full_gpu_gets_one_line(tmp_path):
    """The process may use next to nothing of the GPU's memory."""
    make_data(tmp_path)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        process = train(tmp_path / "a", tmp_path, changed(batch_size=40), device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert process.returncode == 1
    assert "a: the memory of the GPU does not suffice for batches of 40 clips" in process.stderr
    assert process.stderr.count("\n") == 1
