"""The learning rate of an epoch, the epoch whose weights are kept, and when training ends."""

import pytest

from howlow.training.protocol import Epoch, Protocol


def history(merits, keep):
    """A history of epochs, of which a greater merit is the better. The other figures say the opposite."""
    epochs = []
    for number, merit in enumerate(merits, start=1):
        figures = (
            {"val_loss": -merit, "val_roc_auc": None} if keep == "last" else {"val_loss": merit, "val_roc_auc": merit}
        )
        epochs.append(Epoch(number, train_loss=merit, seconds=1.0, **figures))
    return epochs


@pytest.mark.parametrize(
    ("decay_epochs", "rates"),
    [
        (None, {1: 0.004, 2: 0.004, 720: 0.004}),
        (100, {1: 0.004, 100: 0.004, 101: 0.0004, 200: 0.0004, 201: 0.00004, 701: 0.004e-7}),  # the paper's MUSICNN
        (1, {1: 0.004, 2: 0.0004, 3: 0.00004}),
    ],
)
def test_learning_rate_is_divided_by_ten_each_time_that_the_epochs_have_passed(decay_epochs, rates):
    protocol = Protocol(720, 32, 0.004, decay_epochs=decay_epochs)
    assert {epoch: protocol.rate_of(epoch) for epoch in rates} == pytest.approx(rates, rel=1e-12)


def test_the_papers_vgg_has_a_constant_rate_and_keeps_the_last_epoch():
    protocol = Protocol(13, 64, 0.001)
    assert (protocol.decay_epochs, protocol.keep, protocol.patience) == (None, "last", None)


@pytest.mark.parametrize("keep", ["last", "best_val_roc_auc"])
def test_an_epoch_is_best_if_it_is_better_than_all_before_it(keep):
    """Of equal epochs, the first one is kept. Later epochs do not matter."""
    epochs = history([0.5, 0.4, 0.7, 0.7, 0.6, 0.8], keep)
    found = [Protocol(10, 8, 0.001, keep=keep).is_best(epochs, index) for index in range(6)]
    assert found == [True, False, True, False, False, True]


@pytest.mark.parametrize("keep", ["last", "best_val_roc_auc"])
@pytest.mark.parametrize(
    ("patience", "merits", "is_over"),
    [
        (2, [], False),
        (2, [0.5], False),
        (2, [0.5, 0.6, 0.6], False),
        (2, [0.5, 0.6, 0.6, 0.55], True),
        (2, [0.5, 0.6, 0.6, 0.61], False),
        (2, [0.6, 0.5, 0.55], True),  # better than the one before it is not better than the best
        (1, [0.5, 0.6, 0.7], False),
        (1, [0.5, 0.4], True),
        (None, [0.5, 0.4, 0.3, 0.2], False),
        (None, [0.5] * 9, False),
        (None, [0.5] * 10, True),
        (20, [0.5 + i for i in range(10)], True),
    ],
)
def test_training_ends_after_all_epochs_or_out_of_patience(keep, patience, merits, is_over):
    assert Protocol(10, 8, 0.001, keep=keep, patience=patience).is_over(history(merits, keep)) == is_over
