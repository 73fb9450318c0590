"""Small model files, as a training writes them, and sounds to tag."""

from dataclasses import fields

import numpy as np
import soundfile
import torch

from howlow import networks, tagging
from howlow.features.representation import Cell

RATE, N_MELS, SECONDS = 12_000, 8, 2.0
LENGTH = round(RATE * SECONDS)
TAGS = ["guitar", "slow, but loud", "Жанр", "d", "e"]
SPEC = {
    "model": "vgg",
    "sample_rate": RATE,
    "n_mels": N_MELS,
    "hop_factor": 1,
    "log_type": "db",
    "bits": 16,
    "seconds": SECONDS,
    "width": 1 / 64,
    "options": {"batch_norm_momentum": 0.1},
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
MUSICNN = {"model": "musicnn", "options": {"filters": 1, "segment_frames": 40}}
PUBLISHED = {"model": "musicnn", "options": MUSICNN["options"] | {"orientation": "published"}}


def write_model(path, window="periodic", **spec):
    """Write an untrained model, whose batch normalizations have seen spectrograms of noise; returns its content."""
    spec = SPEC | spec
    torch.manual_seed(0)
    cell = Cell(**{field.name: spec[field.name] for field in fields(Cell)})
    model = networks.build_cell(spec["model"], cell, n_tags=len(TAGS), options=spec["options"])
    batch = np.stack([tagging.spectrogram(noise(SECONDS, seed), cell, window) for seed in range(8)])
    for layer in model.modules():
        if hasattr(layer, "momentum"):
            layer.momentum = 1.0
    with torch.no_grad():
        model(torch.from_numpy(batch)[:, None])
    content = {
        "spec": spec,
        "tags": TAGS,
        "window": window,
        "levels": None,
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
