"""Multiply-accumulates and parameters are those of the paper's networks."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from howlow import networks
from howlow.networks import cost

HOPS = (1, 2, 3, 4, 5, 10)
# GMAC per clip of VGG-CNN at full width, by sample rate and number of bands, for each hop.
GMAC = {
    (12_000, 128): (13.20, 6.58, 4.34, 3.29, 2.57, 1.29),
    (12_000, 96): (10.01, 4.99, 3.29, 2.50, 1.94, 0.98),
    (12_000, 48): (5.01, 2.50, 1.64, 1.25, 0.97, 0.49),
    (12_000, 32): (4.13,),
    (12_000, 24): (3.16,),
    (12_000, 16): (2.18,),
    (12_000, 8): (1.09,),
    (16_000, 128): (17.58, 8.76, 5.81, 4.31, 3.51, 1.74),
    (16_000, 96): (13.33, 6.64, 4.40, 3.26, 2.66, 1.32),
    (16_000, 48): (6.66, 3.32, 2.20, 1.63, 1.33, 0.66),
    (16_000, 32): (5.50,),
    (16_000, 24): (4.20,),
    (16_000, 16): (2.89,),
    (16_000, 8): (1.45,),
}
N_FRAMES = {12_000: (1366, 683, 456, 342, 274, 137), 16_000: (1820, 910, 607, 455, 364, 182)}
CELLS = [
    (rate, n_mels, hop, n_frames, gmac)
    for (rate, n_mels), row in GMAC.items()
    for hop, n_frames, gmac in zip(HOPS, N_FRAMES[rate], row, strict=False)
]


def test_there_are_44_sizes():
    assert len(CELLS) == 44  # times two log types: the paper's 88 configurations


@pytest.mark.parametrize(("rate", "n_mels", "hop", "n_frames", "gmac"), CELLS)
def test_vgg_at_every_size(rate, n_mels, hop, n_frames, gmac):
    """The dense layer takes 2,048 values, so the last feature map has the size 1 x 1 wherever counting succeeds."""
    with torch.device("meta"):
        model = networks.build("vgg", sample_rate=rate, n_mels=n_mels, hop_factor=hop, n_tags=50)
    assert cost.parameters(model) == 17_365_940
    assert cost.macs(model, n_mels, n_frames) / 1e9 == pytest.approx(gmac, abs=0.005 + 1e-9)


@pytest.mark.parametrize("orientation", ["intended", "published"])
@pytest.mark.parametrize(("n_frames", "n_segments"), [(188, 1), (1820, 10)])
def test_macs_of_musicnn_by_hand(orientation, n_frames, n_segments):
    """Timbre filters cover 86 or 38 of 96 bands, or of 188 frames; the filters of the other layers cover all."""
    height, width = (96, 188) if orientation == "intended" else (188, 96)
    timbre = sum(
        n_filters * columns * rows * (height - rows + 1) * width
        for rows in (86, 38)
        for n_filters, columns in ((64, 7), (128, 3), (256, 1))
    )
    temporal = 32 * (165 + 128 + 64 + 32) * width
    wide = 7 * 512 * (1024 * width + 512 * width + 512 * width // 2)
    dense = 1024 * 500 + 500 * 50
    with torch.device("meta"):
        model = networks.build(
            "musicnn", sample_rate=16_000, n_mels=96, hop_factor=1, n_tags=50, orientation=orientation
        )
    assert cost.macs(model, 96, n_frames) == n_segments * (timbre + temporal + wide + dense)


def test_macs_counts_what_the_closed_form_does():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding="same"), torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 10, 5)
    )
    assert cost.macs(model, 6, 10) == 6 * 10 * 9 * 4 + 240 * 5


@pytest.mark.parametrize("name", ["vgg", "musicnn"])
def test_macs_are_half_of_what_pytorch_counts(name):
    model = networks.build(name, sample_rate=12_000, n_mels=48, hop_factor=2, n_tags=50, width=1 / 16).eval()
    n_frames = 683
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 1, 48, n_frames))
    assert cost.macs(model, 48, n_frames) == counter.get_total_flops() / 2


def test_counting_leaves_the_network_as_it_is():
    """It may be in the middle of a training."""
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(2 * 4 * 6, 1))
    cost.macs(model, 6, 8)
    assert all(layer.training and not layer._forward_hooks for layer in model.modules())
    assert model[0].weight.device.type == "cpu"


def test_parameters_are_those_that_are_trained():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2, bias=False))
    model[2].weight.requires_grad_(False)
    assert cost.parameters(model) == 3 * 4 + 4 + 2 * 4  # no running statistics either
