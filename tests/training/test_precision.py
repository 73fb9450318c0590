"""The numerical precision of training and scoring. The bfloat16 of GPUs is tested on the CPU, which has it, too."""

import numpy as np
import pytest
import torch

from howlow import files, networks
from howlow.features import arrays
from howlow.features.representation import Cell
from howlow.features.store import open_store
from howlow.planning import timing
from howlow.training import batches, devices, loop
from howlow.training.adam import Adam

CPU = torch.device("cpu")
SHAPE = (8, 137)
N_CLIPS, N_TAGS, BATCH_SIZE = 800, 10, 8
OPTIONS = {
    "vgg": {"width": 1 / 64, "batch_norm_momentum": 0.5},
    "musicnn": {"width": 1 / 32, "filters": 1, "segment_frames": 20, "batch_norm_momentum": 0.5},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A feed of clips and their labels; the clips differ in their level, which says how likely each tag is."""
    folder = tmp_path_factory.mktemp("precision")
    rng = np.random.default_rng(0)
    level = rng.normal(size=(N_CLIPS, 1))
    labels = rng.random((N_CLIPS, N_TAGS)) < 1 / (1 + np.exp(2 - level * np.linspace(-2, 2, N_TAGS)))
    decibels = rng.normal(-40, 10, (N_CLIPS, *SHAPE)) + 5 * level[:, :, None]
    arrays.write_rows(folder / "00.npy", decibels, SHAPE, "float16")
    shard = {"file": "00.npy", "clip_ids": list(map(str, range(N_CLIPS))), "sha256": ""}
    manifest = {"n_mels": SHAPE[0], "n_frames": SHAPE[1], "dtype": "float16", "shards": [shard]}
    files.write_json(folder / "manifest.json", manifest)
    devices.prepare(1)
    feed = batches.feed(open_store(folder / "manifest.json", 1, "db"), CPU)
    return feed, loop.Clips(np.arange(N_CLIPS), labels)


def build(name):
    torch.manual_seed(0)
    model = networks.build(name, sample_rate=12_000, n_mels=8, hop_factor=10, n_tags=N_TAGS, **OPTIONS[name])
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0  # dropout would drop other values in another type
    devices.lay_out(model, CPU)
    return model


@pytest.fixture
def bfloat16(monkeypatch):
    """Make training compute as on a GPU that has bfloat16."""
    monkeypatch.setattr(devices, "precision", lambda device: torch.bfloat16)


def losses(model, clips, n_steps, learning_rate=1e-4):
    """The losses of training steps, each on new clips."""
    feed, all_clips = clips
    optimizer = Adam(model)
    torch.manual_seed(0)
    found = []
    for start in range(0, n_steps * BATCH_SIZE, BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        batch = loop.Clips(all_clips.indices[rows], all_clips.labels[rows])
        found.append(loop._pass(model, optimizer, learning_rate, feed, batch, BATCH_SIZE))
    return np.array(found)


def output_types(model, run):
    """The types of the outputs of the convolutions and of the last layer while `run` runs."""
    seen = {}

    def note(layer, _, output):
        seen[type(layer).__name__] = output.dtype

    hooks = [layer.register_forward_hook(note) for layer in model.modules()]
    run()
    for hook in hooks:
        hook.remove()
    return seen["Conv2d"], seen["Float32Linear"]


def test_vgg_learns_the_same_in_bfloat16(clips, request):
    """Each loss of 100 steps is within 1 % of that in float32, while they fall by eight times as much."""
    exact = losses(build("vgg"), clips, 100, 3e-4)
    request.getfixturevalue("bfloat16")
    np.testing.assert_allclose(losses(build("vgg"), clips, 100, 3e-4), exact, rtol=0.01)
    assert exact[-10:].mean() < 0.92 * exact[:10].mean()


def test_musicnn_learns_the_same_in_bfloat16(clips, request):
    """The means agree. In single steps, narrow networks with so many batch normalizations differ by a few percent."""
    exact = losses(build("musicnn"), clips, 40).mean()
    request.getfixturevalue("bfloat16")
    assert losses(build("musicnn"), clips, 40).mean() == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("name", OPTIONS)
def test_training_is_in_bfloat16_but_scores_and_logits_are_in_float32(clips, bfloat16, name):
    model, feed = build(name), clips[0]
    assert output_types(model, lambda: losses(model, clips, 1)) == (torch.bfloat16, torch.float32)
    scored = output_types(model, lambda: loop.score(model, feed, np.arange(8)))
    assert scored == (torch.float32, torch.float32)


@pytest.mark.parametrize("name", OPTIONS)
def test_scores_are_those_of_float32(clips, bfloat16, name):
    """There are nearly as many distinct scores as clips, while bfloat16 has only 128 values between 0.5 and 1."""
    model, feed = build(name), clips[0]
    losses(model, clips, 3)
    some = np.arange(200)
    scores = loop.score(model, feed, some)
    with torch.inference_mode():
        plain = model.eval()(torch.from_numpy(feed.store.read(some)).unsqueeze(1)).sigmoid().numpy()
    np.testing.assert_allclose(scores, plain, rtol=1e-4)
    assert min(len(np.unique(tag)) for tag in scores.T) > 190


def test_logits_of_a_training_step_are_not_rounded(clips, bfloat16):
    model, feed = build("vgg"), clips[0]
    (batch,) = feed.batches(np.arange(400), 400)
    logits = loop._training_logits(model.train(), batch).detach().numpy()
    assert min(len(np.unique(tag)) for tag in logits.T) > 380


class Recorder(torch.nn.Module):
    """A network that notes how it was run."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def forward(self, x):
        autocast = torch.is_autocast_enabled(x.device.type)
        self.seen.add((self.training, torch.is_inference_mode_enabled(), autocast, x.dtype, x.is_contiguous()))
        return torch.zeros(len(x), N_TAGS)


def test_inference_is_timed_as_scores_are_computed(clips, bfloat16):
    scored, timed = Recorder(), Recorder()
    loop.score(scored, clips[0], np.arange(8))
    cell = Cell(12_000, 8, 10, "db")
    for task in timing.inference(timed, cell, CPU).values():
        task.call()
    assert scored.seen == timed.seen == {(False, True, False, torch.float32, True)}


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [("cpu", True, "float32"), ("cuda", True, "bfloat16"), ("cuda", False, "float32")],
)
def test_precision_of_a_device(monkeypatch, device, has_bfloat16, expected):
    """A GPU without bfloat16 in hardware trains in float32, rather than in an emulation."""
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or has_bfloat16
    )
    assert devices.precision(torch.device(device)) == getattr(torch, expected)


def test_deterministic_mode_fills_no_memory(clips):
    """By default, PyTorch fills all new tensors with NaN in this mode, which takes time and changes no weight."""
    assert not torch.utils.deterministic.fill_uninitialized_memory
    without = build("vgg")
    losses(without, clips, 5)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        filled = build("vgg")
        losses(filled, clips, 5)
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = False
    for name, tensor in without.state_dict().items():
        assert torch.equal(tensor, filled.state_dict()[name]), name
