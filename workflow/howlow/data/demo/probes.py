"""The sounds of the probes: tags with a known answer, each in a frequency band that the music leaves free.

`howlow.data.demo` explains what each probe is for, and which representations show it.
"""

import numpy as np

from howlow.data.demo.signals import band_noise, sine

_HISS = {True: ((6400, 6700), 0.012), False: ((7000, 7300), 0.0085)}  # band in Hz, RMS level
_PULSE_HZ = (4700, 3700)  # from, to
_PULSE_S = 0.12
_PULSE_ATTACK_S = 0.012
_PULSE_DECAY_S = 0.06  # time constant
_PULSES_PER_S = 4.8
_PULSE_AMPLITUDE = 0.05
_WHISTLE_HZ = (2540, 2560)
_WHISTLE_SPLIT_HZ = 250
_WHISTLE_AMPLITUDE = 0.03
_MURMUR_HZ = (3000, 3400)
_MURMUR_RMS = {True: 0.0135, False: 0.0054}
_GUARD_HZ = (2850, 3550)
_GUARD_RMS = 0.0062
_ENDS_HZ = {True: (5350, 5480), False: (4950, 5080)}
_ENDS_RMS = 0.012
_ENDS_SHARE = 0.15  # of the clip, at each of its ends
_BED_HZ = (50, 5500)
_BED_RMS = 0.0045


def render_hiss(air: bool, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """The probe `air`: noise in the lower or the upper of two bands above 6 kHz."""
    band_hz, level = _HISS[air]
    return band_noise(length, band_hz, rng, sample_rate) * np.float32(level)


def render_pulses(attack_first: bool, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """The probe `attack first`: pulses that fall in pitch as they fade, or the same track of pulses backwards.

    The pulses set in independently of each other. If they kept a distance, the frames would show the direction of
    time by the distances between their ends, even where no two frames see the same pulse.
    """
    t = np.arange(round(_PULSE_S * sample_rate)) / sample_rate
    fade = np.cos(np.pi / 2 * t / _PULSE_S)  # exactly zero at the end of the pulse
    envelope = np.minimum(t / _PULSE_ATTACK_S, 1) * np.exp(-t / _PULSE_DECAY_S) * fade
    first_hz, last_hz = _PULSE_HZ
    glide = first_hz * t + (last_hz - first_hz) / (2 * _PULSE_S) * t**2  # in cycles
    pulse = (envelope * _PULSE_AMPLITUDE).astype(np.float32) * sine(2 * np.pi * glide)
    # The clip is the middle of a longer track, so that pulses are cut at both of its ends in either direction.
    track = np.zeros(length + 2 * len(pulse), np.float32)
    n_onsets = length + len(pulse)
    for onset in rng.integers(0, n_onsets, round(_PULSES_PER_S * n_onsets / sample_rate)):
        track[onset : onset + len(pulse)] += pulse * np.float32(rng.uniform(0.7, 1.4))
    middle = track[len(pulse) : len(pulse) + length]
    return middle if attack_first else middle[::-1]


def render_whistle(split: bool, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """The probe `split partial`: tones of two partials, or of one partial between them with the same power."""
    t = np.arange(length) / sample_rate
    centre_hz = rng.uniform(*_WHISTLE_HZ)
    offsets_hz = (-_WHISTLE_SPLIT_HZ / 2, _WHISTLE_SPLIT_HZ / 2) if split else (0.0,)
    cycles = rng.random(2)  # starting phases; two are drawn in any case, so that the later draws are the same
    tone = np.sum(
        [sine(2 * np.pi * ((centre_hz + hz) * t + c)) for hz, c in zip(offsets_hz, cycles, strict=False)],
        axis=0,
    )
    n_tones = 2 * int(length / sample_rate) + 10  # their shortest distance is longer than half a second
    ends_s = np.cumsum(rng.uniform(0.3, 1.2, n_tones))
    levels = np.where(np.arange(n_tones) % 2, 0, rng.uniform(0.5, 1.5, n_tones))
    corners_s = np.stack([ends_s, ends_s + 0.04], axis=1).ravel()  # fades of 40 ms
    envelope = np.interp(t, corners_s, np.stack([levels, np.roll(levels, -1)], axis=1).ravel())
    amplitude = _WHISTLE_AMPLITUDE / np.sqrt(len(offsets_hz))
    return tone * (envelope * amplitude).astype(np.float32)


def render_murmur(loud: bool, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """The probe `loud murmur`: a noise near 3.2 kHz of one of two levels, within a wider noise of a fixed level."""
    murmur = band_noise(length, _MURMUR_HZ, rng, sample_rate) * np.float32(_MURMUR_RMS[loud])
    return murmur + band_noise(length, _GUARD_HZ, rng, sample_rate) * np.float32(_GUARD_RMS)


def render_ends(bright: bool, rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """The probe `bright ends`: a noise at both ends of the clip, in the upper or the lower of two bands."""
    noise = band_noise(length, _ENDS_HZ[bright], rng, sample_rate) * np.float32(_ENDS_RMS)
    share = np.arange(length) / length
    corners = [_ENDS_SHARE - 0.01, _ENDS_SHARE, 1 - _ENDS_SHARE, 1 - _ENDS_SHARE + 0.01]
    return noise * np.interp(share, corners, [1, 0, 0, 1]).astype(np.float32)


def render_bed(rng: np.random.Generator, length: int, sample_rate: int) -> np.ndarray:
    """Soft noise under all sounds, which hides what an MP3 encoder adds to silence."""
    return band_noise(length, _BED_HZ, rng, sample_rate) * np.float32(_BED_RMS)


PROBES = {
    "air": render_hiss,
    "attack first": render_pulses,
    "split partial": render_whistle,
    "loud murmur": render_murmur,
    "bright ends": render_ends,
}
"""What renders each probe, with the tag or without it.

Each is called with whether the clip has the tag, the generator of random numbers, the length of the clip in samples,
and the sample rate in Hz. The result has the shape (length,).
"""
