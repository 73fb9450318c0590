"""Opens audio files with libsndfile or else with FFmpeg, and decodes them block by block, mixed to mono."""

import contextlib
import os
import re
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile

from howlow.errors import HowlowError

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

_MAX_NATIVE_RATE_HZ = 768_000
_BLOCK_SAMPLES = 1 << 18
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


class Source(NamedTuple):
    """An open audio file."""

    sample_rate: int
    header_s: float  # the length by the header, in seconds
    declared_samples: int | None  # the same in samples; None if the format's headers can't be trusted
    blocks: Generator[np.ndarray]  # the decoded samples, mono


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Leave out what libraries in C write to the standard error, such as notes about damage without a file's name.

    What Python writes there, such as a progress bar, is still shown.
    """
    shown = os.dup(2)
    with Path(os.devnull).open("w") as nowhere, os.fdopen(shown, "w", buffering=1) as ours:
        is_real = sys.stderr is sys.__stderr__
        with contextlib.redirect_stderr(ours) if is_real else contextlib.nullcontext():
            os.dup2(nowhere.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(shown, 2)


def open_audio(path: Path) -> Source:
    """Open a file, to decode it.

    Raises
    ------
    AudioError
        if the file is missing, unreadable, empty, or not audio; `blocks` raises one where the file is broken
    """
    check_file(path)
    try:
        file = _open_with_libsndfile(path)
    except soundfile.LibsndfileError as error:
        return _open_with_ffmpeg(path, _undecodable(path, error))
    # The header of an MP3 is an estimate; the headers of other formats are exact.
    declared = None if file.subtype.startswith("MPEG") else _declared_samples(file)
    rate = _checked_rate(path, file.samplerate)
    return Source(rate, file.frames / rate, declared, _libsndfile_blocks(path, file))


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


def _open_with_ffmpeg(path: Path, reason: AudioError) -> Source:
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
    return Source(rate, seconds, declared, _ffmpeg_blocks(path, container, stream))


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
