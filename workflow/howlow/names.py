"""The names of metrics and representations in tables, figures and sentences."""

CELL = ["sample_rate_hz", "n_mels", "hop_factor", "log_type"]
"""The columns that identify the representation of a row, and together with dataset and model its cell."""

LOG_NAMES = {"log": "log", "db": "dB"}
METRICS = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC"}


def representation(sample_rate: int, n_mels: int, hop_factor: int, log_type: str) -> str:
    """A representation in words, such as `48 bands, x2, 12 kHz, dB`."""
    return f"{n_mels} bands, x{hop_factor}, {sample_rate / 1000:g} kHz, {LOG_NAMES[log_type]}"


def deviation(n_seeds: int, n_folds: int) -> str:
    """What a mean and its standard deviation are of; `n_folds` is 0 without folds."""
    if n_seeds == 1:
        return "one seed"
    without = f", each in one of {n_folds} folds, without what the folds differ by" * bool(n_folds)
    return f"mean and standard deviation of {n_seeds} seeds{without}"
