"""The layers of VGG-CNN, from spectrograms (batch, 1, n_mels, n_frames) to logits (batch, n_tags)."""

from torch import Tensor, nn

from howlow.networks.keras import BATCH_NORM_EPSILON
from howlow.networks.layers import Float32Linear, NormalizeAndPool


class VGG(nn.Module):
    """VGG-CNN: four 3x3 convolutions with batch normalization, ELU and max pooling (Tables I and III).

    `howlow.networks.vgg` chooses the pooling windows for a representation, and the numbers of filters. At full width it
    has 17,365,940 parameters for 50 tags, whatever the size of its input.
    """

    def __init__(self, windows: list[tuple[int, int]], n_filters: list[int], n_tags: int, batch_norm_momentum: float):
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm2d(1, BATCH_NORM_EPSILON, batch_norm_momentum)]
        n_in = 1
        for n_out, window in zip(n_filters, windows, strict=True):
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding="same"),
                # ELU is monotonic: after the pooling it gives the same values, and has fewer to compute.
                NormalizeAndPool(n_out, window, BATCH_NORM_EPSILON, batch_norm_momentum),
                nn.ELU(),
            ]
            n_in = n_out
        self.features = nn.Sequential(*layers)
        self.classifier = Float32Linear(n_in, n_tags)
        self.apply(_initialize_as_keras)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames)."""
        return self.classifier(self.features(x).flatten(1))  # features: (batch, channels, 1, 1)


def _initialize_as_keras(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
