"""VGG-CNN and MUSICNN written out plainly, to compare the library's networks with.

They follow the paper (sections IV and VI, Tables I and III) and the code that its authors published. They take the
weights as a dictionary, and use none of the library's code. Shapes are (batch, channels, bands, frames).
"""

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, pad

EPSILON = 1e-3

# The names of the layers here, and those that the library's networks give them.
VGG_LAYERS = {
    "input norm": "features.0",
    "conv 1": "features.1",
    "norm 1": "features.2",
    "conv 2": "features.4",
    "norm 2": "features.5",
    "conv 3": "features.7",
    "norm 3": "features.8",
    "conv 4": "features.10",
    "norm 4": "features.11",
    "output": "classifier",
}
MUSICNN_LAYERS = {
    "timbre 90 % x 7 conv": "timbre.0.0",
    "timbre 90 % x 7 norm": "timbre.0.2",
    "timbre 90 % x 3 conv": "timbre.1.0",
    "timbre 90 % x 3 norm": "timbre.1.2",
    "timbre 90 % x 1 conv": "timbre.2.0",
    "timbre 90 % x 1 norm": "timbre.2.2",
    "timbre 40 % x 7 conv": "timbre.3.0",
    "timbre 40 % x 7 norm": "timbre.3.2",
    "timbre 40 % x 3 conv": "timbre.4.0",
    "timbre 40 % x 3 norm": "timbre.4.2",
    "timbre 40 % x 1 conv": "timbre.5.0",
    "timbre 40 % x 1 norm": "timbre.5.2",
    "temporal 165 conv": "temporal.0.1",
    "temporal 165 norm": "temporal.0.3",
    "temporal 128 conv": "temporal.1.1",
    "temporal 128 norm": "temporal.1.3",
    "temporal 64 conv": "temporal.2.1",
    "temporal 64 norm": "temporal.2.3",
    "temporal 32 conv": "temporal.3.1",
    "temporal 32 norm": "temporal.3.3",
    "wide 1 conv": "first.0.0",
    "wide 1 norm": "first.1",
    "wide 2 conv": "second.0",
    "wide 2 norm": "second_norm",
    "wide 3 conv": "third.0",
    "wide 3 norm": "third_norm",
    "dense": "classifier.1",
    "dense norm": "classifier.3",
    "output": "classifier.5",
}
LAYERS = {"vgg": VGG_LAYERS, "musicnn": MUSICNN_LAYERS}


class Network:
    """The weights of a network, as (weight, bias) of each layer, and how to run it.

    `statistics` are the running means and variances of the batch normalizations. In training they are replaced by those
    after the step.
    """

    def __init__(self, layers: dict[str, str], state: dict[str, Tensor], is_training: bool, momentum: float):
        names = {ours: theirs for theirs in layers.values() for ours in (f"{theirs}.weight", f"{theirs}.bias")}
        statistics = ("running_mean", "running_var", "num_batches_tracked")
        assert {name for name in state if name.rpartition(".")[2] not in statistics} == set(names), "other layers"
        self.is_training, self.momentum = is_training, momentum
        self.weights = {
            name: tuple(state[f"{theirs}.{kind}"].double().clone().requires_grad_() for kind in ("weight", "bias"))
            for name, theirs in layers.items()
        }
        self.statistics = {
            name: tuple(state[f"{theirs}.{kind}"].double().clone() for kind in ("running_mean", "running_var"))
            for name, theirs in layers.items()
            if name.endswith("norm") or name.startswith("norm")
        }

    def normalize(self, x: Tensor, name: str) -> Tensor:
        """Batch normalization over all axes but the channels."""
        shape = [1, -1] + [1] * (x.ndim - 2)
        mean, variance = self.statistics[name]
        if self.is_training:
            values = x.transpose(0, 1).flatten(1)  # (channels, values)
            mean = values.mean(1)
            variance = ((values - mean[:, None]) ** 2).mean(1)
            unbiased = variance * values.shape[1] / (values.shape[1] - 1)
            old, share = self.statistics[name], self.momentum
            self.statistics[name] = (
                (1 - share) * old[0] + share * mean.detach(),
                (1 - share) * old[1] + share * unbiased.detach(),
            )
        scale, shift = self.weights[name]
        normalized = (x - mean.view(shape)) / torch.sqrt(variance.view(shape) + EPSILON)
        return scale.view(shape) * normalized + shift.view(shape)

    def dense(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[name]
        return x @ weight.T + bias


def vgg(x: Tensor, net: Network, windows: list[tuple[int, int]]) -> Tensor:
    """Logits (batch, tags) of VGG-CNN; `windows` are the rows of Table III for this input, as (bands, frames)."""
    y = net.normalize(x, "input norm")
    for number, (bands, frames) in enumerate(windows, start=1):
        y = conv2d(y, *net.weights[f"conv {number}"], padding=1)
        y = net.normalize(y, f"norm {number}")
        y = torch.where(y > 0, y, torch.exp(y.clamp(max=0)) - 1)  # ELU
        y = y.unfold(2, bands, bands).unfold(3, frames, frames).amax((4, 5))
    assert y.shape[2:] == (1, 1), "the last layer has to pool all that is left"
    return net.dense(y[:, :, 0, 0], "output")


def musicnn(x: Tensor, net: Network, is_published: bool, masks: tuple[Tensor | float, Tensor | float]) -> Tensor:
    """Logits (batch, tags) of MUSICNN for one segment of each clip; `masks` multiply the inputs of the dense layers."""
    if is_published:  # bands and frames are swapped
        x = x.transpose(2, 3)
    features = []
    for height in ("90 %", "40 %"):
        for width in (7, 3, 1):
            name = f"timbre {height} x {width}"
            y = conv2d(pad(x, (width // 2, width // 2)), *net.weights[f"{name} conv"])  # as many frames as before
            y = net.normalize(y.clamp(min=0), f"{name} norm")
            features.append(y.amax(2))  # over all frequencies
    envelope = x.mean(2)
    for length in (165, 128, 64, 32):
        before = (length - 1) // 2  # as TensorFlow pads: an odd frame goes to the end
        y = conv1d(pad(envelope, (before, length - 1 - before)), *net.weights[f"temporal {length} conv"])
        features.append(net.normalize(y.clamp(min=0), f"temporal {length} norm"))

    def wide(y: Tensor, number: int) -> Tensor:
        y = conv1d(pad(y, (3, 3)), *net.weights[f"wide {number} conv"]).clamp(min=0)
        if is_published and number > 1:  # one scale and shift for all channels
            return net.normalize(y[:, None], f"wide {number} norm")[:, 0]
        return net.normalize(y, f"wide {number} norm")

    y = wide(torch.cat(features, 1), 1)
    y = y + wide(y, 2)
    y = y.unfold(2, 2, 2).amax(3)
    y = y + wide(y, 3)
    y = torch.cat([y.mean(2), y.amax(2)], 1) * masks[0]
    y = net.normalize(net.dense(y, "dense").clamp(min=0), "dense norm") * masks[1]
    return net.dense(y, "output")
