"""The networks compute what the paper says: they are compared with `plain_networks`, which shares no code with them."""

import numpy as np
import plain_networks
import pytest
import torch
from scipy import stats

from howlow import networks
from howlow.features.representation import Cell
from howlow.training import devices

N_TAGS = 3
# VGG-CNN at two representations, with their windows from Table III as (bands, frames).
VGG = {
    "12k_mel16_x10": ((12_000, 16, 10), [(2, 4), (2, 5), (2, 4), (2, 1)]),
    "16k_mel24_x3": ((16_000, 24, 3), [(2, 4), (2, 5), (3, 9), (2, 3)]),
}
N_FRAMES = {"12k_mel16_x10": 137, "16k_mel24_x3": 607}
SEGMENT_FRAMES, N_MELS = 13, 11
MODES = pytest.mark.parametrize("is_training", [True, False], ids=["training", "evaluation"])
ORIENTATIONS = pytest.mark.parametrize("orientation", ["intended", "published"])


def vgg(representation, **options):
    rate, n_mels, hop = representation
    return networks.build("vgg", sample_rate=rate, n_mels=n_mels, hop_factor=hop, n_tags=N_TAGS, **options)


def musicnn(**options):
    representation = {"sample_rate": 16_000, "n_mels": N_MELS, "hop_factor": 1}
    options = {"segment_frames": SEGMENT_FRAMES, "filters": 2, "width": 1 / 64} | options
    return networks.build("musicnn", n_tags=N_TAGS, **(representation | options))


@pytest.fixture(autouse=True)
def _restore_onednn():
    """`devices.lay_out` changes a setting of the whole process."""
    yield
    torch.backends.mkldnn.set_flags(True)


