"""The training protocol: the number of epochs, the learning rate, and the epoch whose weights are kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """A row of the history, for one pass over the training clips.

    `val_roc_auc` is there only if it selects the epoch. `device` is recorded for each epoch, because a training may
    resume on another device.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_roc_auc: float | None
    seconds: float
    device: str = "cpu"


@dataclass(frozen=True)
class Protocol:
    """How a network is trained: with Adam and binary cross-entropy.

    Attributes
    ----------
    epochs : int, passes over the training clips
    batch_size : int
    learning_rate : float
    decay_epochs : int or None, the learning rate is divided by 10 each time this number of epochs has passed
    keep : `last` or `best_val_roc_auc`, the epoch whose weights are kept
    patience : int or None, training stops after this number of epochs in a row without a better ROC AUC on the
        validation clips, or without a lower loss where `keep` is `last`
    """

    epochs: int
    batch_size: int
    learning_rate: float
    decay_epochs: int | None = None
    keep: str = "last"
    patience: int | None = None

    def rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch; epochs count from 1."""
        return self.learning_rate / 10 ** ((epoch - 1) // self.decay_epochs if self.decay_epochs else 0)

    def is_best(self, history: list[Epoch], index: int) -> bool:
        """Whether an epoch of the history was better on the validation clips than all before it."""
        return all(self._merit(history[index]) > self._merit(past) for past in history[:index])

    def is_over(self, history: list[Epoch]) -> bool:
        """Whether training ends after this history."""
        if len(history) >= self.epochs or not self.patience:
            return len(history) >= self.epochs
        best = max((i for i in range(len(history)) if self.is_best(history, i)), default=0)
        return len(history) - 1 - best >= self.patience

    def _merit(self, epoch: Epoch) -> float:
        return -epoch.val_loss if epoch.val_roc_auc is None else epoch.val_roc_auc
