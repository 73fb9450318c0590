"""The training loop does what a plain one does, and refuses what it cannot train on."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_loop import (
    N_CLIPS,
    N_FRAMES,
    N_MELS,
    N_TAGS,
    OPTIONS,
    TRAIN,
    VALIDATION,
    assert_same,
    build,
    clips,
    copy_of,
    cross_entropy,
    exact,
    feed,
    train,
    values,
)

from howlow.errors import TrainingError
from howlow.features.store import Store
from howlow.training import checkpoints, loop
from howlow.training.adam import Adam
from howlow.training.loop import Clips
from howlow.training.protocol import Protocol

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def reads(monkeypatch):
    """The clips of each batch of training, in order, as positions and first frames of the segments."""
    read = Store.copy
    noted = []

    def note(store, out, indices, starts):
        if set(indices) <= set(TRAIN):
            noted.append((indices.copy(), starts.copy(), out.shape[2]))
        read(store, out, indices, starts)

    monkeypatch.setattr(Store, "copy", note)
    return noted


def by_epoch(reads, n_epochs):
    """The positions that each epoch read, and the first frames."""
    per_epoch = len(reads) // n_epochs
    epochs = [reads[i : i + per_epoch] for i in range(0, len(reads), per_epoch)]
    return [tuple(np.concatenate([batch[part] for batch in batches]) for part in (0, 1)) for batches in epochs]


def plain_loop(model, batches, rates, x):
    """Train on given batches, an epoch at each of the learning rates; gives the losses of each epoch."""
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)  # Keras's epsilon
    losses = []
    per_epoch = len(batches) // len(rates)
    for number, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        model.train()
        total, n_seen = 0.0, 0
        for positions, starts, n_frames in batches[number * per_epoch : (number + 1) * per_epoch]:
            batch = torch.stack([x[i, :, :, s : s + n_frames] for i, s in zip(positions, starts, strict=True)])
            optimizer.zero_grad()
            loss = cross_entropy(model(batch), positions)
            loss.backward()
            optimizer.step()
            total, n_seen = total + loss.item() * len(positions), n_seen + len(positions)
        model.eval()
        with torch.inference_mode():
            losses.append((total / n_seen, float(cross_entropy(model(x[VALIDATION]), VALIDATION))))
    return losses


@pytest.mark.parametrize(
    ("name", "log_type", "n_train", "batches", "protocol", "rates"),
    [
        # 20 steps each. The last batch is short, or has the one clip that is left over.
        ("vgg", "db", 35, [8, 8, 8, 8, 3], Protocol(4, 8, 0.003, decay_epochs=2), [0.003, 0.003, 0.0003, 0.0003]),
        ("vgg", "log", 33, [8, 8, 8, 9], Protocol(5, 8, 0.002), [0.002] * 5),
        ("musicnn", "db", 35, [8, 8, 8, 8, 3], Protocol(4, 8, 0.001, decay_epochs=3), [0.001] * 3 + [0.0001]),
    ],
)
def test_the_loop_is_a_plain_loop(tmp_path, reads, name, log_type, n_train, batches, protocol, rates):
    """Losses, weights and running statistics after 20 steps are those of a loop that is written out in this file."""
    model, plain = (exact(build(name)) for _ in range(2))
    history, kept_epoch = train(model, tmp_path, protocol, n_train=n_train, log_type=log_type)
    assert [len(positions) for positions, _, _ in reads] == batches * protocol.epochs
    expected = plain_loop(plain, list(reads), rates, values(log_type))
    found = [(epoch.train_loss, epoch.val_loss) for epoch in history]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert [epoch.epoch for epoch in history] == [*range(1, protocol.epochs + 1)]
    assert kept_epoch == protocol.epochs
    for key, tensor in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], tensor, rtol=1e-5, atol=1e-6, msg=key)


def test_each_epoch_draws_another_order_and_other_segments_and_each_seed_others(tmp_path, reads):
    orders, starts = [], []
    for seed in (1, 2, 1):
        reads.clear()
        train(build("musicnn"), tmp_path / f"{seed} {len(orders)}", Protocol(2, 8, 0.001), seed=seed)
        for order, first_frames in by_epoch(reads, 2):
            orders.append(order.tolist())
            starts.append(first_frames.tolist())
    assert all(sorted(order) == sorted(TRAIN) for order in orders)  # each clip once
    for drawn in (orders, starts):
        first, second, other_first, other_second, again_first, again_second = drawn
        assert len(set(map(tuple, (first, second, other_first, other_second)))) == 4
        assert (first, second) == (again_first, again_second)
    # From anywhere in the clips, which have 137 frames, of which a segment has 20.
    assert 0 <= min(map(min, starts)) < 15
    assert 137 - 20 - 15 < max(map(max, starts)) <= 137 - 20
    assert all(len(set(drawn)) > 20 for drawn in starts)


class Drawing(torch.nn.Module):
    """A network that draws a random number in each step of training, as dropout does."""

    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(N_MELS, N_TAGS)
        self.drawn = []

    def forward(self, x):
        if self.training:
            self.drawn.append(torch.rand(()).item())
        return self.dense(x.mean((1, 3)))


def test_each_epoch_and_each_seed_drop_other_values(tmp_path):
    drawn = []
    for number, seed in enumerate((1, 2, 1)):
        torch.manual_seed(number)  # what was drawn before the training does not matter
        model = Drawing()
        train(model, tmp_path / str(number), Protocol(2, 8, 0.001), seed=seed)
        drawn.append(model.drawn)
    assert len(set(drawn[0] + drawn[1])) == 2 * 2 * 5  # five steps an epoch
    assert drawn[0] == drawn[2]


def test_segments_are_drawn_from_whole_clips():
    """Every possible first frame, and no other, is drawn as often as the others."""
    n_frames = N_FRAMES - 3
    segments = loop._draw_segments(SimpleNamespace(segment_frames=n_frames), feed(), 400, np.random.default_rng(1))
    assert segments.n_frames == n_frames
    assert np.bincount(segments.starts).min() > 70
    assert set(segments.starts) == {0, 1, 2, 3}
    assert loop._draw_segments(torch.nn.Linear(1, 1), feed(), 4, np.random.default_rng(1)) is None


@pytest.mark.parametrize("keep", ["last", "best_val_roc_auc"])
def test_training_stops_when_it_is_out_of_patience(tmp_path, keep):
    history, _ = train(exact(build()), tmp_path, Protocol(40, 8, 0.03, keep=keep, patience=3))
    merits = [-epoch.val_loss if keep == "last" else epoch.val_roc_auc for epoch in history]
    n_epochs = next(n for n in range(4, 40) if max(merits[n - 3 : n]) <= max(merits[: n - 3]))
    assert len(history) == n_epochs < 40


def test_adam_is_pytorchs_with_the_epsilon_of_keras():
    """Gradients of the size of epsilon tell its value."""
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizers = Adam(ours), torch.optim.Adam(theirs.parameters(), eps=1e-7)
    for step in range(20):
        x, rate = torch.randn(4, 5) * 3e-8 ** (step % 2), 0.01 / (1 + step // 5)
        optimizers[1].param_groups[0]["lr"] = rate
        for model in (ours, theirs):
            model.zero_grad()
            model(x).sin().sum().backward()
        optimizers[0].step(rate)
        optimizers[1].step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-6, atol=1e-7)


def test_the_state_of_adam_is_on_the_device_of_the_network(tmp_path):
    """New and resumed; `meta` is a device that every machine has."""
    train(build(), tmp_path, Protocol(1, 8, 0.003))
    meta = torch.device("meta")
    optimizer = Adam(build().to(meta))
    for _ in range(2):
        assert {tensor.device for tensors in optimizer.state.values() for tensor in tensors} == {meta}
        checkpoints.resume(tmp_path / "checkpoint.pt", "a", build(), optimizer, meta)


@pytest.mark.parametrize("name", OPTIONS)
def test_scores_are_those_of_each_clip_alone_without_dropout(name):
    """They are in the order that was asked for, and computing them changes nothing of a network in training."""
    model = build(name)
    with torch.no_grad():
        for _ in range(5):
            model.train()(values()[:30])
    before = copy_of(model.state_dict())
    positions = np.random.default_rng(1).permutation(N_CLIPS)[:21]  # scored in parts of 8
    scores = loop.score(model.train(), feed(), positions)
    assert scores.shape == (21, N_TAGS)
    assert scores.dtype == np.float32
    assert_same(model.state_dict(), before)
    with torch.inference_mode():
        alone = torch.cat([model.eval()(values()[[i]]) for i in positions]).double()
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-alone.numpy())), rtol=0, atol=1e-5)
    assert (np.ptp(scores, axis=0) > 0.01).all()


def test_eight_clips_at_once_are_scored_on_a_cpu():
    """That bounds the memory, whatever the batch size of the training."""
    sizes = []
    model = torch.nn.Linear(N_FRAMES, N_TAGS)
    model.register_forward_hook(lambda _, inputs, output: sizes.append(len(inputs[0])) or output[:, 0, 0])
    loop.score(model, feed(), np.arange(21))
    assert sizes == [8, 8, 5]


class Broken(torch.nn.Module):
    """One of its outputs is not finite for the clips at some positions."""

    def __init__(self, bad):
        super().__init__()
        self.bad = values()[bad]

    def forward(self, x):
        is_bad = (x[:, None] == self.bad[None]).flatten(2).all(2).any(1)
        return torch.where(is_bad[:, None], torch.tensor([0.0, torch.nan, 0.0]), 0.0)


def test_scores_that_are_not_finite_are_an_error_which_names_the_first_clip():
    positions = np.array([9, 40, 3, 20, 5])
    assert (loop.score(Broken([]), feed(), positions) == 0.5).all()
    with pytest.raises(TrainingError, match="scores of 2 of 5 clips are not finite, the first is that of clip id 40"):
        loop.score(Broken([20, 40]), feed(), positions)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        # An infinite bias makes all losses infinite. Its gradient is finite, and the other weights become NaN.
        (
            lambda model: model.classifier.bias.data.fill_(torch.inf),
            r"the training loss, the validation loss, \d+ of the network's weights and statistics",
        ),
        # Training does not use the running statistics.
        (
            lambda model: model.features[0].running_var.fill_(torch.nan),
            r"the validation loss, 1 of the network's weights and statistics, .* features\.0\.running_var;",
        ),
    ],
)
def test_an_epoch_that_is_not_finite_is_an_error(tmp_path, spoil, message):
    model = build()
    spoil(model)
    with pytest.raises(TrainingError, match=f"after epoch 1 these are not finite: {message}"):
        train(model, tmp_path, Protocol(1, 8, 0.003))
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("n_train", "n_validation", "batch_size", "message"),
    [
        (0, 5, 8, "there is no training clip"),
        (5, 0, 8, "there is no validation clip"),
        (1, 5, 8, "there are 1 training clips and batch_size is 8"),
        (5, 5, 1, "there are 5 training clips and batch_size is 1"),
    ],
)
def test_clips_that_can_not_be_trained_on(tmp_path, n_train, n_validation, batch_size, message):
    some, others = clips(TRAIN[:n_train]), clips(VALIDATION[:n_validation])
    protocol = Protocol(1, batch_size, 0.003)
    with pytest.raises(TrainingError, match=message):
        loop.train(build(), feed(), some, others, protocol, seed=1, checkpoint=tmp_path / "c", identity="")


def test_an_epoch_can_not_be_selected_without_positive_and_negative_clips(tmp_path):
    labels = np.ones((len(VALIDATION), N_TAGS), bool)
    with pytest.raises(TrainingError, match="no tag has positive and negative validation clips"):
        loop.train(
            build(), feed(), clips(TRAIN), Clips(VALIDATION, labels), Protocol(1, 8, 0.003, keep="best_val_roc_auc"),
            seed=1, checkpoint=tmp_path / "c", identity="",
        )  # fmt: skip
