"""The costs of a network that can be computed without measuring, and are the same on every machine."""

import copy
import math

import torch
from torch import Tensor, nn


def macs(model: nn.Module, n_mels: int, n_frames: int) -> int:
    """The number of multiply-accumulates of the convolutions and dense layers for one clip (paper, section VII).

    No values are computed: only the shapes go through the network on PyTorch's `meta` device.
    """
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        total += output.numel() * math.prod(weight.shape[1:])  # products per output value

    model = copy.deepcopy(model).to("meta").eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.empty(1, 1, n_mels, n_frames, device="meta"))
    return total


def parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
