"""The layers of MUSICNN, from spectrograms (batch, 1, n_mels, n_frames) to logits (batch, n_tags)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from howlow.networks.keras import BATCH_NORM_EPSILON
from howlow.networks.layers import Float32Linear, NormalizeAndPool


class MUSICNN(nn.Module):
    """MUSICNN: timbre and temporal filters side by side, then three wide convolutions (Pons et al., 2018).

    It works on segments. In training it draws one from every clip. In evaluation it covers the clip evenly with as few
    segments as possible, and gives the logits of their mean activations.

    `orientation='published'` is the network as the paper's authors ran it. They fed it spectrograms whose axes were
    swapped, so that its "timbre" filters span a few bands by many frames, and the batch normalizations after the
    residual convolutions have one channel. With 32 filters, 96 bands and 50 tags it has 8,031,578 parameters;
    `intended`, the network that the paper describes, has 2,044 more.
    """

    def __init__(
        self,
        n_mels: int,
        segment_frames: int,
        n_tags: int,
        *,
        heights: tuple[int, int],
        orientation: str,
        filters: int,
        width: float,
        batch_norm_momentum: float,
    ):
        super().__init__()
        self.segment_frames = segment_frames
        self.is_published = orientation == "published"
        n_wide, n_dense = max(1, round(512 * width)), max(1, round(500 * width))
        n_rows = segment_frames if self.is_published else n_mels  # of what the timbre filters see

        def batch_norm_1d(n_channels: int) -> nn.Module:
            return nn.BatchNorm1d(n_channels, BATCH_NORM_EPSILON, batch_norm_momentum)

        def wide(n_in: int) -> nn.Module:
            return nn.Sequential(nn.Conv1d(n_in, n_wide, 7, padding="same"), nn.ReLU())

        self.timbre = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(1, filters * multiple, (height, n_columns), padding=(0, n_columns // 2)),
                nn.ReLU(inplace=True),
                # The maximum over all positions of the filter on the axis of frequency.
                NormalizeAndPool(filters * multiple, (n_rows - height + 1, 1), BATCH_NORM_EPSILON, batch_norm_momentum),
            )
            for height in heights
            for n_columns, multiple in ((7, 2), (3, 4), (1, 8))
        )
        self.temporal = nn.ModuleList(
            nn.Sequential(
                # A filter of even length is padded with one more frame after than before, as in TensorFlow.
                nn.ZeroPad1d(((length - 1) // 2, length // 2)),
                nn.Conv1d(1, filters, length),
                nn.ReLU(),
                batch_norm_1d(filters),
            )
            for length in (165, 128, 64, 32)
        )
        self.first = nn.Sequential(wide((2 * 14 + 4) * filters), batch_norm_1d(n_wide))
        self.second, self.third = wide(n_wide), wide(n_wide)
        self.second_norm, self.third_norm = (
            nn.BatchNorm2d(1 if self.is_published else n_wide, BATCH_NORM_EPSILON, batch_norm_momentum)
            for _ in range(2)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(2 * n_wide, n_dense),
            nn.ReLU(),
            batch_norm_1d(n_dense),
            nn.Dropout(0.5),
            Float32Linear(n_dense, n_tags),
        )
        self.apply(_initialize_by_fan_in)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_tags) of spectrograms (batch, 1, n_mels, n_frames)."""
        if self.training:
            return self.segment_logits(self._random_segments(x))
        segments = self._all_segments(x)  # (batch, n_segments, n_mels, segment_frames)
        logits = self.segment_logits(segments.flatten(0, 1).unsqueeze(1)).unflatten(0, segments.shape[:2])
        # The logit of the mean activation, log(mean p) - log(mean (1 - p)), without rounding p to 0 or 1.
        return logsigmoid(logits).logsumexp(1) - logsigmoid(-logits).logsumexp(1)

    def segment_logits(self, x: Tensor) -> Tensor:
        """Logits (batch, n_tags) of segments (batch, 1, n_mels, segment_frames)."""
        if self.is_published:
            x = x.transpose(2, 3)
        timbre = [layer(x).squeeze(2) for layer in self.timbre]  # each (batch, channels, n_columns)
        temporal = [layer(x.mean(2)) for layer in self.temporal]
        y = self.first(torch.cat(timbre + temporal, 1))
        y = y + self._normalize(self.second_norm, self.second(y))
        y = nn.functional.max_pool1d(y, 2)
        y = y + self._normalize(self.third_norm, self.third(y))
        return self.classifier(torch.cat([y.mean(2), y.amax(2)], 1))

    def _normalize(self, norm: nn.Module, y: Tensor) -> Tensor:
        if self.is_published:
            return norm(y.unsqueeze(1)).squeeze(1)
        return norm(y.unsqueeze(3)).squeeze(3)

    def _random_segments(self, x: Tensor) -> Tensor:
        n_starts = x.shape[3] - self.segment_frames + 1
        if n_starts == 1:  # the feed has drawn the segments already
            return x
        starts = torch.randint(n_starts, (len(x),)).tolist()
        return torch.stack([clip[..., i : i + self.segment_frames] for clip, i in zip(x, starts, strict=True)])

    def _all_segments(self, x: Tensor) -> Tensor:
        last_start = x.shape[3] - self.segment_frames
        n_segments = -(-x.shape[3] // self.segment_frames)
        starts = [round(i * last_start / max(1, n_segments - 1)) for i in range(n_segments)]
        return torch.stack([x[:, 0, :, i : i + self.segment_frames] for i in starts], 1)


def _initialize_by_fan_in(module: nn.Module) -> None:
    """Draw weights of variance 2 / fan-in from a normal distribution that is cut off at two standard deviations."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        fan_in = module.weight[0].numel()
        deviation = (2 / fan_in) ** 0.5 / 0.8796  # the cut multiplies the standard deviation by 0.8796
        nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
