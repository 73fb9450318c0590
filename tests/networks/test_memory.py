"""The numbers of values that the estimates of memory rest on are those of the networks themselves."""

import math
from dataclasses import replace

import pytest
import torch

from howlow import networks
from howlow.errors import ShapeError
from howlow.features.representation import Cell
from howlow.networks import memory, musicnn, vgg

CELL = Cell(12_000, 48, 2, "db", seconds=10.0)
TRAINING = {"batch_size": 1}


def first_maps(name, n_frames, options, cell=CELL):
    """The number of values that the layers give which are fed with a spectrogram of one channel."""
    with torch.device("meta"):
        network = networks.build_cell(name, cell, n_tags=2, options=options)
        found = []
        for layer in network.modules():
            if getattr(layer, "in_channels", 0) == 1:
                layer.register_forward_hook(lambda _, inputs, output: found.append(output.numel()))
        getattr(network, "segment_logits", network)(torch.empty(2, 1, CELL.n_mels, n_frames))
    return sum(found) / 2


@pytest.mark.parametrize("width", [1, 1 / 16])
def test_maps_of_vgg(width):
    cell = replace(CELL, width=width)
    assert vgg.map_values(cell, cell.n_frames, {}) == first_maps("vgg", cell.n_frames, {}, cell)


@pytest.mark.parametrize("orientation", ["intended", "published"])
def test_maps_of_musicnn_are_at_most_as_many_as_estimated(orientation):
    options = {"filters": 8, "orientation": orientation}
    found = first_maps("musicnn", CELL.segment_frames, options)
    assert 1 <= musicnn.map_values(CELL, CELL.segment_frames, options) / found < 1.6


def test_memory_of_scoring_by_hand():
    """With batches of one clip, scoring needs the most: eight clips at once, ten segments of each, in float32."""
    options = {"filters": 8, "segment_frames": 24}
    spec = {"model": "musicnn", **vars(CELL), "options": options, "training": TRAINING}
    n_inputs = math.ceil(CELL.n_frames / 24)
    assert n_inputs == 10
    values = 8 * n_inputs * musicnn.map_values(CELL, 24, options)
    assert memory.training_mb(spec) == pytest.approx(1_200 + 4 * values * musicnn.SCORING_MAPS / 1e6, abs=1)
    assert 0.9 <= musicnn.SCORING_MAPS < 1.1, "0.8 to 0.9 were measured"


def test_clips_that_are_too_short_are_refused():
    for name, check in (("vgg", vgg.check_frames), ("musicnn", musicnn.check_frames)):
        check(CELL, {})
        with pytest.raises(ShapeError, match=r"frames"):
            check(replace(CELL, seconds=0.05), {})
        assert networks.build_cell(name, replace(CELL, width=1 / 64), n_tags=2, options={})
