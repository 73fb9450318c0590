"""A made-up data set in MagnaTagATune's layout, to try the whole workflow without a download.

Every clip is a short piece on a scale for one to three instruments, written as a 29.2 s MP3. Its tags
are of two kinds.

Musical tags (`MUSICAL`) describe the piece: who plays, how fast, how loud, how high. They are unbalanced
and `FORGOTTEN` of the positives are missing from the annotations, as with human annotators. All sounds
that they stand for lie below 2.2 kHz and last long, so each can be learned at every resolution.

Probes (`PROBES`) have a known answer. Half of the clips have each of them, independently of all other
tags within every split, and each has a band of its own that the music leaves free:

`air`
    The colour of a hiss above 6 kHz: 6.5 to 6.8 kHz with the tag, softer at 6.9 to 7.2 kHz without. A
    signal sampled at 12 kHz ends at 6 kHz, so the tag can be learned at 16 kHz only. Clips without it hiss
    as well because an MP3 encoder of fixed bit rate takes the bits for such a band from those below: next
    to silence, its quantisation noise under 6 kHz would tell.

`attack first`
    Pulses of 120 ms at 3.6 to 4.75 kHz, at random times, that start hard and die away; without the tag
    the same played backwards. Both have the same spectrum and the same distribution of levels, and with
    a hop of x10 (213 ms at 12 kHz, 160 ms at 16 kHz) no two frames see the same pulse: only shorter hops
    show the order.

`split partial`
    A whistle near 2.55 kHz of two partials 250 Hz apart; without the tag a single partial in the middle,
    of the same power. Bands narrower than the distance tell them apart. Of 8 bands, at 12 and at 16 kHz,
    no filter has a corner between the partials; filters are linear there and give the same for both.

Soft noise lies under all of it up to 5.5 kHz. It hides what an MP3 encoder does to silence: echoes before
an onset but not after it, which would tell the order of the pulses at any hop. Louder pulses over the
same noise would tell it, too.
"""

import csv
from collections.abc import Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from scipy.fft import irfft
from tqdm import tqdm

CLIP_S = 29.2
"""Length of a rendered clip: a little more than `howlow.audio.CLIP_SECONDS`."""

N_CLIPS = 420

INSTRUMENTS = ("guitar", "piano", "strings", "synth", "flute", "organ", "bell")
MUSICAL = (*INSTRUMENTS, "drums", "fast", "slow", "loud", "quiet", "vibrato", "high", "low")
PROBES = ("air", "attack first", "split partial")
TAGS = (*MUSICAL, *PROBES)

FOLDERS = "0123456789abcdef"
SPLITS = {"train": "0123456789ab", "validation": "c", "test": "def"}
FORGOTTEN = 0.05
"""Fraction of the positives of a musical tag that the annotations lack."""

_SHARES = {"validation": 0.05, "test": 0.47}
_RATES = dict(zip(INSTRUMENTS, (0.34, 0.32, 0.28, 0.24, 0.18, 0.14, 0.10), strict=True)) | {
    "drums": 0.42,
    "fast": 0.30,
    "slow": 0.30,
    "loud": 0.26,
    "quiet": 0.22,
    "vibrato": 0.25,
    "high": 0.22,
    "low": 0.26,
}
_OPPOSITES = {"fast": "slow", "loud": "quiet", "high": "low"}

_MUSIC_HZ = 2200
_VIBRATO_HZ = 5.5
_HIGHEST_PITCH = 93  # 1760 Hz
_HISS = {True: ((6500, 6800), 0.012), False: ((6900, 7200), 0.0085)}  # band in Hz, RMS level
_PULSE_HZ = (3600, 4150, 4750)  # partials
_PULSE_S = 0.12
_PULSE_GAPS_S = (0.22, 0.4)
_PULSE_AMPLITUDE = 0.03
_BED_HZ = (50, 5500)
_BED_RMS = 0.0045
_WHISTLE_HZ = (2520, 2590)
_WHISTLE_SPLIT_HZ = 250
_WHISTLE_AMPLITUDE = 0.03

