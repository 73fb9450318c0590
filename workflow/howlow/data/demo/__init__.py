"""A synthetic dataset in MagnaTagATune's layout, with which the whole workflow runs without a download.

Every clip is a short piece on a scale for one to three instruments, written as an MP3. Its tags are of two kinds.

Musical tags (`MUSICAL`) describe the piece: who plays, how loud, how high. They are unbalanced, and a
fraction `FORGOTTEN` of the positives is missing from the annotations, as with human annotators. All sounds
that they stand for lie below 2.2 kHz and last long, so they are heard as well with 96 bands as with 48, with
a hop of x1 as with x2, at 12 kHz as at 16 kHz, and in both log types. There is no tag of tempo or vibrato:
short trainings learn these with some resolutions sooner than with others.

Probes (`howlow.data.demo.probes.PROBES`) have a known answer, and a dataset has those that it asks for. Each probe is a
tag of half of the clips, independently of all other tags within every split, and has a frequency band of its own that
the music leaves free:

`air`
    The frequency of a hiss above 6 kHz. With the tag, the hiss is at 6.4 to 6.7 kHz; without it, the hiss is
    softer and at 7.0 to 7.3 kHz. A signal sampled at 12 kHz ends at 6 kHz, so the tag can be learned at
    16 kHz only. Clips without the tag need a hiss as well: an MP3 encoder of fixed bit rate takes the bits
    for it from the bands below, and the quantisation noise under 6 kHz would reveal which clips have one.

`attack first`
    The direction of pulses of 120 ms at random times. With the tag, they set in at 4.7 kHz, fall to 3.7 kHz
    and die away, as a struck string or drum does; without it, the same pulses are played backwards. Both have
    the same spectrum and the same distribution of levels. With a hop of x10 (213 ms at 12 kHz, 160 ms at
    16 kHz) no two frames see the same pulse, so only shorter hops show the direction. The pulses set in
    independently of each other, so that frames which see different pulses show nothing.

`split partial`
    A whistle near 2.55 kHz. With the tag, it has two partials 250 Hz apart; without it, it has a single
    partial in the middle, of the same power. Bands narrower than 250 Hz tell them apart. With 8 bands, at 12
    and at 16 kHz, no filter has a corner between the partials. The filters are linear there and respond alike.

`loud murmur`
    The level of a steady noise from 3.0 to 3.4 kHz, which is 6 dB higher with the tag. Either level lies between
    -40 and 0 dB in all bands and frames, and so it falls to the same one of the two or four levels of values of 1 or
    2 bits (`quantizer: global`). With 3 bits or more, there is a threshold between both. A wider noise lies under
    it, because the bands at its edges, where it is weak, would otherwise cross -40 dB.

`bright ends`
    The frequency of a noise in the first and the last 15 % of the clip: 5.4 kHz with the tag, and 5.0 kHz without
    it. The two thirds at the centre of the clip do not have it.

No sound can do the same for the width of the network: what a narrow network cannot learn depends on the training, and
not on the clips alone.

Soft noise up to 5.5 kHz lies under all sounds. An MP3 encoder adds echoes to silence before an onset but not
after it, which would reveal the direction of the pulses at any hop. The noise hides these echoes. Louder
pulses over the same noise would reveal the direction, too.

The dataset also has what real ones have: the rows of its annotations are in no order, and some training files are cut
off, which the workflow excludes.
"""

import csv
import io
from collections.abc import Sequence, Set
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from howlow import program
from howlow.data.demo.synthesis import render
from howlow.data.demo.tags import FOLDERS, SPLITS, draw_tags, tag_names
from howlow.features.representation import CLIP_SECONDS

N_CLIPS = 480

_KBIT_S = {16_000: 48, 44_100: 128}
_SPARE_S = 0.1  # so much is rendered beyond the length of the clips, because a decoder may drop some samples
_CUT_OFF_EVERY = 150  # clips


