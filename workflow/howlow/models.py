"""The networks: spectrograms (batch, 1, n_mels, n_frames) to logits (batch, n_tags)."""

import torch
from torch import Tensor, nn

from howlow import pooling

# Keras's defaults, which the paper's authors used; PyTorch's momentum is one minus Keras's.
BATCH_NORM = {"eps": 1e-3, "momentum": 0.01}


class VGG(nn.Module):
    """VGG-CNN: four 3x3 convolutions with batch normalization, ELU and max pooling (Tables I and III).

    `build` makes one by the paper's names. At full width it has 17,365,940 parameters for 50 tags, whatever
    the size of its input.
    """

    def __init__(self, windows: list[tuple[int, int]], n_tags: int, width: float, batch_norm_momentum: float):
        super().__init__()
        batch_norm = BATCH_NORM | {"momentum": batch_norm_momentum}
        layers: list[nn.Module] = [nn.BatchNorm2d(1, **batch_norm)]
        n_in = 1
        for n_full, window in zip((128, 384, 768, 2048), windows, strict=True):
            n_out = max(1, round(n_full * width))
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding="same"),
                nn.BatchNorm2d(n_out, **batch_norm),
                # ELU rises monotonically: after the pooling it gives the same values for fewer inputs.
                nn.MaxPool2d(window),
                nn.ELU(),
            ]
            n_in = n_out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(n_in, n_tags)
        self.apply(_initialize_as_keras)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames)."""
        return self.classifier(self.features(x).flatten(1))  # features: (batch, channels, 1, 1)


def _initialize_as_keras(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    sample_rate: int,
    n_mels: int,
    hop_factor: int,
    n_tags: int,
    width: float = 1.0,
    batch_norm_momentum: float = BATCH_NORM["momentum"],
) -> nn.Module:
    """Build a network for one representation; its weights follow `torch.manual_seed`.

    Parameters
    ----------
    name : `vgg`
    sample_rate : int, in Hz
    n_mels : int, number of mel bands
    hop_factor : int, the hop in units of 256 samples
    n_tags : int
    width : float
        factor of the number of filters of every layer; 1 is the paper's
    batch_norm_momentum : float
        share of the newest batch in the running statistics, as PyTorch counts it; 0.01 is the paper's, a
        training of fewer than some 500 steps needs more

    Raises
    ------
    HowlowError
        if there is no pooling for the size of the input
    ValueError
        if there is no such network
    """
    if name == "vgg":
        windows = pooling.windows(sample_rate, n_mels, hop_factor)
        return VGG(windows, n_tags, width, batch_norm_momentum)
    raise ValueError(f"there is no network named {name!r}")