_KBIT_S = {16_000: 32, 44_100: 128}


@dataclass(frozen=True)
class Timbre:
    """An instrument: levels of its partials, envelope, and the way it is played."""

    partials: tuple[tuple[float, float], ...]  # (multiple of the fundamental, amplitude)
    attack_s: float
    decay_s: float  # time constant; infinite for a tone that lasts as long as the note
    beats: float  # from one onset to the next
    held: float  # length of a note, in onsets
    voices: int  # notes at a time
    octave: int = 0


_TIMBRES = {
    "guitar": Timbre(tuple((k, abs(np.sin(0.6 * k)) / k) for k in range(1, 9)), 0.003, 0.25, 0.5, 2.0, 1),
    "piano": Timbre(tuple((k, k**-1.5) for k in range(1, 7)), 0.006, 0.7, 1.0, 1.5, 3),
    "strings": Timbre(
        tuple((k * cents, 1 / k) for k in range(1, 9) for cents in (0.996, 1.004)), 0.35, np.inf, 4.0, 1.1, 3
    ),
    "synth": Timbre(tuple((k, 1 / k) for k in (1, 3, 5, 7, 9, 11)), 0.004, np.inf, 0.5, 0.5, 1, -1),
    "flute": Timbre(((1, 1.0), (2, 0.1)), 0.08, np.inf, 1.0, 1.0, 1, 1),
    "organ": Timbre(((0.5, 0.8), (1, 1.0), (2, 0.9), (4, 0.8), (8, 0.6)), 0.02, np.inf, 2.0, 1.0, 3),
    "bell": Timbre(((1, 0.6), (2.76, 1.0), (5.4, 0.8)), 0.003, 1.5, 2.0, 2.0, 1),
}
_SCALES = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]])


def split_sizes(n_clips: int) -> dict[str, int]:
    """Number of clips of each split: at least one in each of its folders.

    Raises
    ------
    ValueError
        if there are fewer clips than folders
    """
    if n_clips < len(FOLDERS):
        raise ValueError(f"n_clips is at least {len(FOLDERS)}, one for each folder, not {n_clips}")
    # The small splits get four, enough for both values of every tag, as far as the clips go.
    spare = n_clips - len(FOLDERS)
    valid = 1 + min(spare, max(3, round(_SHARES["validation"] * n_clips) - 1))
    spare -= valid - 1
    test = 3 + min(spare, max(1, round(_SHARES["test"] * n_clips) - 3))
    return {"train": n_clips - valid - test, "validation": valid, "test": test}


