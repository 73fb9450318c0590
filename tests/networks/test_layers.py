"""Layers of the networks compute what PyTorch's own layers do in float64."""

import pytest
import torch

from howlow.networks import layers


@pytest.mark.parametrize(
    ("shape", "window"),
    [((4, 8, 96, 342), (2, 4)), ((2, 24, 24, 68), (4, 5)), ((3, 9, 7, 11), (2, 3)), ((2, 8, 6, 8), (6, 8))],
)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("block_size", [1 << 18, 1])
def test_normalize_and_pool_is_exact_in_any_layout(memory_format, shape, window, block_size, monkeypatch):
    """Compare the output, all gradients and the running statistics with those of PyTorch's two layers in float64.

    With the channels last, PyTorch's own normalization is off by up to 1e-4. Values are worked on in blocks of whole
    rows, in which a row may be larger than a block.
    """
    monkeypatch.setattr(layers, "_BLOCK_SIZE", block_size)
    torch.manual_seed(0)
    x = torch.randn(shape) * 3 + 2
    scale, shift = torch.linspace(-1, 2, shape[1]), torch.linspace(-1, 1, shape[1])

    def results(norm, pool, x):
        norm.to(x.dtype).load_state_dict(norm.state_dict() | {"weight": scale, "bias": shift})
        x.requires_grad_()
        y = pool(norm(x))
        (y * (1 + torch.arange(y.numel(), dtype=y.dtype).sin().view(y.shape))).sum().backward()
        return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]

    layer = layers.NormalizeAndPool(shape[1], window, 1e-3, 0.3)
    found = results(layer, torch.nn.Identity(), x.clone(memory_format=memory_format))
    reference = results(torch.nn.BatchNorm2d(shape[1], 1e-3, 0.3), torch.nn.MaxPool2d(window), x.double())
    for ours, theirs in zip(found, reference, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert layer.num_batches_tracked == 1


def test_a_single_value_of_a_channel_has_no_variance():
    """It is refused in any layout, as PyTorch's own layer refuses it."""
    layer = layers.NormalizeAndPool(8, (1, 1), 1e-3, 0.3)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        layer(torch.zeros(1, 8, 1, 1).to(memory_format=torch.channels_last))


def test_evaluation_uses_the_running_statistics_and_keeps_them():
    layer = layers.NormalizeAndPool(2, (1, 2), 1e-3, 0.3).eval()
    layer.running_mean.copy_(torch.tensor([1.0, -2.0]))
    layer.running_var.copy_(torch.tensor([4.0, 0.25]))
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = torch.tensor([[[[3.0, 1.0]], [[-2.0, 0.0]]]]).contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([[[[2 / 4.001**0.5]], [[2 / 0.251**0.5]]]])
    torch.testing.assert_close(layer(x), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


@pytest.mark.parametrize("scales", [[1.5, 0.0], [1.5, -0.5]])
def test_evaluation_takes_the_maximum_of_normalized_values(scales):
    """With a negative scale, the largest value after the normalization is the smallest one before it."""
    layer = layers.NormalizeAndPool(2, (2, 3), 1e-3, 0.3).eval()
    layer.load_state_dict(layer.state_dict() | {"weight": torch.tensor(scales), "bias": torch.tensor([0.5, -1.0])})
    x = torch.randn(4, 2, 6, 9, generator=torch.Generator().manual_seed(0))
    normalized = x / 1.001**0.5 * torch.tensor(scales).view(2, 1, 1) + torch.tensor([0.5, -1.0]).view(2, 1, 1)
    expected = normalized.unflatten(2, (3, 2)).unflatten(4, (3, 3)).amax((3, 5))
    torch.testing.assert_close(layer(x), expected)
