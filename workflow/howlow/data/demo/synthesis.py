"""The sound of the demo's clips: a piece of music that fits its tags, and the probes over it.

`howlow.data.demo` explains the tags and the probes.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from howlow.data.demo.probes import PROBES, render_bed
from howlow.data.demo.signals import band_noise, rms, sine

INSTRUMENTS = ("guitar", "piano", "strings", "synth", "flute", "organ")

_MUSIC_HZ = 2200
_HIGHEST_PITCH = 93  # 1760 Hz
_LEVELS_DB = {"loud": (-23, -21), "quiet": (-37, -34)}  # RMS, relative to full scale
_OTHER_LEVELS_DB = (-31, -27)


@dataclass(frozen=True)
class Timbre:
    """An instrument: its partials, its envelope, and the way it is played."""

    partials: tuple[tuple[float, float], ...]  # (multiple of the fundamental, amplitude)
    attack_s: float
    decay_s: float  # time constant; infinite for a tone that lasts as long as the note
    beats: float  # from one onset to the next
    held: float  # length of a note, in onsets
    voices: int  # notes at a time
    octave: int = 0
    breath_hz: tuple[int, int] | None = None  # the noise of breath or bow, as long as the part


_TIMBRES = {
    "guitar": Timbre(tuple((k, abs(np.sin(0.6 * k)) / np.sqrt(k)) for k in range(1, 9)), 0.003, 0.25, 0.5, 2.0, 1),
    "piano": Timbre(tuple((k, k**-1.5) for k in range(1, 7)), 0.006, 0.7, 1.0, 1.5, 3),
    "strings": Timbre(
        tuple((k * cents, 1 / k) for k in range(1, 9) for cents in (0.996, 1.004)),
        attack_s=0.35,
        decay_s=np.inf,
        beats=4.0,
        held=1.1,
        voices=3,
        breath_hz=(950, 1350),
    ),
    "synth": Timbre(tuple((k, 1 / k) for k in (1, 3, 5, 7, 9, 11)), 0.004, np.inf, 0.5, 0.5, 1, -1),
    "flute": Timbre(((1, 1.0), (2, 0.1)), 0.08, np.inf, 1.0, 1.0, 1, 1, (1550, 2150)),
    "organ": Timbre(((0.5, 0.8), (1, 1.0), (2, 0.9), (4, 0.8), (8, 0.6)), 0.02, np.inf, 2.0, 1.0, 3),
}
_SCALES = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]])


def render(
    playing: Set[str],
    rng: np.random.Generator,
    seconds: float,
    *,
    probes: Sequence[str],
    sample_rate: int = 16_000,
    n_channels: int = 1,
) -> np.ndarray:
    """Render a clip with the given tags; everything else about it is drawn from `rng`.

    Parameters
    ----------
    playing : set of tags
    seconds : float, the length of the clip
    probes : names of `PROBES`, whose sounds the clip has, with the tag or without it
    sample_rate : int, in Hz, above 14.6 kHz
    n_channels : 1 or 2; with two, the music is louder on the left, and their mean is the mono clip

    Returns
    -------
    np.ndarray [shape=(round(seconds * sample_rate), n_channels), dtype=float32]
    """
    length = round(seconds * sample_rate)
    music = render_music(playing, rng, length, sample_rate)
    over = sum(PROBES[name](name in playing, rng, length, sample_rate) for name in probes)
    over = over + render_bed(rng, length, sample_rate)
    pan = {1: [1.0], 2: [1.2, 0.8]}[n_channels]
    return music[:, None] * np.array(pan, np.float32) + over[:, None]


def render_music(playing: Set[str], rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """Render the music, with the instruments, drums, register and level of the tags."""
    beat_s = 60 / rng.uniform(70, 140)
    key = 57 + rng.integers(0, 7) + 12 * ("high" in playing) - 12 * ("low" in playing)
    scale = rng.choice(_SCALES)
    chords = rng.choice([0, 3, 4, 5], size=int(length / sample_rate / beat_s / 4) + 1)  # of four beats each
    mix = np.zeros(length, np.float32)
    for name in INSTRUMENTS:
        if name in playing:
            timbre = _TIMBRES[name]
            notes = _compose(timbre, chords, rng)
            pitches = key + 12 * (timbre.octave + notes // 7) + scale[notes % 7]
            pitches -= 12 * np.ceil(np.maximum(pitches - _HIGHEST_PITCH, 0) / 12).astype(int)
            part = _perform(timbre, pitches, beat_s, rng, length, sample_rate)
            if timbre.breath_hz:
                part += 0.4 * rms(part) * band_noise(length, timbre.breath_hz, rng, sample_rate)
            mix += part / rms(part) * np.float32(rng.uniform(0.8, 1.2))
    if "drums" in playing:
        part = _perform_drums(beat_s, rng, length, sample_rate)
        mix += part * np.float32(6 / np.abs(part).max())
    range_db = next((_LEVELS_DB[tag] for tag in _LEVELS_DB if tag in playing), _OTHER_LEVELS_DB)
    return mix / rms(mix) * np.float32(10 ** (rng.uniform(*range_db) / 20))


def _compose(timbre: Timbre, chords: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrees of the scale [shape=(n_onsets, voices)]: chords, or a melody around them."""
    n_onsets = int(4 * len(chords) / timbre.beats)
    chord = chords[(np.arange(n_onsets) * timbre.beats / 4).astype(int)]
    if timbre.voices > 1:
        return chord[:, None] + np.arange(0, 2 * timbre.voices, 2)
    return chord[:, None] + rng.choice([0, 2, 4, 7, 1], size=(n_onsets, 1))


