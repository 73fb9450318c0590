"""The networks follow Table III, and have the published numbers of parameters and operations."""

import pytest
import torch
from torch.nn.functional import batch_norm, max_pool2d
from torch.utils.flop_counter import FlopCounterMode

from howlow import audio, cost, layers, mel, models, pooling

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
CELLS = [(*pair, hop, value) for pair, values in GMAC.items() for hop, value in zip(HOPS, values, strict=False)]


def vgg(rate, n_mels, hop, **options):
    return models.build("vgg", sample_rate=rate, n_mels=n_mels, hop_factor=hop, **{"n_tags": 50, **options})


def frames(rate, hop):
    return mel.n_frames(audio.n_samples(rate), hop)


def test_there_are_44_sizes():
    assert len(CELLS) == 44  # times two log types: the paper's 88 configurations


@pytest.mark.parametrize(("rate", "n_mels", "hop", "gmac"), CELLS)
def test_vgg_at_every_size(rate, n_mels, hop, gmac):
    with torch.device("meta"):
        model = vgg(rate, n_mels, hop)
    assert cost.parameters(model) == 17_365_940
    n_frames = frames(rate, hop)
    assert cost.macs(model, n_mels, n_frames) / 1e9 == pytest.approx(gmac, abs=0.005 + 1e-9)
    features = model.features.eval()(torch.empty(2, 1, n_mels, n_frames, device="meta"))
    assert features.shape == (2, 2048, 1, 1)


def test_vgg_is_the_textbook_order_of_its_layers():
    """Pooling before ELU, as in the code, equals ELU before pooling, as in the paper."""
    torch.manual_seed(0)
    model = vgg(12_000, 8, 1, width=1 / 64).eval()
    for layer in model.features:
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.weight)  # negative scales too
    x = torch.randn(2, 1, 8, 1366)
    y = model.features[0](x)
    for conv, norm, elu in zip(*[iter(model.features[1:])] * 3, strict=True):
        normalized = batch_norm(conv(y), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        y = max_pool2d(elu(normalized), norm.window)
    torch.testing.assert_close(model.classifier(y.flatten(1)), model(x))


def test_macs_counts_what_the_closed_form_does():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding="same"), torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 10, 5)
    )
    assert cost.macs(model, 6, 10) == 6 * 10 * 9 * 4 + 240 * 5


@pytest.mark.parametrize("name", ["vgg", "musicnn"])
def test_macs_are_half_of_what_pytorch_counts(name):
    model = models.build(name, sample_rate=12_000, n_mels=48, hop_factor=2, n_tags=50, width=1 / 16).eval()
    n_frames = frames(12_000, 2)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 1, 48, n_frames))
    assert cost.macs(model, 48, n_frames) == counter.get_total_flops() / 2


def test_bytes_per_clip():
    assert cost.bytes_per_clip(96, 1366, "float16") == 96 * 1366 * 2


# The paper's Table III: windows in time by sample rate, for hops x1, x2, x3, x4, x5, x10; in frequency by bands.
TABLE_3_TIME = {
    12_000: ((4, 5, 8, 8), (4, 5, 8, 4), (4, 5, 8, 2), (4, 5, 8, 2), (4, 5, 8, 1), (4, 5, 4, 1)),
    16_000: ((4, 5, 9, 10), (4, 5, 9, 5), (4, 5, 9, 3), (4, 5, 9, 2), (4, 5, 9, 2), (4, 5, 9, 1)),
}
TABLE_3_BANDS = {
    128: (2, 4, 4, 4),
    96: (2, 4, 3, 4),
    48: (2, 4, 3, 2),
    32: (2, 2, 3, 2),
    24: (2, 2, 3, 2),
    16: (2, 2, 2, 2),
    8: (2, 2, 2, 1),
}


@pytest.mark.parametrize(("rate", "n_mels", "hop", "_"), CELLS)
def test_pooling_is_table_3_for_the_papers_sizes(rate, n_mels, hop, _):
    expected = list(zip(TABLE_3_BANDS[n_mels], TABLE_3_TIME[rate][HOPS.index(hop)], strict=True))
    assert pooling.windows(n_mels, frames(rate, hop)) == expected


@pytest.mark.parametrize("n_mels", [1, 3, 5, 12, 20, 40, 64, 80, 100, 200, 256])
@pytest.mark.parametrize("n_frames", [20, 21, 59, 136, 470, 862, 1000, 2507, 10_000])
def test_any_other_size_ends_at_one_by_one(n_mels, n_frames):
    with torch.device("meta"):
        model = models.VGG(pooling.windows(n_mels, n_frames), 50, 1 / 64, 0.01).eval()
        assert model.features(torch.empty(1, 1, n_mels, n_frames)).shape[2:] == (1, 1)


def test_seconds_decide_the_pooling():
    with torch.device("meta"):
        model = vgg(22_050, 64, 2, seconds=10)
        n_frames = mel.n_frames(audio.n_samples(22_050, 10), 2)
        assert model(torch.empty(2, 1, 64, n_frames)).shape == (2, 50)


def test_too_few_frames_to_pool():
    with pytest.raises(pooling.PoolingError, match="19 frames are too few for VGG-CNN, which needs at least 20"):
        pooling.windows(96, 19)