def with_random_values(model):
    """Give each weight and running statistic values of its own, so that none can be taken for another."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.ndim == 1:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return model


def clips(n_clips, *shape):
    """Clips with a mean and a deviation far from 0 and 1."""
    return torch.randn(n_clips, 1, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 - 2


def compare(kind, model, logits, net, expected, tolerance):
    """Compare logits, the gradients of a weighted sum of them, and the running statistics afterwards."""
    weights = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).view(expected.shape)
    torch.testing.assert_close(logits.double(), expected, rtol=tolerance, atol=tolerance)
    (logits * weights.to(logits.dtype)).sum().backward()
    (expected * weights).sum().backward()
    largest = max(float(tensor.grad.abs().max()) for pair in net.weights.values() for tensor in pair)
    state = model.state_dict()
    for name, theirs in plain_networks.LAYERS[kind].items():
        for key, tensor in zip(("weight", "bias"), net.weights[name], strict=True):
            found = model.get_parameter(f"{theirs}.{key}").grad.double()
            assert (found - tensor.grad).abs().max() <= tolerance * largest, (name, key)
        for key, tensor in zip(("running_mean", "running_var"), net.statistics.get(name, ()), strict=False):
            found = state[f"{theirs}.{key}"].double()
            torch.testing.assert_close(found, tensor, rtol=tolerance, atol=tolerance, msg=f"{name} {key}")


@MODES
@pytest.mark.parametrize("momentum", [0.01, 0.3])
@pytest.mark.parametrize("name", VGG)
def test_vgg_is_the_papers(name, momentum, is_training):
    representation, windows = VGG[name]
    torch.manual_seed(0)
    model = with_random_values(vgg(representation, width=1 / 64, batch_norm_momentum=momentum)).double()
    net = plain_networks.Network(plain_networks.VGG_LAYERS, model.state_dict(), is_training, momentum)
    x = clips(3, representation[1], N_FRAMES[name])
    compare("vgg", model, model.train(is_training)(x), net, plain_networks.vgg(x, net, windows), 1e-9)


@MODES
@pytest.mark.parametrize("width", [1 / 64, 1 / 16], ids=["narrow", "wide"])
def test_vgg_is_the_papers_as_it_is_trained_on_a_cpu(width, is_training):
    """In float32, in the memory layout of the CPU, where a wide network has a batch normalization of its own."""
    representation, windows = VGG["12k_mel16_x10"]
    torch.manual_seed(0)
    model = with_random_values(vgg(representation, width=width))
    devices.lay_out(model, torch.device("cpu"))
    net = plain_networks.Network(plain_networks.VGG_LAYERS, model.state_dict(), is_training, 0.01)
    x = clips(4, 16, 137).float()
    logits = model.train(is_training)(x)
    compare("vgg", model, logits, net, plain_networks.vgg(x.double(), net, windows), 1e-4)


@MODES
@ORIENTATIONS
def test_musicnn_is_the_papers(orientation, is_training):
    """A clip is as long as a segment here. What dropout lets through is noted where the dense layers receive it."""
    torch.manual_seed(0)
    model = with_random_values(musicnn(orientation=orientation, batch_norm_momentum=0.2)).double()
    net = plain_networks.Network(plain_networks.MUSICNN_LAYERS, model.state_dict(), is_training, 0.2)
    masks = []
    for name in ("dense", "output"):
        layer = model.get_submodule(plain_networks.MUSICNN_LAYERS[name])
        layer.register_forward_hook(lambda _, inputs, __: masks.append(2.0 * (inputs[0] != 0)))
    x = clips(3, N_MELS, SEGMENT_FRAMES)
    logits = model.train(is_training)(x)
    if is_training:
        assert all(0 < (mask == 0).sum() < mask.numel() for mask in masks)
    else:
        masks = [1.0, 1.0]
    compare("musicnn", model, logits, net, plain_networks.musicnn(x, net, orientation == "published", masks), 1e-9)


@ORIENTATIONS
@pytest.mark.parametrize(("n_frames", "starts"), [(13, [0]), (26, [0, 13]), (28, [0, 8, 15]), (40, [0, 9, 18, 27])])
def test_musicnn_averages_the_activations_of_segments_that_cover_the_clip(orientation, n_frames, starts):
    torch.manual_seed(0)
    model = with_random_values(musicnn(orientation=orientation)).double().eval()
    with torch.no_grad():
        model.classifier[-1].weight.mul_(0.02)  # activations between 0 and 1, which differ between the segments
    net = plain_networks.Network(plain_networks.MUSICNN_LAYERS, model.state_dict(), False, 0.01)
    x = clips(2, N_MELS, n_frames)
    segments = [x[..., start : start + SEGMENT_FRAMES] for start in starts]
    logits = [plain_networks.musicnn(segment, net, orientation == "published", (1.0, 1.0)) for segment in segments]
    activation = sum(1 / (1 + torch.exp(-logit)) for logit in logits) / len(logits)
    torch.testing.assert_close(model(x), torch.log(activation / (1 - activation)), rtol=1e-9, atol=1e-9)
    assert len(starts) == 1 or (model(x) - sum(logits) / len(logits)).abs().max() > 1e-5, "the mean of logits would do"


def test_musicnn_trains_on_a_segment_of_each_clip_from_anywhere():
    model = musicnn()
    last_start = 5
    numbered = torch.arange(float(SEGMENT_FRAMES + last_start)).expand(300, 1, N_MELS, -1)
    seen = []
    model.segment_logits = lambda segments: seen.append(segments)
    torch.manual_seed(0)
    for _ in range(2):
        model(numbered)
    for segments in seen:
        starts = segments[:, 0, 0, 0]
        torch.testing.assert_close(segments, starts.view(-1, 1, 1, 1) + numbered[..., :SEGMENT_FRAMES])
        shares = torch.bincount(starts.long()) / 300
        assert shares.shape == (last_start + 1,)
        assert shares.min() > 0.1
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize("which", [0, 1])
def test_dropout_takes_half_of_the_inputs_of_the_dense_layers_and_doubles_the_rest(which):
    torch.manual_seed(0)
    model = with_random_values(musicnn(width=1 / 2))
    layer = model.get_submodule(plain_networks.MUSICNN_LAYERS[("dense", "output")[which]])
    dropouts = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert len(dropouts) == 2
    inputs = []
    layer.register_forward_hook(lambda _, values, __: inputs.append(values[0].detach()))
    dropouts[1 - which].p = 0.0  # it must not change the inputs of the layer that is looked at
    x = clips(8, N_MELS, SEGMENT_FRAMES).float()
    model(x)
    dropouts[which].p = 0.0
    model(x)
    dropped, whole = inputs
    share, deviation = (dropped == 0).float().mean(), 0.5 / dropped.numel() ** 0.5
    assert abs(share - 0.5) < 4 * deviation
    torch.testing.assert_close(dropped[dropped != 0], 2 * whole[dropped != 0])


# The shapes of all filters at full width, for 96 bands and 50 tags, from section IV and Table I.
FULL_VGG = [(128, 1, 3, 3), (384, 128, 3, 3), (768, 384, 3, 3), (2048, 768, 3, 3), (50, 2048)]
TIMBRE = [(n, 1, height, width) for height in (86, 38) for n, width in ((64, 7), (128, 3), (256, 1))]
FULL_MUSICNN = [
    *TIMBRE,
    *((32, 1, length) for length in (165, 128, 64, 32)),
    *[(512, 1024, 7), (512, 512, 7), (512, 512, 7), (500, 1024), (50, 500)],
]


@pytest.mark.parametrize(("name", "shapes"), [("vgg", FULL_VGG), ("musicnn", FULL_MUSICNN)])
def test_filters_of_the_paper(name, shapes):
    with torch.device("meta"):
        model = networks.build(name, sample_rate=16_000, n_mels=96, hop_factor=1, n_tags=50)
    assert [tuple(weight.shape) for weight in model.parameters() if weight.ndim > 1] == shapes


def test_width_is_that_of_all_filters_but_musicnns_first():
    with torch.device("meta"):
        built = {
            key: networks.build(key[0], sample_rate=16_000, n_mels=96, hop_factor=1, n_tags=50, **{key[1]: value})
            for key, value in {("vgg", "width"): 1 / 4, ("musicnn", "width"): 1 / 4, ("musicnn", "filters"): 16}.items()
        }
    found = {key: [len(weight) for weight in model.parameters() if weight.ndim > 1] for key, model in built.items()}
    timbre_and_temporal = [64, 128, 256] * 2 + [32] * 4
    assert found == {
        ("vgg", "width"): [32, 96, 192, 512, 50],
        ("musicnn", "width"): [*timbre_and_temporal, 128, 128, 128, 125, 50],
        ("musicnn", "filters"): [*(n // 2 for n in timbre_and_temporal), 512, 512, 512, 500, 50],
    }


def test_numbers_of_filters_are_rounded():
    """By hand: 12.8, 38.4, 76.8 and 204.8 filters, and 51.2 and 50 of MUSICNN's wide layers."""
    with torch.device("meta"):
        models_of = [
            networks.build(name, sample_rate=16_000, n_mels=96, hop_factor=1, n_tags=50, width=0.1)
            for name in ("vgg", "musicnn")
        ]
    found = [[len(weight) for weight in model.parameters() if weight.ndim > 1] for model in models_of]
    assert found[0] == [13, 38, 77, 205, 50]
    assert found[1][-5:] == [51, 51, 51, 50, 50]