def _perform(
    timbre: Timbre,
    pitches: np.ndarray,
    beat_s: float,
    rng: np.random.Generator,
    length: int,
    sample_rate: int,
) -> np.ndarray:
    """Play the notes of MIDI `pitches`; each pitch is synthesised once."""
    step_s = beat_s * timbre.beats
    onsets = (np.arange(0, length / sample_rate, step_s) * sample_rate).astype(int)
    pitches = pitches[: len(onsets)]
    bank = {pitch: _note(timbre, pitch, step_s, sample_rate) for pitch in np.unique(pitches)}
    part = np.zeros(length, np.float32)
    for onset, chord in zip(onsets, pitches, strict=True):
        loudness = np.float32(rng.uniform(0.6, 1.0))
        for pitch in chord:
            note = bank[pitch][: length - onset]
            part[onset : onset + len(note)] += loudness * note
    return part


def _note(timbre: Timbre, pitch: int, step_s: float, sample_rate: int) -> np.ndarray:
    """A note, as the sum of its partials below `_MUSIC_HZ`."""
    fundamental_hz = 440 * 2 ** ((pitch - 69) / 12)
    note_s = min(step_s * timbre.held, 4 * timbre.decay_s)
    t = np.arange(round(note_s * sample_rate)) / sample_rate
    phase = 2 * np.pi * fundamental_hz * t
    envelope = np.minimum(t / timbre.attack_s, 1) * np.exp(-t / timbre.decay_s)
    envelope *= np.minimum((note_s - t) / 0.15, 1)
    tone = np.zeros(len(t), np.float32)
    for multiple, amplitude in timbre.partials:
        if multiple * fundamental_hz < _MUSIC_HZ:
            tone += np.float32(amplitude) * sine(multiple * phase)
    return tone * envelope.astype(np.float32)


def _perform_drums(beat_s: float, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """A bass drum on the odd beats, a snare drum on the even ones and light strokes in between."""
    t = np.arange(round(0.4 * sample_rate)) / sample_rate
    bass = sine(2 * np.pi * (50 * t - 3 * np.exp(-t / 0.03))) * np.exp(-t / 0.12)
    snare = band_noise(len(t), (300, 2100), rng, sample_rate) * np.exp(-t / 0.1) * np.minimum(t / 0.002, 1)
    strokes = [2.5 * bass, 0.8 * snare, 1.6 * snare, 0.8 * snare]
    part = np.zeros(length + len(t), np.float32)
    for i, onset_s in enumerate(np.arange(0, length / sample_rate, beat_s / 2)):
        onset = int(onset_s * sample_rate)
        part[onset : onset + len(t)] += strokes[i % 4] * rng.uniform(0.7, 1.0)
    return part[:length]
