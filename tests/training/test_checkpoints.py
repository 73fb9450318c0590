"""The weights at the end are those of the kept epoch, and a training that was interrupted ends with the same bits."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from small_loop import LABELS, N_TAGS, OPTIONS, VALIDATION, assert_same, build, copy_of, exact, train, values

from howlow.networks import archive
from howlow.training import checkpoints, devices
from howlow.training.protocol import Protocol

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def snapshots(monkeypatch):
    """The weights of the network after each epoch, noted when the checkpoint is written."""
    noted = []
    write = checkpoints.write

    def note(path, identity, model, *rest):
        noted.append(copy_of(model.state_dict()))
        write(path, identity, model, *rest)

    monkeypatch.setattr(checkpoints, "write", note)
    return noted


def val_roc_aucs(snapshots):
    """The mean ROC AUC over the tags on the validation clips, by the weights of each epoch."""
    found = []
    for weights in snapshots:
        model = exact(build())
        model.load_state_dict(weights)
        with torch.inference_mode():
            logits = model.eval()(values()[VALIDATION]).numpy()
        found.append(np.mean([roc_auc_score(LABELS[VALIDATION, tag], logits[:, tag]) for tag in range(N_TAGS)]))
    return found


class InterruptionError(Exception):
    pass


def interrupt_after(monkeypatch, n_epochs):
    """End the training after an epoch, when its checkpoint is written."""
    write = checkpoints.write

    def stop(path, identity, model, optimizer, history, kept):
        write(path, identity, model, optimizer, history, kept)
        if len(history) == n_epochs:
            raise InterruptionError

    monkeypatch.setattr(checkpoints, "write", stop)


@pytest.mark.parametrize("interrupted_after", [None, 2, 5])
@pytest.mark.parametrize("keep", ["last", "best_val_roc_auc"])
def test_the_weights_at_the_end_are_those_of_the_kept_epoch(tmp_path, snapshots, monkeypatch, keep, interrupted_after):
    """They are neither those of the last nor of the worst epoch where the best one is kept, resumed or not."""
    protocol = Protocol(7, 8, 0.03, keep=keep)
    if interrupted_after:
        with monkeypatch.context() as patch, pytest.raises(InterruptionError):
            interrupt_after(patch, interrupted_after)
            train(exact(build()), tmp_path, protocol, seed=2)
    model = exact(build())
    history, kept_epoch = train(model, tmp_path, protocol, seed=2)
    roc_aucs, losses = val_roc_aucs(snapshots), [epoch.val_loss for epoch in history]
    assert len(history) == len(roc_aucs) == 7
    best, least_loss = roc_aucs.index(max(roc_aucs)) + 1, losses.index(min(losses)) + 1
    assert 2 < best < least_loss < 7, "these data do not tell one rule from another"
    assert kept_epoch == (7 if keep == "last" else best)
    assert_same(model.state_dict(), snapshots[kept_epoch - 1])
    recorded = [epoch.val_roc_auc for epoch in history]
    if keep == "last":
        assert recorded == [None] * 7
    else:
        np.testing.assert_allclose(recorded, roc_aucs, atol=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, monkeypatch, name, capsys):
    """The order of the clips, segments, dropout, Adam's state and the learning rate go on where they were."""
    protocol = Protocol(5, 8, 0.003, decay_epochs=2)
    whole, resumed = build(name), build(name)
    expected, _ = train(whole, tmp_path / "whole", protocol)
    with monkeypatch.context() as patch, pytest.raises(InterruptionError):
        interrupt_after(patch, 3)
        train(resumed, tmp_path / "a", protocol)
    torch.manual_seed(99)  # another program would be in another state
    resumed = build(name, seed=5)
    capsys.readouterr()
    history, _ = train(resumed, tmp_path / "a", protocol)
    printed = capsys.readouterr().out
    assert "going on after epoch 3\n" in printed
    assert "the device has changed" not in printed
    assert_same(resumed.state_dict(), whole.state_dict())
    figures = [[dataclasses.replace(epoch, seconds=0) for epoch in epochs] for epochs in (history, expected)]
    assert figures[0] == figures[1]


def test_another_device_is_told(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(InterruptionError):
        patch.setattr(devices, "device_name", lambda device: "NVIDIA A100")
        interrupt_after(patch, 1)
        train(build(), tmp_path, Protocol(2, 8, 0.003))
    history, _ = train(build(), tmp_path, Protocol(2, 8, 0.003))
    assert "the device has changed from NVIDIA A100 to cpu\n" in capsys.readouterr().out
    assert [epoch.device for epoch in history] == ["NVIDIA A100", "cpu"]


def test_a_finished_training_is_not_trained_further(tmp_path, snapshots):
    model = build()
    history, kept_epoch = train(model, tmp_path, Protocol(2, 8, 0.003))
    again = build(seed=2)
    assert train(again, tmp_path, Protocol(2, 8, 0.003)) == (history, kept_epoch)
    assert_same(again.state_dict(), model.state_dict())
    assert len(snapshots) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "belongs to another training"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "not an archive of PyTorch"),
        (lambda path: archive.write(path, [1, 2]), "belongs to another training"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder, which is now checkpoint.pt."),
        (lambda path: path.unlink(), None),
    ],
)
def test_a_checkpoint_of_no_use_is_not_resumed(tmp_path, snapshots, capsys, spoil, message):
    expected = build()
    train(expected, tmp_path / "new", Protocol(2, 8, 0.003), identity="b")
    train(build(), tmp_path, Protocol(2, 8, 0.003), identity="a")
    spoil(tmp_path / "checkpoint.pt")
    capsys.readouterr()
    model = build()
    train(model, tmp_path, Protocol(2, 8, 0.003), identity="b")
    printed = capsys.readouterr().out
    assert "going on" not in printed
    assert message is None or message in printed
    assert_same(model.state_dict(), expected.state_dict())
    assert len(snapshots) == 6