def is_drawn_from(weight, distribution):
    """Whether the values have the variance, the limits and the shape of a distribution."""
    values = weight.detach().double().flatten().numpy()
    if len(values) < 100:
        return True
    limit = distribution.support()[1]
    kurtosis = float(distribution.stats("k"))
    deviation_of_variance = ((2 + kurtosis) / len(values)) ** 0.5
    return (
        abs(values.var() / distribution.var() - 1) < 5 * deviation_of_variance
        and abs(values.mean()) < 5 * distribution.std() / len(values) ** 0.5
        and np.abs(values).max() <= limit * (1 + 1e-4)
        and stats.kstest(values, distribution.cdf).pvalue > 1e-4
    )


def glorot_uniform(shape):
    receptive = int(np.prod(shape[2:]))
    bound = (6 / (receptive * (shape[0] + shape[1]))) ** 0.5
    return stats.uniform(-bound, 2 * bound)


def variance_scaling(shape):
    """Variance 2 / fan-in, by a normal distribution that is cut off at two standard deviations."""
    unscaled = stats.truncnorm(-2, 2)
    return stats.truncnorm(-2, 2, scale=(2 / np.prod(shape[1:])) ** 0.5 / unscaled.std())


@pytest.mark.parametrize(("name", "distribution"), [("vgg", glorot_uniform), ("musicnn", variance_scaling)])
def test_initialization(name, distribution):
    torch.manual_seed(0)
    model = networks.build(name, sample_rate=16_000, n_mels=48, hop_factor=1, n_tags=50, width=1 / 4)
    weights = {key: weight for key, weight in model.named_parameters() if weight.ndim > 1}
    assert sum(weight.numel() > 1000 for weight in weights.values()) >= 4
    for key, weight in weights.items():
        assert is_drawn_from(weight, distribution(weight.shape)), key
        assert not is_drawn_from(1.5 * weight, distribution(weight.shape)) or weight.numel() < 100, key
    for key, tensor in model.state_dict().items():
        if key not in weights and not key.endswith("num_batches_tracked"):
            is_one = key.endswith(("weight", "running_var"))  # the scales of batch normalization, and its variances
            assert (tensor == float(is_one)).all(), key


