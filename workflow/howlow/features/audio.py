"""Turns audio files into clips: a file is decoded, mixed to mono, cropped to its centre and resampled."""

import os
import re
import stat
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from math import ceil, gcd
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile
import soxr

from howlow.errors import HowlowError
from howlow.representation import CLIP_SECONDS, n_samples

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

RESAMPLER = "HQ"
"""The quality that soxr resamples with. It is LibROSA's default (`soxr_hq`): 20 bits, and a passband up to 91 % of the
Nyquist frequency."""

MAX_SAMPLES = 3600 * 48_000
"""The largest number of decoded samples: an hour at 48 kHz. A longer file is refused.

To cut a clip out, at most half of the samples are held in memory, which is 346 MB.
"""

MAX_LEVEL = 2.0**31
"""The largest sample that is taken for sound; full scale is 1.

A program that forgets to scale integers of 32 bits writes samples up to this value. Their power stays finite at every
sample rate and in every compression, because float32 overflows only at samples of some 1e14.
"""

_MAX_NATIVE_RATE_HZ = 768_000
_BLOCK_SAMPLES = 1 << 18
# The resampler's filter settles in this part of the signal on either side of the crop.
_MARGIN_S = 0.1
# Encoders pad less than this. A file that is shorter than declared by more than this was cut off.
_TRUNCATED_S = 0.25
# In libsndfile's log: the size of the audio that the header declares, and the size that libsndfile found.
_CORRECTED = re.compile(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")
# A recorder that can't know the size declares one near 2 or 4 GiB, usually 0x7ffff000, 0x80000000 or 0xffffffff.
_UNKNOWN_BYTES = 0x7FF0_0000
# FFmpeg may try these formats, which contain music. Playlists are not among them, because they name other files.
_FFMPEG_FORMATS = "mov,aac,asf,matroska,webm,wv,ape,aiff,caf"


class AudioError(HowlowError):
    """A file gives no clip. The message names the file and the reason; `reason` is the reason alone."""

    def __init__(self, path: Path | str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.reason = reason


class _Source(NamedTuple):
    """An open audio file."""

    sample_rate: int
    header_s: float  # the length by the header, in seconds
    declared_samples: int | None  # the same in samples; None if the format's headers can't be trusted
    blocks: Generator[np.ndarray]  # the decoded samples, mono


class _Centre(NamedTuple):
    """The middle of a file at the file's own sample rate: the crop, and a margin on either side."""

    samples: np.ndarray
    margin: int
    sample_rate: int


def load_clip(path: Path | str, sample_rate: int, seconds: float = CLIP_SECONDS) -> np.ndarray:
    """Load the centred `seconds` of an audio file as mono at `sample_rate`.

    The channels are mixed by their mean. The centre is that of the decoded samples, because the header of an MP3
    often declares too many. Whether a file gives a clip depends on the file and `seconds`, and never on
    `sample_rate`.

    Parameters
    ----------
    path : a file that libsndfile decodes (MP3, FLAC, WAV, OGG, Opus, AIFF ...), or else FFmpeg (M4A, WMA ...)
    sample_rate : int, in Hz
    seconds : float

    Returns
    -------
    np.ndarray [shape=(round(seconds * sample_rate),), dtype=float32]

    Raises
    ------
    AudioError
        if the file is missing, unreadable, empty, not audio, broken, cut off, too short or too long; if it is silent
        where the clip is; or if it has samples that are not finite or are larger than `MAX_LEVEL`
    """
    return load_clips(path, [sample_rate], seconds)[sample_rate]


def load_clips(path: Path | str, sample_rates: Iterable[int], seconds: float = CLIP_SECONDS) -> dict[int, np.ndarray]:
    """Load the clip of a file at several sample rates, and decode the file only once; see `load_clip`."""
    centre = _centre(Path(path), seconds)
    return {rate: _resample(centre, rate, seconds) for rate in sample_rates}


def load_all(path: Path | str, sample_rate: int) -> np.ndarray:
    """Load a whole audio file as mono at `sample_rate`. It is resampled while it is decoded.

    Parameters
    ----------
    path, sample_rate : see `load_clip`

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]

    Raises
    ------
    AudioError
        for the same reasons as `load_clip`, except that a file may have any length up to `MAX_SAMPLES`
    """
    path = Path(path)
    source = _open(path)
    signal = np.concatenate(list(_resample_blocks(_checked_blocks(path, source), source.sample_rate, sample_rate)))
    if not signal.any():
        raise AudioError(path, "all-silent" if len(signal) else "has no samples")
    return signal


def _resample_blocks(blocks: Iterable[np.ndarray], native_hz: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Resample consecutive blocks of samples. The last block is yielded even if it is empty."""
    if native_hz == sample_rate:
        yield from blocks
        yield np.empty(0, np.float32)
        return
    stream = soxr.ResampleStream(native_hz, sample_rate, 1, dtype="float32", quality=RESAMPLER)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _resample(centre: _Centre, sample_rate: int, seconds: float) -> np.ndarray:
    if sample_rate == centre.sample_rate:
        start, signal = centre.margin, centre.samples
    else:
        # The margin is shortened to a whole number of samples at both rates, so that both crops start together.
        step = centre.sample_rate // gcd(centre.sample_rate, sample_rate)
        margin = centre.margin // step * step
        unused = centre.margin - margin
        part = centre.samples[unused : len(centre.samples) - unused]
        signal = soxr.resample(part, centre.sample_rate, sample_rate, quality=RESAMPLER)
        start = margin * sample_rate // centre.sample_rate
    return np.ascontiguousarray(signal[start : start + n_samples(sample_rate, seconds)])


def declared_seconds(path: Path | str) -> float | str:
    """The length in seconds by a file's header, or the reason why the file can't be opened. Nothing is decoded."""
    path = Path(path)
    try:
        check_file(path)
        try:
            with _open_with_libsndfile(path) as file:
                return file.frames / file.samplerate
        except soundfile.LibsndfileError as error:
            source = _open_with_ffmpeg(path, _undecodable(path, error))
            source.blocks.close()
            return source.header_s
    except AudioError as error:
        return error.reason


def _centre(path: Path, seconds: float) -> _Centre:
    """Decode a file and keep its middle. Samples that can no longer be part of it are dropped while decoding."""
    source = _open(path)
    native = source.sample_rate
    length = ceil(seconds * native - 1e-6)  # enough for the clip at any rate
    kept: deque[np.ndarray] = deque()
    start = total = 0  # position of the first kept sample; number of decoded samples
    for block in _checked_blocks(path, source):
        kept.append(block)
        total += len(block)
        first_needed = (total - length) // 2 - native
        while start + len(kept[0]) <= first_needed:
            start += len(kept.popleft())
    if total < length:
        raise AudioError(path, f"shorter than {seconds} s ({total / native:.2f} s)")
    crop = (total - length) // 2
    margin = min(crop, ceil(_MARGIN_S * native))
    end = crop + length + margin
    while total - len(kept[-1]) >= end:
        total -= len(kept.pop())
    samples = np.concatenate(kept)[crop - margin - start : end - start]
    if not samples[margin : margin + length].any():
        raise AudioError(path, f"all-silent in its centred {seconds} s")
    return _Centre(samples, margin, native)


def _checked_blocks(path: Path, source: _Source) -> Iterator[np.ndarray]:
    """Yield the blocks of a file, and refuse samples that are not sound, too many, or fewer than declared."""
    native = source.sample_rate
    total = 0
    for block in source.blocks:
        peak = max(block.max(initial=0), -block.min(initial=0))  # NaN if any sample is NaN
        if not np.isfinite(peak):
            raise AudioError(path, "has samples that are not finite")
        if peak > MAX_LEVEL:
            raise AudioError(path, f"has a sample of {peak:.3g}, which is not sound: full scale is 1")
        total += len(block)
        if total > MAX_SAMPLES:
            raise AudioError(path, f"longer than {MAX_SAMPLES / native:.0f} s")
        yield block
    declared = source.declared_samples or 0
    if declared - total > _TRUNCATED_S * native:
        raise AudioError(path, f"truncated: {total / native:.2f} s of {declared / native:.2f} s")


def check_file(path: Path) -> None:
    """Refuse a path that can't be opened, with the operating system's reason.

    Raises
    ------
    AudioError
        if there is no file at the path, or the file is empty or may not be read
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(path, "not a file")
        path.open("rb").close()
    except FileNotFoundError:
        raise AudioError(path, "missing file") from None
    except OSError as error:
        raise AudioError(path, f"can't be opened: {os.strerror(error.errno or 0).lower()}") from None
    except ValueError:
        raise AudioError(path, "missing file: there is a null character in its path") from None
    if status.st_size == 0:
        raise AudioError(path, "zero bytes")


def _open(path: Path) -> _Source:
    check_file(path)
    try:
        file = _open_with_libsndfile(path)
    except soundfile.LibsndfileError as error:
        return _open_with_ffmpeg(path, _undecodable(path, error))
    # The header of an MP3 is an estimate; the headers of other formats are exact.
    declared = None if file.subtype.startswith("MPEG") else _declared_samples(file)
    rate = _checked_rate(path, file.samplerate)
    return _Source(rate, file.frames / rate, declared, _libsndfile_blocks(path, file))


def _open_with_libsndfile(path: Path) -> soundfile.SoundFile:
    """Open a file by its content, or else by its name. The name helps with an MP3 that begins with something else.

    The name must not come first: beside a file `._a.mp3`, which a Mac leaves on foreign disks, libsndfile takes an MP3
    `a.mp3` for one of the Mac's own formats. libsndfile closes the descriptor itself, even if it fails.
    """
    try:
        return soundfile.SoundFile(os.open(path, os.O_RDONLY))
    except soundfile.LibsndfileError as error:
        try:
            return soundfile.SoundFile(os.fsencode(path))  # as bytes, because a file's name may not be valid text
        except soundfile.LibsndfileError:
            raise error from None


def _declared_samples(file: soundfile.SoundFile) -> int:
    """The length by the header. libsndfile itself corrects the length silently if the file is shorter."""
    corrected = _CORRECTED.search(file.extra_info)
    if not corrected:
        return file.frames
    declared_bytes, found_bytes = map(int, corrected.groups())
    if declared_bytes >= _UNKNOWN_BYTES or not found_bytes:
        return file.frames
    return file.frames * declared_bytes // found_bytes


def _libsndfile_blocks(path: Path, file: soundfile.SoundFile) -> Generator[np.ndarray]:
    size = max(1, _BLOCK_SAMPLES // file.channels)
    try:
        with file:
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                yield block[:, 0] if file.channels == 1 else block.mean(axis=1)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error) from None


def _undecodable(path: Path, error: soundfile.LibsndfileError) -> AudioError:
    return AudioError(path, f"not decodable audio ({error.error_string})")


def _open_with_ffmpeg(path: Path, reason: AudioError) -> _Source:
    import av  # imported here, because it takes 0.3 s and few collections need it

    try:
        container = av.open(f"file:{path}", options={"format_whitelist": _FFMPEG_FORMATS, "protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError):
        raise reason from None
    if not container.streams.audio:
        raise AudioError(path, "has no audio stream")
    stream = container.streams.audio[0]
    rate = _checked_rate(path, stream.rate)
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / av.time_base  # of the longest stream, which may be a video
    # A file `.aac` has no header. FFmpeg estimates its length by the bit rate of its first frames.
    is_exact = stream.duration and container.format.name != "aac"
    declared = int(seconds * rate) if is_exact else None
    return _Source(rate, seconds, declared, _ffmpeg_blocks(path, container, stream))


def _ffmpeg_blocks(path: Path, container: "InputContainer", stream: "AudioStream") -> Generator[np.ndarray]:
    import av

    planar = av.AudioResampler(format="fltp")  # it changes only the type of the samples
    try:
        with container:
            for frame in container.decode(stream):
                for part in planar.resample(frame):
                    yield part.to_ndarray().mean(axis=0, dtype=np.float32)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(path, f"not decodable audio ({error})") from None


def _checked_rate(path: Path, sample_rate: int) -> int:
    if not 0 < sample_rate <= _MAX_NATIVE_RATE_HZ:
        raise AudioError(path, f"has a sample rate of {sample_rate} Hz")
    return sample_rate
