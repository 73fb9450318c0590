"""Networks that a configuration may ask for can be built and run forward and backward; others are refused."""

import itertools
from dataclasses import replace

import pytest
import torch

from howlow import networks
from howlow.errors import HowlowError, ShapeError
from howlow.features import mel
from howlow.features.bands import max_mel_bands
from howlow.features.representation import Cell

# Both sides of the limits of the filter banks, of the pooling and of the filters.
CELLS = [
    Cell(rate, n_mels, hop_factor, "db")
    for rate, bands, hops in ((1_000, (2, 3, 510, 511), (1, 9)), (12_000, (2, 3, 14, 15, 232, 233), (1, 68, 72)))
    for n_mels, hop_factor in itertools.product(bands, hops)
]
OPTIONS = (
    ("vgg", {}),
    ("musicnn", {}),
    ("musicnn", {"orientation": "published"}),
    ("musicnn", {"segment_frames": 2}),
    ("musicnn", {"orientation": "published", "segment_frames": 12}),
)


def is_accepted(model, cell, options):
    try:
        networks.check_bands(model, cell.sample_rate, cell.n_mels)
        networks.check_frames(model, cell, options)
    except HowlowError:
        return False
    return True


@pytest.mark.parametrize(("model", "options"), OPTIONS, ids=str)
def test_what_is_accepted_runs_forward_and_backward(model, options):
    accepted = [cell for cell in CELLS if is_accepted(model, cell, options)]
    assert 0 < len(accepted) < len(CELLS)
    small = {"filters": 1} if model == "musicnn" else {}
    for cell in accepted:
        with torch.device("meta"):  # shapes only, in milliseconds
            network = networks.build_cell(model, replace(cell, width=1e-9), n_tags=3, options=small | options)
            n_frames = getattr(network, "segment_frames", cell.n_frames)
            logits = getattr(network, "segment_logits", network)(torch.empty(2, 1, cell.n_mels, n_frames))
            assert logits.shape == (2, 3)
            logits.sum().backward()


@pytest.mark.parametrize(
    ("model", "n_mels", "options"),
    [("vgg", 2, {}), ("musicnn", 3, {}), ("musicnn", 8, {"orientation": "published", "segment_frames": 7})],
)
def test_smallest_inputs_train_for_real(model, n_mels, options):
    """They are at the limit of what is accepted. One frame or band fewer is refused; see below."""
    cell = Cell(12_000, n_mels, 1, "db", seconds=3.2, width=0.01)
    network = networks.build_cell(model, cell, n_tags=2, options=options)
    network(torch.randn(3, 1, n_mels, cell.n_frames)).sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())


@pytest.mark.parametrize(
    ("n_mels", "options"), [(2, {}), (8, {"orientation": "published", "segment_frames": 6})], ids=str
)
def test_networks_refuse_what_configurations_do(n_mels, options):
    cell = Cell(12_000, n_mels, 1, "db")
    for refuses in (
        lambda: networks.build_cell("musicnn", cell, n_tags=2, options=options),
        lambda: networks.check_frames("musicnn", cell, options),
    ):
        with pytest.raises(ShapeError, match="MUSICNN's filters span"):
            refuses()


def test_published_orientation_with_the_largest_hop_of_the_paper_is_refused():
    """29.1 s at 12 kHz and x10 have 137 frames, and a segment has 14, but the filters of 96 bands span 86."""
    cell = Cell(12_000, 96, 10, "db")
    with pytest.raises(ShapeError, match="span 86 frames for 96 mel bands, but a segment has only 14"):
        networks.check_frames("musicnn", cell, {"orientation": "published"})
    networks.check_frames("musicnn", cell, {})


@pytest.mark.parametrize("sample_rate", [1_000, 2_000, 2_001, 8_000, 12_000, 16_000, 22_050, 44_100, 96_000, 192_000])
def test_largest_number_of_bands_is_the_filter_banks(sample_rate):
    most = max_mel_bands(sample_rate)
    assert mel.filter_bank(sample_rate, most).any(axis=1).all()
    with pytest.raises(mel.MelError):
        mel.filter_bank(sample_rate, most + 1)


def test_smallest_number_of_bands_is_the_filter_banks():
    assert mel.filter_bank(12_000, 2).any(axis=1).all()
    with pytest.raises(mel.MelError):
        mel.filter_bank(12_000, 1)
    with pytest.raises(ShapeError, match="vgg at 12000 Hz takes 2 to 232 mel bands, not 1"):
        networks.check_bands("vgg", 12_000, 1)


def test_fewest_frames_are_those_of_the_pooling():
    networks.check_frames("vgg", Cell(12_000, 8, 68, "db"), {})  # 21 frames
    with pytest.raises(ShapeError):
        networks.check_frames("vgg", Cell(12_000, 8, 72, "db"), {})  # 19