def test_weights_follow_the_seed():
    first, again, other = (vgg((12_000, 8, 10), width=1 / 64) for _ in map(torch.manual_seed, (1, 1, 2)))
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


# Logits of two clips, for four tags, of networks that were not trained. They were computed with PyTorch 2.13 on an
# Intel Xeon. They agree within 1e-5 with one or two threads, and with its AVX-512 or AVX2 instructions switched off.
LOGITS = {
    "vgg": [[0.0291, 0.1384, -0.0652, 0.2511], [0.0974, 0.0807, -0.0286, 0.1983]],
    "intended": [[0.2094, -8.9879, 0.2369, 4.1069], [0.4144, -8.1879, 0.2821, 3.9895]],
    "published": [[0.5876, -7.0292, -0.2293, 5.2760], [0.8076, -6.2996, 0.2335, 4.9644]],
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", LOGITS)
def test_logits_of_a_seed_stay_the_same(name, dtype):
    options = {"orientation": name, "filters": 4} if name != "vgg" else {}
    options |= {"segment_frames": 64} if name == "published" else {}
    torch.manual_seed(1)
    model = networks.build(
        "musicnn" if options else "vgg", sample_rate=12_000, n_mels=48, hop_factor=10, n_tags=4, width=1 / 16, **options
    )
    places = torch.arange(2 * 48 * 137, dtype=torch.float64).view(2, 1, 48, 137)
    with torch.inference_mode():
        logits = model.to(dtype).eval()(torch.sin(places**2 / 7919).to(dtype))
    torch.testing.assert_close(logits.double(), torch.tensor(LOGITS[name], dtype=torch.float64), rtol=0, atol=1e-4)


def test_seconds_decide_the_pooling():
    """At 22,050 Hz, 10 s have 863 frames, and x2 keeps 432 of them. The last layer pools 432 // 4 // 5 // 9 = 2."""
    with torch.device("meta"):
        model = networks.build("vgg", sample_rate=22_050, n_mels=64, hop_factor=2, n_tags=50, seconds=10)
        assert model(torch.empty(2, 1, 64, 432)).shape == (2, 50)


@pytest.mark.parametrize(("orientation", "n_parameters"), [("published", 8_031_578), ("intended", 8_031_578 + 2_044)])
def test_musicnn_has_the_published_number_of_parameters(orientation, n_parameters):
    with torch.device("meta"):
        model = networks.build(
            "musicnn",
            sample_rate=16_000,
            n_mels=96,
            hop_factor=1,
            n_tags=50,
            orientation=orientation,
            segment_frames=128,
        )
    assert sum(weight.numel() for weight in model.parameters()) == n_parameters


@pytest.mark.parametrize(("rate", "hop", "n_frames"), [(12_000, 1, 141), (16_000, 1, 188), (16_000, 10, 19)])
def test_musicnn_segments_last_three_seconds(rate, hop, n_frames):
    assert musicnn(sample_rate=rate, hop_factor=hop, segment_frames=None).segment_frames == n_frames


@pytest.mark.parametrize("logit", [60.0, -150.0])
def test_musicnn_logits_stay_finite_where_activations_saturate(logit):
    model = musicnn().eval()
    model.segment_logits = lambda x: torch.full((len(x), N_TAGS), logit)
    torch.testing.assert_close(model(torch.zeros(2, 1, N_MELS, 40)), torch.full((2, N_TAGS), logit))


def test_a_cell_has_its_representation_and_the_options_of_the_configuration():
    cell = Cell(16_000, 24, 3, "log", seconds=10, width=1 / 32)
    with torch.device("meta"):
        model = networks.build_cell("vgg", cell, n_tags=7, options={"batch_norm_momentum": 0.5})
        assert model(torch.empty(2, 1, 24, 209)).shape == (2, 7)  # 626 frames at x1
        segment = networks.build_cell("musicnn", cell, n_tags=7, options={"segment_frames": 20})
    assert [layer.out_channels for layer in model.features if isinstance(layer, torch.nn.Conv2d)] == [4, 12, 24, 64]
    assert {layer.momentum for layer in model.modules() if hasattr(layer, "momentum")} == {0.5}
    assert segment.segment_frames == 20


def test_unknown_network():
    with pytest.raises(ValueError, match="no network named 'resnet'"):
        networks.build("resnet", sample_rate=12_000, n_mels=96, hop_factor=1, n_tags=50)