def generate(
    root: Path | str,
    *,
    probes: Sequence[str],
    seed: int = 0,
    n_clips: int = N_CLIPS,
    workers: int = 1,
    sample_rate: int = 16_000,
    n_channels: int = 1,
    seconds: float = CLIP_SECONDS,
) -> None:
    """Write the dataset: `mp3/`, `annotations_final.csv` and `clip_info_final.csv` under `root`.

    On one machine, the same arguments give the same bytes, whatever the number of workers.

    Parameters
    ----------
    root : folder, which is made if it is missing
    probes : names of `howlow.data.demo.probes.PROBES`
    seed : int
    n_clips : int, at least 16
    workers : int, number of processes
    sample_rate : 16000 or 44100, in Hz; the bit rate is 48 or 128 kbit/s
    n_channels : 1 or 2
    seconds : float, the length of the clips that the files hold

    Raises
    ------
    ValueError
        if `n_clips` is less than the number of folders
    """
    root = Path(root)
    folders, played, annotated = draw_tags(n_clips, seed, probes)
    tags = tag_names(probes)
    infos = _draw_infos(folders, seconds)
    for folder in FOLDERS:
        (root / "mp3" / folder).mkdir(parents=True, exist_ok=True)
    paths = [root / "mp3" / info["mp3_path"] for info in infos]
    playing = [frozenset(np.array(tags)[row]) for row in played]
    seeds = [(seed, clip_id) for clip_id in range(1, n_clips + 1)]
    write = partial(
        _write_clip, sample_rate=sample_rate, n_channels=n_channels, seconds=seconds + _SPARE_S, probes=probes
    )
    written = program.parallel(write, zip(paths, playing, seeds, strict=True), workers)
    list(program.progress(written, "demo clips", n_clips))
    for path in _draw_cut_off(paths, folders, seed):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _write_tables(root, infos, tags, annotated, np.random.default_rng(seed).permutation(n_clips))


def _draw_cut_off(paths: Sequence[Path], folders: np.ndarray, seed: int) -> list[Path]:
    """Draw the training files that end in the middle, as after a download that was broken off."""
    train = np.flatnonzero(np.isin(folders, list(SPLITS["train"])))
    return [paths[i] for i in np.random.default_rng(seed).choice(train, len(paths) // _CUT_OFF_EVERY, replace=False)]


def _write_clip(
    clip: tuple[Path, Set[str], tuple[int, int]],
    *,
    sample_rate: int,
    n_channels: int,
    seconds: float,
    probes: Sequence[str],
) -> None:
    path, playing, seed = clip
    rng = np.random.default_rng(seed)
    signal = render(playing, rng, seconds, probes=probes, sample_rate=sample_rate, n_channels=n_channels)
    content = io.BytesIO()  # in memory, because libsndfile reports a full disk as "System error"
    soundfile.write(
        content,
        signal,
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=_compression_level(sample_rate),
    )
    path.write_bytes(content.getbuffer())


def _compression_level(sample_rate: int) -> float:
    """The level that libsndfile maps to the bit rate. It maps linearly between the lowest and highest bit rate."""
    lowest, highest = (8, 160) if sample_rate < 32_000 else (32, 320)  # MPEG-2, MPEG-1
    return (highest - _KBIT_S[sample_rate]) / (highest - lowest)


def _draw_infos(folders: np.ndarray, seconds: float) -> list[dict[str, str]]:
    """Make the rows of `clip_info_final.csv`. A folder has its own artists, whose songs give up to three clips each."""
    infos: list[dict[str, str]] = []
    for folder in FOLDERS:
        for i in range(int((folders == folder).sum())):
            song, part = divmod(i, 3)
            artist = f"Artist {folder}{song // 2 + 1}"  # an artist of this folder only, with two songs
            info = {
                "clip_id": str(len(infos) + 1),
                "track_number": str(song + 1),
                "title": f"Song {song % 2 + 1}",
                "artist": artist,
                "album": "Demo",
                "url": "",
                "segmentStart": str(int(seconds) * part),
                "segmentEnd": str(int(seconds) * (part + 1)),
                "original_url": "",
            }
            infos.append(info | {"mp3_path": _mp3_path(folder, info)})
    return infos


def _mp3_path(folder: str, info: dict[str, str]) -> str:
    artist, album, title = (info[key].lower().replace(" ", "_") for key in ("artist", "album", "title"))
    track = int(info["track_number"])
    return f"{folder}/{artist}-{album}-{track:02}-{title}-{info['segmentStart']}-{info['segmentEnd']}.mp3"


def _write_tables(
    root: Path, infos: list[dict[str, str]], tags: Sequence[str], annotated: np.ndarray, order: np.ndarray
) -> None:
    """Write both tables in MagnaTagATune's format: separated by tabs, and the annotations in quotes.

    The rows of the annotations are in the given order, those of the clips' information in the order of the clips.
    """
    with (root / "annotations_final.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["clip_id", *tags, "mp3_path"])
        for i in order:
            writer.writerow([infos[i]["clip_id"], *annotated[i].astype(int), infos[i]["mp3_path"]])
    with (root / "clip_info_final.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(infos[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(infos)
