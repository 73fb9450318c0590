"""Small networks on made-up clips, on which tests run the training loop."""

import numpy as np
import torch

from howlow import networks
from howlow.features.store import Store
from howlow.training import batches, devices, loop
from howlow.training.loop import Clips

CPU = torch.device("cpu")
N_CLIPS, N_MELS, HOP, N_FRAMES, N_TAGS = 70, 8, 10, 137, 3
RNG = np.random.default_rng(0)
LABELS = RNG.random((N_CLIPS, N_TAGS)) < [0.5, 0.3, 0.2]  # of each clip, in the order of the store
LEVELS = RNG.normal(-40, 10, (N_CLIPS, N_MELS, 1366)) + (LABELS @ [12, -9, 5])[:, None, None]
RAW = LEVELS.astype(np.float16)
# Positions in the store. Splits are mixed, and their clips are in no order.
TRAIN, VALIDATION = np.split(RNG.permutation(N_CLIPS)[:57], [35])
SMALL = {"width": 1 / 64, "batch_norm_momentum": 0.1}
OPTIONS = {"vgg": SMALL, "musicnn": SMALL | {"filters": 1, "segment_frames": 20}}


def build(name="vgg", seed=1):
    torch.manual_seed(seed)
    model = networks.build(
        name, sample_rate=12_000, n_mels=N_MELS, hop_factor=HOP, n_tags=N_TAGS, seconds=29.1, **OPTIONS[name]
    )
    devices.lay_out(model, CPU)
    return model


def exact(model):
    """A network in float64 without dropout. In many steps of training it stays the same on all machines."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    model.double().register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    return model


def feed(log_type="db"):
    clip_ids = [f"id {position}" for position in range(N_CLIPS)]
    store = Store(clip_ids, [RAW], np.zeros(N_CLIPS, int), np.arange(N_CLIPS), HOP, log_type)
    return batches.feed(store, CPU)


def clips(positions):
    return Clips(positions, LABELS[positions])


def train(model, folder, protocol, *, seed=1, n_train=35, log_type="db", identity="a"):
    return loop.train(
        model,
        feed(log_type),
        clips(TRAIN[:n_train]),
        clips(VALIDATION),
        protocol,
        seed=seed,
        checkpoint=folder / "checkpoint.pt",
        identity=identity,
    )


def values(log_type="db"):
    """What a network receives of each clip: (clips, 1, bands, frames)."""
    decibels = RAW[:, :, ::HOP].astype(np.float64)
    chosen = decibels if log_type == "db" else np.log10(1 + 10_000 * 10 ** (decibels / 10))
    return torch.from_numpy(chosen[:, None].astype(np.float32))


def cross_entropy(logits, positions):
    """The binary cross-entropy: the mean over clips and tags, in natural logarithms."""
    p, truth = torch.sigmoid(logits.double()), torch.from_numpy(LABELS[positions])
    return -torch.where(truth, p.log(), (1 - p).log()).mean()


def copy_of(state):
    return {name: tensor.clone() for name, tensor in state.items()}


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name
