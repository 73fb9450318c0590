"""Measure how far howlow's mel-spectrograms are from Essentia's and LibROSA's; write the table of docs/front-end.md.

    python benchmarks/exactness.py [AUDIO_FILE]

AUDIO_FILE is a file of music. Without it, a clip of the demo takes its place. LibROSA is among the development
requirements.
"""

import argparse
import tempfile
from pathlib import Path

import essentia.standard as es
import librosa
import numpy as np

from howlow.data import demo
from howlow.features import audio, mel

ROOT = Path(__file__).resolve().parents[1]

PAGE = ROOT / "docs" / "front-end.md"
BEGIN, END = "<!-- benchmarks/exactness.py: begin -->", "<!-- benchmarks/exactness.py: end -->"
PAIRS = [(rate, n_mels) for rate in (12_000, 16_000) for n_mels in (128, 96, 48, 32, 24, 16, 8)]


def noise(rate: int) -> np.ndarray:
    """White noise of 29.1 s."""
    return 0.1 * np.random.default_rng(0).standard_normal(audio.n_samples(rate)).astype(np.float32)


def signals(rate: int, music: Path | None) -> dict[str, np.ndarray]:
    """Signals of 29.1 s: noise, tones, an impulse, silence and, if there is a file, music."""
    n = audio.n_samples(rate)
    t = np.arange(n) / rate
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (110, 1_000, 4_321)) / 10
    made = {"noise": noise(rate), "tones": tones, "impulse": np.eye(1, n, n // 2)[0], "silence": np.zeros(n)}
    if music:
        made["music"] = audio.load_clip(music, rate)
    return {kind: signal.astype(np.float32) for kind, signal in made.items()}


def essentia_mel(signal: np.ndarray, rate: int, n_mels: int, symmetric: bool = False) -> np.ndarray:
    """A mel-spectrogram by Essentia's chain of algorithms, frame by frame."""
    window = es.Windowing(type="hann", size=512, symmetric=symmetric, zeroPhase=False, normalized=False)
    spectrum = es.Spectrum(size=512)
    bands = es.MelBands(
        inputSize=257,
        sampleRate=rate,
        numberBands=n_mels,
        lowFrequencyBound=0,
        highFrequencyBound=rate / 2,
        type="power",
        weighting="linear",
        warpingFormula="slaneyMel",
        normalize="unit_tri",
    )
    frames = es.FrameGenerator(signal, frameSize=512, hopSize=256, startFromZero=False)
    return np.array([bands(spectrum(window(frame))) for frame in frames]).T


def librosa_mel(signal: np.ndarray, rate: int, n_mels: int) -> np.ndarray:
    """A mel-spectrogram by LibROSA, with zeros around the signal as in Essentia."""
    return librosa.feature.melspectrogram(
        y=signal, sr=rate, n_fft=512, hop_length=256, n_mels=n_mels, pad_mode="constant"
    )


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Relative difference (Frobenius norm) over the frames that both have; the absolute one if theirs is zero."""
    norm = np.linalg.norm(theirs)
    gap = np.linalg.norm(ours[:, : theirs.shape[1]] - theirs)
    return float(gap / norm) if norm else float(gap)


def table(music: Path) -> str:
    """One row per pair: the largest differences over all signals, and the difference of the two windows on music."""
    lines = [
        "| sample rate | bands | Essentia | Essentia, symmetric | LibROSA | LibROSA, music | windows, music |",
        "|---|---|---|---|---|---|---|",
    ]
    for rate, n_mels in PAIRS:
        essentia, symmetric, rosa = [], [], []
        for signal in signals(rate, music).values():
            ours = mel.mel_power(signal, rate, n_mels)
            essentia.append(difference(ours, essentia_mel(signal, rate, n_mels)))
            other = mel.mel_power(signal, rate, n_mels, window="symmetric")
            symmetric.append(difference(other, essentia_mel(signal, rate, n_mels, symmetric=True)))
            rosa.append(difference(ours, librosa_mel(signal, rate, n_mels)))
        windows = difference(other, ours)  # of the last signal, music
        figures = [max(essentia), max(symmetric), max(rosa), rosa[-1], windows]
        lines.append(f"| {rate} | {n_mels} | " + " | ".join(f"{value:.1e}" for value in figures) + " |")
    return "\n".join(lines)


def main(music: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if music is None:
            demo.generate(Path(folder), n_clips=16, probes=["air"])
            music = sorted(Path(folder).glob("mp3/*/*.mp3"))[0]
        text = table(music)
    print(text)
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file", nargs="?", type=Path, help="a file of music")
    main(options.parse_args().file)