def test_initialization_is_keras():
    torch.manual_seed(0)
    model = vgg(12_000, 96, 1, width=1 / 4)
    conv = model.features[4]  # 32 to 96 filters
    bound = (6 / (9 * (32 + 96))) ** 0.5
    weight = conv.weight.detach()
    assert weight.abs().max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.03)
    assert not conv.bias.any()
    assert (model.features[0].eps, model.features[0].momentum) == (1e-3, 0.01)


def musicnn(**options):
    return models.build("musicnn", **{"sample_rate": 16_000, "n_mels": 96, "hop_factor": 1, "n_tags": 50, **options})


def test_musicnn_has_the_published_parameters():
    published = musicnn(orientation="published", segment_frames=128)
    assert cost.parameters(published) == 8_031_578
    assert cost.parameters(musicnn()) == 8_031_578 + 2_044


@pytest.mark.parametrize(("rate", "expected"), [(12_000, 141), (16_000, 188)])
def test_musicnn_segments_last_three_seconds(rate, expected):
    assert musicnn(sample_rate=rate, filters=2, width=1 / 64).segment_frames == expected


@pytest.mark.parametrize("orientation", ["intended", "published"])
def test_musicnn_averages_the_activations_of_segments(orientation):
    torch.manual_seed(0)
    model = musicnn(filters=2, width=1 / 32, n_tags=3, orientation=orientation).eval()
    x = torch.randn(2, 1, 96, 3 * 188)
    with torch.inference_mode():
        segments = [torch.sigmoid(model.segment_logits(x[..., i * 188 : (i + 1) * 188])) for i in range(3)]
        torch.testing.assert_close(torch.sigmoid(model(x)), torch.stack(segments).mean(0))


@pytest.mark.parametrize("logit", [60.0, -150.0])
def test_musicnn_logits_stay_finite_where_activations_saturate(logit, monkeypatch):
    model = musicnn(filters=2, width=1 / 64, n_tags=3).eval()
    monkeypatch.setattr(model, "segment_logits", lambda x: torch.full((len(x), 3), logit))
    torch.testing.assert_close(model(torch.randn(2, 1, 96, 400)), torch.full((2, 3), logit))


def test_musicnn_covers_the_whole_clip():
    model = musicnn(filters=2, width=1 / 64)
    segments = model._all_segments(torch.arange(1820.0).expand(1, 1, 96, 1820))
    assert segments.shape == (1, 10, 96, 188)
    assert set(segments.unique().tolist()) == set(range(1820))


def test_musicnn_draws_another_segment_each_time():
    torch.manual_seed(0)
    model = musicnn(filters=2, width=1 / 64)
    clips = torch.arange(1820.0).expand(64, 1, 96, 1820)
    starts = model._random_segments(clips)[:, 0, 0, 0]
    assert len(starts.unique()) > 40
    assert starts.max() <= 1820 - 188


def test_musicnn_orientation_is_the_axis_of_its_filters():
    """Timbre filters cover 90 % of the bands as intended; as published they cover 86 frames."""
    assert musicnn(filters=2).timbre[0][0].kernel_size == (86, 7)
    x = torch.randn(1, 1, 96, 188)
    seen = {}
    for orientation in ("intended", "published"):
        model = musicnn(filters=2, width=1 / 64, orientation=orientation).eval()
        model.timbre[0].register_forward_hook(lambda _, args, __, key=orientation: seen.update({key: args[0].shape}))
        model.segment_logits(x)
    assert seen == {"intended": (1, 1, 96, 188), "published": (1, 1, 188, 96)}


def test_unknown_network():
    with pytest.raises(ValueError, match="no network named 'resnet'"):
        models.build("resnet", sample_rate=12_000, n_mels=96, hop_factor=1, n_tags=50)


@pytest.mark.parametrize(
    ("shape", "window"),
    [((4, 8, 96, 683), (2, 4)), ((2, 24, 24, 68), (4, 5)), ((3, 9, 7, 11), (2, 3)), ((2, 8, 6, 8), (6, 8))],
)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_normalize_and_pool_is_exact_in_any_layout(memory_format, shape, window):
    """Compare the output, all gradients and the running statistics with those of PyTorch's two layers in float64.

    With the channels last, PyTorch's own normalization is off by up to 1e-4.
    """
    torch.manual_seed(0)
    x = torch.randn(shape) * 3 + 2
    scale, shift = torch.linspace(-1, 2, shape[1]), torch.linspace(-1, 1, shape[1])

    def results(norm, pool, x):
        norm.to(x.dtype).load_state_dict(norm.state_dict() | {"weight": scale, "bias": shift})
        x.requires_grad_()
        y = pool(norm(x))
        (y * (1 + torch.arange(y.numel(), dtype=y.dtype).sin().view(y.shape))).sum().backward()
        return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]

    layer = layers.NormalizeAndPool(shape[1], window, 1e-3, 0.1)
    found = results(layer, torch.nn.Identity(), x.clone(memory_format=memory_format))
    reference = results(torch.nn.BatchNorm2d(shape[1], 1e-3, 0.1), torch.nn.MaxPool2d(window), x.double())
    for ours, theirs in zip(found, reference, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert layer.num_batches_tracked == 1


def test_a_single_value_of_a_channel_has_no_variance():
    """It is refused in any layout, as PyTorch's own layer refuses it."""
    layer = layers.NormalizeAndPool(8, (1, 1), 1e-3, 0.1)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        layer(torch.zeros(1, 8, 1, 1).to(memory_format=torch.channels_last))
