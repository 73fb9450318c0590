"""Tones, and files of all kinds that hold some."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 16_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """Write a WAV of 32-bit floats, which holds the samples as they are."""
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def level_db(signal: np.ndarray) -> float:
    """The level of a signal against that of a tone with an amplitude of 0.1."""
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)) / 0.005)


def tones(frequencies_hz: Sequence[float], times_s: np.ndarray) -> np.ndarray:
    """The sum of tones of an amplitude of 0.1, each with a phase of its own, at these times."""
    return sum(0.1 * np.cos(2 * np.pi * hz * times_s + number) for number, hz in enumerate(frequencies_hz))


def encode(path: Path, codec: str, levels=(1, 1), seconds: float = 2, silent_s: float = 0, **settings) -> Path:
    """Encode a stereo tone at 44.1 kHz with FFmpeg; `levels` are those of the channels, after `silent_s` of silence."""
    times = np.arange(round(44_100 * seconds)) / 44_100
    signal = np.outer(levels, tones([440], times) * (times >= silent_s)).astype(np.float32)
    with av.open(str(path), "w", **settings) as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        stream.bit_rate = 128_000
        if path.suffix == ".mp4":
            add_picture(container)
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        resampler = av.AudioResampler(stream.format, "stereo", 44_100, frame_size=stream.frame_size or 4096)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def add_picture(container) -> None:
    """Add a film of one picture to a container."""
    stream = container.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
    container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
    container.mux(stream.encode(None))