def draw_tags(n_clips: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw what every clip sounds like and how it is annotated.

    Returns
    -------
    folders : np.ndarray [shape=(n_clips,), dtype=<U1], in ascending order
    played : np.ndarray [shape=(n_clips, len(TAGS)), dtype=bool], what is heard in the clips
    annotated : np.ndarray [shape=(n_clips, len(TAGS)), dtype=bool], the same less some forgotten tags

    Raises
    ------
    ValueError
        if there are fewer clips than folders
    """
    rng = np.random.default_rng(seed)
    folders, played, annotated = [], [], []
    for split, size in split_sizes(n_clips).items():
        names = np.array(list(SPLITS[split]))
        folders.append(np.sort(names[np.arange(size) % len(names)]))
        music = _draw_musical(size, rng)
        noted = np.stack([_forget(column, rng) for column in music.T], axis=1)
        probes = _draw_probes(noted, rng)
        played.append(np.hstack([music, probes]))
        annotated.append(np.hstack([noted, probes]))
    return np.concatenate(folders), np.concatenate(played), np.concatenate(annotated)


def _draw_musical(size: int, rng: np.random.Generator) -> np.ndarray:
    """Musical tags of a split, each with its rate, but at least one clip."""
    column = {tag: np.zeros(size, bool) for tag in MUSICAL}
    count = {tag: max(1, min(round(rate * size), size // 2)) for tag, rate in _RATES.items()}
    n_playing = np.zeros(size)
    for tag in INSTRUMENTS:  # to those with the fewest so far: none stays without
        column[tag][np.argsort(n_playing + rng.random(size))[: count[tag]]] = True
        n_playing += column[tag]
    for tag in ("drums", "vibrato"):
        column[tag][rng.permutation(size)[: count[tag]]] = True
    for tag, opposite in _OPPOSITES.items():
        order = rng.permutation(size)
        column[tag][order[: count[tag]]] = True
        column[opposite][order[count[tag] : count[tag] + count[opposite]]] = True
    return np.stack([column[tag] for tag in MUSICAL], axis=1)


def _forget(column: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tag's column without `FORGOTTEN` of its positives."""
    positives = np.flatnonzero(column)
    kept = column.copy()
    kept[rng.permutation(positives)[: round(FORGOTTEN * len(positives))]] = False
    return kept


def _draw_probes(music: np.ndarray, rng: np.random.Generator, n_swaps: int = 3000) -> np.ndarray:
    """Probes of a split: all combinations equally often, uncorrelated with the musical tags.

    A random assignment is improved by the exchanges of two clips that lower the correlations.
    """
    size = len(music)
    combinations = np.array(list(product((False, True), repeat=len(PROBES))))
    # Odd steps run through the complements in turn, so that few clips have both values as well.
    order = np.array([0, 7, 1, 6, 2, 5, 4, 3])
    probes = rng.permutation(combinations[order][np.arange(size) % len(order)])
    centred = (music - music.mean(axis=0)) / (music.std(axis=0) + 1e-9)
    cross = centred.T @ probes
    for first, second in rng.integers(size, size=(n_swaps, 2)):
        step = np.outer(centred[first] - centred[second], probes[second] * 1.0 - probes[first])
        if ((cross + step) ** 2).sum() < (cross**2).sum():
            cross += step
            probes[[first, second]] = probes[[second, first]]
    return probes


def render(
    playing: Set[str], rng: np.random.Generator, *, sample_rate: int = 16_000, n_channels: int = 1
) -> np.ndarray:
    """Render a clip with the given tags; all else about it is drawn from `rng`.

    Parameters
    ----------
    playing : set of names out of `TAGS`
    sample_rate : int, in Hz, above 14.4 kHz
    n_channels : 1 or 2; with two, the music is louder on the left, and their mean is the mono clip

    Returns
    -------
    np.ndarray [shape=(round(29.2 * sample_rate), n_channels), dtype=float32]
    """
    music = render_music(playing, rng, sample_rate)
    probes = (
        render_hiss("air" in playing, rng, sample_rate)
        + render_pulses("attack first" in playing, rng, sample_rate)
        + render_whistle("split partial" in playing, rng, sample_rate)
        + _band_noise(len(music), _BED_HZ, rng, sample_rate) * np.float32(_BED_RMS)
    )
    pan = {1: [1.0], 2: [1.2, 0.8]}[n_channels]
    return music[:, None] * np.array(pan, np.float32) + probes[:, None]


def render_hiss(air: bool, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """The probe `air`: noise in the lower or the upper of two bands above 6 kHz."""
    band_hz, level = _HISS[air]
    return _band_noise(_n_samples(sample_rate), band_hz, rng, sample_rate) * np.float32(level)


def render_pulses(attack_first: bool, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """The probe `attack first`: pulses of a few partials, or the whole track of them played backwards."""
    length = _n_samples(sample_rate)
    t = np.arange(round(_PULSE_S * sample_rate)) / sample_rate
    fade = np.cos(np.pi / 2 * t / _PULSE_S)  # to exactly nothing at the end of the pulse
    pulse = np.minimum(t / 0.005, 1) * np.exp(-t / 0.05) * fade
    envelope = np.zeros(length, np.float32)
    gaps = rng.uniform(*_PULSE_GAPS_S, round(CLIP_S / _PULSE_GAPS_S[0]))
    onsets = (np.cumsum(gaps) * sample_rate).astype(int)
    for onset in onsets[onsets < length - len(pulse)]:
        envelope[onset : onset + len(pulse)] += pulse * rng.uniform(0.7, 1.4)
    clip_t = np.arange(length) / sample_rate
    carrier = np.sum([_sine(2 * np.pi * (hz * clip_t + rng.random())) for hz in _PULSE_HZ], axis=0)
    track = envelope * carrier * np.float32(_PULSE_AMPLITUDE)
    return track if attack_first else track[::-1]


def render_whistle(split: bool, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """The probe `split partial`: tones of two partials, or of one in their middle with their power."""
    t = np.arange(_n_samples(sample_rate)) / sample_rate
    centre_hz = rng.uniform(*_WHISTLE_HZ)
    offsets_hz = (-_WHISTLE_SPLIT_HZ / 2, _WHISTLE_SPLIT_HZ / 2) if split else (0.0,)
    cycles = rng.random(2)  # starting phases: drawn for both, so that all else is the same for one
    tone = np.sum(
        [_sine(2 * np.pi * ((centre_hz + hz) * t + c)) for hz, c in zip(offsets_hz, cycles, strict=False)],
        axis=0,
    )
    ends_s = np.cumsum(rng.uniform(0.3, 1.2, 100))
    levels = np.where(np.arange(100) % 2, 0, rng.uniform(0.5, 1.5, 100))
    corners_s = np.stack([ends_s, ends_s + 0.04], axis=1).ravel()  # fades of 40 ms
    envelope = np.interp(t, corners_s, np.stack([levels, np.roll(levels, -1)], axis=1).ravel())
    amplitude = _WHISTLE_AMPLITUDE / np.sqrt(len(offsets_hz))
    return tone * (envelope * amplitude).astype(np.float32)


def render_music(playing: Set[str], rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """The piece itself: instruments, drums, tempo, register and level as the tags say."""
    beat_s = 60 / _pick(playing, rng, fast=(150, 190), slow=(48, 64), else_=(85, 115))
    key = 57 + rng.integers(0, 7) + 12 * ("high" in playing) - 12 * ("low" in playing)
    scale = rng.choice(_SCALES)
    chords = rng.choice([0, 3, 4, 5], size=200)
    mix = np.zeros(_n_samples(sample_rate), np.float32)
    for name in INSTRUMENTS:
        if name in playing:
            timbre = _TIMBRES[name]
            notes = _compose(timbre, chords, rng)
            pitches = key + 12 * (timbre.octave + notes // 7) + scale[notes % 7]
            pitches -= 12 * np.ceil(np.maximum(pitches - _HIGHEST_PITCH, 0) / 12).astype(int)
            part = _perform(timbre, pitches, beat_s, "vibrato" in playing, rng, sample_rate)
            mix += part / _rms(part) * np.float32(rng.uniform(0.7, 1.3))
    if "drums" in playing:
        part = _perform_drums(beat_s, rng, sample_rate)
        mix += part * np.float32(4 / np.abs(part).max())
    level_db = _pick(playing, rng, loud=(-23, -21), quiet=(-37, -34), else_=(-31, -27))
    return mix / _rms(mix) * np.float32(10 ** (level_db / 20))


def _pick(
    playing: Set[str], rng: np.random.Generator, *, else_: tuple[float, float], **ranges: tuple[float, float]
) -> float:
    """A value from the range of the tag that is playing, or else from `else_`."""
    return rng.uniform(*next((ranges[tag] for tag in ranges if tag in playing), else_))


def _compose(timbre: Timbre, chords: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrees of the scale, of shape (n_onsets, voices): chords, or a melody that wanders about them."""
    n_onsets = int(4 * len(chords) / timbre.beats)
    chord = chords[(np.arange(n_onsets) * timbre.beats / 4).astype(int)]
    if timbre.voices > 1:
        return chord[:, None] + np.arange(0, 2 * timbre.voices, 2)
    return chord[:, None] + rng.choice([0, 2, 4, 7, 1], size=(n_onsets, 1))


def _perform(
    timbre: Timbre,
    pitches: np.ndarray,
    beat_s: float,
    vibrato: bool,
    rng: np.random.Generator,
    sample_rate: int,
) -> np.ndarray:
    """Play notes of MIDI `pitches`, each pitch synthesised once."""
    length = _n_samples(sample_rate)
    step_s = beat_s * timbre.beats
    onsets = (np.arange(int(CLIP_S / step_s)) * step_s * sample_rate).astype(int)
    pitches = pitches[: len(onsets)]
    bank = {pitch: _note(timbre, pitch, step_s, vibrato, sample_rate) for pitch in np.unique(pitches)}
    part = np.zeros(length, np.float32)
    for onset, chord in zip(onsets, pitches, strict=True):
        loudness = np.float32(rng.uniform(0.6, 1.0))
        for pitch in chord:
            note = bank[pitch][: length - onset]
            part[onset : onset + len(note)] += loudness * note
    return part


def _note(timbre: Timbre, pitch: int, step_s: float, vibrato: bool, sample_rate: int) -> np.ndarray:
    """A note as the sum of the partials that lie under `_MUSIC_HZ`."""
    fundamental_hz = 440 * 2 ** ((pitch - 69) / 12)
    note_s = min(step_s * timbre.held, 4 * timbre.decay_s)
    t = np.arange(round(note_s * sample_rate)) / sample_rate
    phase = 2 * np.pi * fundamental_hz * t
    envelope = np.minimum(t / timbre.attack_s, 1) * np.exp(-t / timbre.decay_s)
    envelope *= np.minimum((note_s - t) / 0.15, 1)
    if vibrato:  # six tenths of a semitone either way, louder and softer along with it
        wobble = 2 * np.pi * _VIBRATO_HZ * t
        phase -= 0.035 * fundamental_hz / _VIBRATO_HZ * np.cos(wobble)
        envelope *= 1 + 0.4 * np.sin(wobble)
    tone = np.zeros(len(t), np.float32)
    for multiple, amplitude in timbre.partials:
        if multiple * fundamental_hz < _MUSIC_HZ:
            tone += np.float32(amplitude) * _sine(multiple * phase)
    return tone * envelope.astype(np.float32)


def _perform_drums(beat_s: float, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """A bass drum on the odd beats, a snare drum on the even ones and light strokes in between."""
    length = _n_samples(sample_rate)
    t = np.arange(round(0.25 * sample_rate)) / sample_rate
    bass = _sine(2 * np.pi * (50 * t - 3 * np.exp(-t / 0.03))) * np.exp(-t / 0.08)
    snare = _band_noise(len(t), (300, 1800), rng, sample_rate) * np.exp(-t / 0.05) * np.minimum(t / 0.002, 1)
    strokes = [2.0 * bass, 0.4 * snare, 1.2 * snare, 0.4 * snare]
    part = np.zeros(length + len(t), np.float32)
    for i, onset_s in enumerate(np.arange(0, CLIP_S, beat_s / 2)):
        onset = int(onset_s * sample_rate)
        part[onset : onset + len(t)] += strokes[i % 4] * rng.uniform(0.7, 1.0)
    return part[:length]


def _n_samples(sample_rate: int) -> int:
    return round(CLIP_S * sample_rate)


def _rms(signal: np.ndarray) -> np.float32:
    return np.sqrt(np.mean(signal**2))


def _sine(phase: np.ndarray) -> np.ndarray:
    """Sine in single precision, of a phase in double precision that may be large."""
    return np.sin(np.remainder(phase, 2 * np.pi).astype(np.float32))


def _band_noise(length: int, band_hz: tuple[float, float], rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Gaussian noise of power 1 with nothing outside the band: made in the frequency domain."""
    spectrum = np.zeros(length // 2 + 1, np.complex64)
    low, high = (round(hz * length / sample_rate) for hz in band_hz)
    normal = rng.standard_normal((high - low, 2), dtype=np.float32)
    spectrum[low:high] = normal[:, 0] + 1j * normal[:, 1]
    noise = irfft(spectrum, length)
    return noise / _rms(noise)


def generate(
    root: Path | str,
    *,
    seed: int = 0,
    n_clips: int = N_CLIPS,
    workers: int = 1,
    sample_rate: int = 16_000,
    n_channels: int = 1,
) -> None:
    """Write the data set: `mp3/`, `annotations_final.csv` and `clip_info_final.csv` under `root`.

    The same arguments give the same bytes on a machine, whatever the number of workers.

    Parameters
    ----------
    root : folder, made if missing
    seed : int
    n_clips : int, at least 16
    workers : int, number of processes
    sample_rate : 16000 or 44100, in Hz; 32 and 128 kbit/s
    n_channels : 1 or 2

    Raises
    ------
    ValueError
        if `n_clips` is less than the number of folders
    """
    root = Path(root)
    folders, played, annotated = draw_tags(n_clips, seed)
    infos = _draw_infos(folders)
    for folder in FOLDERS:
        (root / "mp3" / folder).mkdir(parents=True, exist_ok=True)
    playing = [frozenset(np.array(TAGS)[row]) for row in played]
    paths = [root / "mp3" / info["mp3_path"] for info in infos]
    seeds = [(seed, clip_id) for clip_id in range(1, n_clips + 1)]
    write = partial(_write_clip, sample_rate=sample_rate, n_channels=n_channels)
    with ProcessPoolExecutor(workers) as pool:
        list(tqdm(pool.map(write, paths, playing, seeds), "demo clips", n_clips))
    _write_tables(root, infos, annotated)


def _write_clip(path: Path, playing: Set[str], seed: tuple[int, int], *, sample_rate: int, n_channels: int) -> None:
    signal = render(playing, np.random.default_rng(seed), sample_rate=sample_rate, n_channels=n_channels)
    soundfile.write(
        path,
        signal,
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=_compression_level(sample_rate),
    )


def _compression_level(sample_rate: int) -> float:
    """The level that libsndfile maps to the bit rate, linearly between its format's lowest and highest."""
    lowest, highest = (8, 160) if sample_rate < 32_000 else (32, 320)  # MPEG-2, MPEG-1
    return (highest - _KBIT_S[sample_rate]) / (highest - lowest)


def _draw_infos(folders: np.ndarray) -> list[dict[str, str]]:
    """Rows of `clip_info_final.csv`: a folder's artists made songs that give up to three clips each."""
    infos: list[dict[str, str]] = []
    for folder in FOLDERS:
        for i in range(int((folders == folder).sum())):
            song, part = divmod(i, 3)
            artist = f"Artist {folder}{song // 2 + 1}"  # in this folder only, with two songs
            info = {
                "clip_id": str(len(infos) + 1),
                "track_number": str(song + 1),
                "title": f"Song {song % 2 + 1}",
                "artist": artist,
                "album": "Demo",
                "url": "",
                "segmentStart": str(29 * part),
                "segmentEnd": str(29 * part + 29),
                "original_url": "",
            }
            infos.append(info | {"mp3_path": _mp3_path(folder, info)})
    return infos


def _mp3_path(folder: str, info: dict[str, str]) -> str:
    artist, album, title = (info[key].lower().replace(" ", "_") for key in ("artist", "album", "title"))
    track = int(info["track_number"])
    return f"{folder}/{artist}-{album}-{track:02}-{title}-{info['segmentStart']}-{info['segmentEnd']}.mp3"


def _write_tables(root: Path, infos: list[dict[str, str]], annotated: np.ndarray) -> None:
    """Write both tables as MagnaTagATune has them: separated by tabs, the annotations in quotes."""
    with (root / "annotations_final.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["clip_id", *TAGS, "mp3_path"])
        for info, row in zip(infos, annotated.astype(int), strict=True):
            writer.writerow([info["clip_id"], *row, info["mp3_path"]])
    with (root / "clip_info_final.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(infos[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(infos)
