"""Layers that are more exact than PyTorch's own, or need less memory."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

# The number of values to work on at a time. They fit into the processor's cache.
_BLOCK_SIZE = 1 << 18


class NormalizeAndPool(nn.BatchNorm2d):
    """Batch normalization and max pooling, (batch, n, height, width) to (batch, n, height // h, width // w).

    When it trains on a CPU with the channels last, both are computed by the code in this module. PyTorch's own kernel
    for that layout adds up the values of a channel one by one in float32. Its means are therefore 100 times less exact
    than with other layouts, and it keeps twice as much memory for the gradients. In all other cases, PyTorch's two
    layers are used.
    """

    def __init__(self, n_channels: int, window: tuple[int, int], epsilon: float, momentum: float):
        super().__init__(n_channels, epsilon, momentum)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        is_plain = x.device.type == "cpu" and x.dtype == torch.float32
        has_many = x.numel() > x.shape[1]  # one value a channel has no variance, and PyTorch's layer refuses it
        is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
        if not self.training and is_plain and not torch.compiler.is_exporting() and bool((self.weight >= 0).all()):
            return super().forward(max_pool2d(x, self.window))  # the same values, and fewer to normalize
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
    """A dense layer that always computes in float32, even if autocast makes other layers use fewer bits.

    It computes a network's logits. In bfloat16 they would have 8 bits, and many clips would get the same score.
    """

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type  # costs are counted on `meta`, which has no autocast
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return super().forward(x)
        with torch.autocast(device, enabled=False):
            return super().forward(x.float())


class _NormalizeAndPool(torch.autograd.Function):
    """Normalize by the mean and variance of the batch, pool, and return the mean and variance as well."""

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
        # This function uses only the shape and layout of its input, so x stands in for the normalized values.
        pool = torch.ops.aten.max_pool2d_with_indices_backward
        gradients = _rows(pool(gradient, x, ctx.window, ctx.window, (0, 0), (1, 1), False, indices))
        centre = mean.repeat(width)
        blocks = zip(gradients.split(_block(rows)), rows.split(_block(rows)), strict=True)
        inverse = (variance + ctx.epsilon).rsqrt()
        products = [_sum((part - centre).mul_(block), n) for block, part in blocks]
        of_weight = torch.stack(products).sum(0) * inverse
        of_bias = _sum(gradient, n)
        # The gradient of x is scale * (gradient - of_bias / count - normalized * of_weight / count), in place.
        slope = -scale * inverse * of_weight / count
        offset = -scale * of_bias / count - mean * slope
        gradients.mul_(scale.repeat(width)).addcmul_(rows, slope.repeat(width)).add_(offset.repeat(width))
        return _as_image(gradients, x), of_weight, of_bias, None, None


def _rows(x: Tensor) -> Tensor:
    """View an image with the channels last as rows of (width * channels), long enough for fast arithmetic."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0] * x.shape[2], -1)


def _as_image(rows: Tensor, like: Tensor) -> Tensor:
    n_images, n, height, width = like.shape
    return rows.view(n_images, height, width, n).permute(0, 3, 1, 2)


def _sum(x: Tensor, n: int) -> Tensor:
    """Sum the values of each of n channels, which are the last axis of rows or the second of an image."""
    rows = x if x.ndim == 2 else _rows(x)
    return rows.sum(0).view(-1, n).sum(0)


def _block(rows: Tensor) -> int:
    return max(1, _BLOCK_SIZE // rows.shape[1])
