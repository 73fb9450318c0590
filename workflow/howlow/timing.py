"""Measured times of a representation on this machine, which vary from run to run."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from howlow import mel, needs
from howlow.representation import Representation, n_samples

_MIN_REPEATS = 5
_MAX_REPEATS = 200
_BUDGET_S = 0.5


def median_ms(function: Callable[[], object]) -> float:
    """Median time of a call in ms, after a warm-up, over as many calls as fit half a second, but at least 5."""
    function()
    times: list[float] = []
    while len(times) < _MIN_REPEATS or (sum(times) < _BUDGET_S and len(times) < _MAX_REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def extraction_ms(cell: Representation, seconds: float, window: str) -> float:
    """Time in ms from the samples of a clip to its spectrogram, of which only the frames at the hop are computed."""
    signal = np.random.default_rng(0).standard_normal(n_samples(cell.sample_rate, seconds)).astype(np.float32)

    def extract() -> np.ndarray:
        power = mel.mel_power(signal, cell.sample_rate, cell.n_mels, window, cell.hop_factor)
        return mel.compress(power, cell.log_type)

    return median_ms(extract)


def inference_ms(model: nn.Module, cell: Representation, seconds: float, batch: int, device: torch.device) -> float:
    """Time in ms that the network takes for a clip in batches of a size, computed in parts of `needs.SCORE_BATCH`."""
    model.eval()
    part_size = needs.SCORE_BATCH[device.type]
    spectrograms = torch.randn(batch, 1, cell.n_mels, cell.n_frames(seconds), device=device)

    def infer() -> None:
        with torch.inference_mode():
            for part in spectrograms.split(part_size):
                model(part)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return median_ms(infer) / batch
