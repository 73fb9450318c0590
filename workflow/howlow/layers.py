"""Layers that PyTorch does not have as they are needed here: more exact, or leaner, than its own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

# Values to work on at a time, so that they stay in the processor's cache.
_BLOCK_SIZE = 1 << 18


class NormalizeAndPool(nn.BatchNorm2d):
    """Batch normalization and max pooling, (batch, n, height, width) to (batch, n, height // h, width // w).

    Where it trains on a CPU with the channels last, this is computed here: PyTorch's own kernel for that layout adds
    up a channel's values one after the other in float32, so that its means are 100 times less exact than those of
    its other layouts, and it keeps twice as much for the gradients. Elsewhere the layer is PyTorch's two.
    """

    def __init__(self, n_channels: int, window: tuple[int, int], epsilon: float, momentum: float):
        super().__init__(n_channels, epsilon, momentum)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        is_plain = x.device.type == "cpu" and x.dtype == torch.float32
        has_many = x.numel() > x.shape[1]  # a single value a channel has no variance: PyTorch's layer refuses it
        is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
        if not (self.training and is_plain and has_many and is_channels_last):
            return max_pool2d(super().forward(x), self.window)
        pooled, mean, variance = _NormalizeAndPool.apply(x, self.weight, self.bias, self.eps, self.window)
        self._follow(mean, variance, x.numel() // x.shape[1])
        return pooled

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


class Float32Linear(nn.Linear):
    """A dense layer that computes in float32, also where autocast has the others compute in fewer bits.

    It gives a network's logits. In bfloat16 they would have 8 bits: many clips would get the same score.
    """

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type  # `meta`, where costs are counted, has no autocast to be switched off
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return super().forward(x)
        with torch.autocast(device, enabled=False):
            return super().forward(x.float())


class _NormalizeAndPool(torch.autograd.Function):
    """Of the batch's own mean and variance, which it gives, too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, window: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, width = x.shape[1], x.shape[3]
        rows, count = _rows(x), x.numel() // n
        mean = _sum(rows, n) / count
        centre = mean.repeat(width)
        squares = [_sum((block - centre).square_(), n) for block in rows.split(_block(rows))]
        variance = torch.stack(squares).sum(0) / count
        scale = weight * (variance + epsilon).rsqrt()
        normalized = torch.addcmul((bias - mean * scale).repeat(width), rows, scale.repeat(width))
        pooled, indices = max_pool2d(_as_image(normalized, x), window, return_indices=True)
        ctx.save_for_backward(x, mean, variance, scale, indices)
        ctx.epsilon, ctx.window = epsilon, window
        ctx.mark_non_differentiable(mean, variance)
        return pooled, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, scale, indices = ctx.saved_tensors
        n, width = x.shape[1], x.shape[3]
        rows, count = _rows(x), x.numel() // n
        # Of what it is given as input, only the shape and layout count.
        pool = torch.ops.aten.max_pool2d_with_indices_backward
        gradients = _rows(pool(gradient, x, ctx.window, ctx.window, (0, 0), (1, 1), False, indices))
        centre = mean.repeat(width)
        blocks = zip(gradients.split(_block(rows)), rows.split(_block(rows)), strict=True)
        inverse = (variance + ctx.epsilon).rsqrt()
        products = [_sum((part - centre).mul_(block), n) for block, part in blocks]
        of_weight = torch.stack(products).sum(0) * inverse
        of_bias = _sum(gradient, n)
        # Of x: scale (gradient - of_bias / count - normalized of_weight / count), in place.
        slope = -scale * inverse * of_weight / count
        offset = -scale * of_bias / count - mean * slope
        gradients.mul_(scale.repeat(width)).addcmul_(rows, slope.repeat(width)).add_(offset.repeat(width))
        return _as_image(gradients, x), of_weight, of_bias, None, None


def _rows(x: Tensor) -> Tensor:
    """A view of an image with the channels last as rows of (width * channels): long enough to work on fast."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0] * x.shape[2], -1)


def _as_image(rows: Tensor, like: Tensor) -> Tensor:
    n_images, n, height, width = like.shape
    return rows.view(n_images, height, width, n).permute(0, 3, 1, 2)


def _sum(x: Tensor, n: int) -> Tensor:
    """The sum of each of n channels, which are last in rows or second in an image."""
    rows = x if x.ndim == 2 else _rows(x)
    return rows.sum(0).view(-1, n).sum(0)


def _block(rows: Tensor) -> int:
    return max(1, _BLOCK_SIZE // rows.shape[1])
