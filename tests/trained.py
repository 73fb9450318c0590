"""Small model files, as a training writes them, and sounds to tag."""

import numpy as np
import soundfile
import torch

from howlow import networks, tagging

RATE, N_MELS, SECONDS = 12_000, 8, 2.0
LENGTH = round(RATE * SECONDS)
TAGS = ["guitar", "slow, but loud", "Жанр", "d", "e"]
SPEC = {
    "model": "vgg",
    "sample_rate": RATE,
    "n_mels": N_MELS,
    "hop_factor": 1,
    "log_type": "db",
    "options": {"width": 1 / 64, "batch_norm_momentum": 0.1},
    "seconds": SECONDS,
    "seed": 1,
    "training": {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.003,
        "decay_epochs": None,
        "keep": "last",
        "patience": None,
        "device": "cpu",
        "threads": 1,
    },
}
MUSICNN = {"model": "musicnn", "options": {"width": 1 / 64, "filters": 1, "segment_frames": 40}}
PUBLISHED = {"model": "musicnn", "options": MUSICNN["options"] | {"orientation": "published"}}


def write_model(path, window="periodic", **spec):
    """Write an untrained model, whose batch normalizations have seen spectrograms of noise; returns its content."""
    spec = SPEC | spec
    torch.manual_seed(0)
    keys = ("sample_rate", "n_mels", "hop_factor", "seconds")
    model = networks.build(spec["model"], n_tags=len(TAGS), **{key: spec[key] for key in keys}, **spec["options"])
    representation = tagging.Representation(*(spec[key] for key in ("sample_rate", "n_mels", "hop_factor", "log_type")))
    batch = np.stack([tagging.spectrogram(noise(SECONDS, seed), representation, window) for seed in range(8)])
    for layer in model.modules():
        if hasattr(layer, "momentum"):
            layer.momentum = 1.0
    with torch.no_grad():
        model(torch.from_numpy(batch)[:, None])
    content = {
        "spec": spec,
        "tags": TAGS,
        "window": window,
        "digest": "0123456789abcdef",
        "weights": model.state_dict(),
    }
    torch.save(content, path)
    return content


def noise(seconds, seed=0):
    """Noise that gets louder, so that no two windows are alike."""
    samples = np.random.default_rng(seed).standard_normal(round(RATE * seconds))
    return (samples * np.linspace(0.01, 0.2, len(samples))).astype(np.float32)


def write_audio(path, signal):
    soundfile.write(path, signal, RATE, subtype="FLOAT")
    return path
