"""The page that plays representations side by side, as one file that works offline."""

import base64
import hashlib
import io
import re
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
import soundfile

from howlow.features.representation import HOP_SIZE, STORED_BITS, Representation
from howlow.names import LOG_NAMES, value

EXCERPT_S = 10
"""Length of the excerpts on the page in seconds, unless `PAGE_BYTES` requires shorter ones."""

PAGE_BYTES = 20_000_000
"""Intended size of the page: longer excerpts are shortened, but not below `SHORTEST_S`.

With one clip, all 88 cells of the paper and both methods, excerpts last 4 to 5 s. With several such clips the page is
larger than this.
"""

SHORTEST_S = 3

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")

METHODS = {"noise": "Noise", "griffin_lim": "Griffin-Lim"}


class Sound(NamedTuple):
    """A clip that was turned back into sound from the representation of a cell, which is named, by one method."""

    clip_id: str
    cell: str
    representation: Representation
    method: str
    correlation: float
    bytes_per_clip: int

    @property
    def file(self) -> str:
        """The path of the FLAC file, relative to the folder of all sounds."""
        return f"{folder_name(self.clip_id)}/{self.cell}_{self.method}.flac"


def folder_name(clip_id: str) -> str:
    """The name of the folder of a clip's FLAC files.

    It is the clip's id if that is short and plain. Otherwise it is the plain part of the id, and a digest that makes it
    unique.
    """
    if _PLAIN.fullmatch(clip_id):
        return clip_id
    plain = re.sub(r"[^A-Za-z0-9]+", "-", clip_id).strip("-")[-40:]
    digest = hashlib.sha256(clip_id.encode(errors="surrogateescape")).hexdigest()[:8]
    return "-".join(filter(None, [plain, digest]))


def page(sounds: list[Sound], paths: dict[str, str], folder: Path, seconds: float) -> str:
    """The page as HTML.

    Parameters
    ----------
    sounds : sorted so that the sounds of a clip, and within it those of a representation, are together
    paths : the paths of the clips in their dataset, by clip id
    folder : the folder with the FLAC file of each sound, and `original.flac` in the `folder_name` of each clip
    seconds : float, length of the clips
    """
    excerpt_s = excerpt_seconds(sum(file.stat().st_size for file in folder.rglob("*.flac")), seconds)
    clips = groupby(sounds, key=lambda sound: sound.clip_id)
    return PAGE.substitute(
        seconds=f"{seconds:g}",
        excerpt=f"{excerpt_s:g}",
        clips="\n".join(
            _clip(clip_id, paths[clip_id], list(group), folder, excerpt_s, seconds) for clip_id, group in clips
        ),
    )


def excerpt_seconds(n_bytes: int, seconds: float) -> float:
    """Length of the excerpts in seconds, rounded to tenths, given the size of the FLAC files of whole clips."""
    bytes_per_second = n_bytes * 4 / 3 / seconds  # base64 takes four characters for three bytes
    affordable = int(10 * PAGE_BYTES / bytes_per_second) / 10
    return min(seconds, EXCERPT_S, max(SHORTEST_S, affordable))


def _clip(clip_id: str, path: str, sounds: list[Sound], folder: Path, excerpt_s: float, seconds: float) -> str:
    methods = list(dict.fromkeys(sound.method for sound in sounds))
    cells = groupby(sounds, key=lambda sound: sound.representation)
    return CLIP.substitute(
        clip=escape(clip_id),
        path=escape(path),
        original=_player(folder / folder_name(clip_id) / "original.flac", f"original of clip {clip_id}", excerpt_s),
        methods="".join(f'<th scope="col">{METHODS[method]} <small>and correlation</small></th>' for method in methods),
        rows="\n".join(_row(cell, _in_words(cell, seconds), list(group), folder, excerpt_s) for cell, group in cells),
    )


def _row(cell: Representation, name: str, sounds: list[Sound], folder: Path, excerpt_s: float) -> str:
    hop_ms = 1000 * HOP_SIZE * cell.hop_factor / cell.sample_rate
    players = [
        f'<td data-label="{METHODS[sound.method]}"><div class="sound">'
        f"{_player(folder / sound.file, f'{name}, {METHODS[sound.method]}', excerpt_s)}"
        f'<span class="r" title="correlation">{_correlation(sound.correlation)}</span></div></td>'
        for sound in sounds
    ]
    return (
        f'<tr><th scope="row">{name}<small>a frame every {hop_ms:.0f} ms</small></th>{"".join(players)}'
        f'<td class="bytes" data-label="Bytes per clip">{sounds[0].bytes_per_clip:,}</td></tr>'
    )


def _in_words(cell: Representation, seconds: float) -> str:
    log_type = LOG_NAMES[cell.log_type]
    bits = [value("bits", cell.bits)] if cell.bits != STORED_BITS else []
    part = [value("seconds", cell.seconds)] if cell.seconds != seconds else []
    words = [f"{cell.sample_rate / 1000:g} kHz", f"{cell.n_mels} bands", f"x{cell.hop_factor} hop", log_type]
    return ", ".join([*words, *bits, *part])


def _correlation(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3f}"


def _player(flac: Path, label: str, excerpt_s: float) -> str:
    content = base64.b64encode(_excerpt(flac, excerpt_s)).decode()
    return (
        '<audio controls controlslist="nodownload noplaybackrate" preload="metadata"'
        f' aria-label="{escape(label)}" src="data:audio/flac;base64,{content}"></audio>'
    )


def _excerpt(flac: Path, seconds: float) -> bytes:
    """The middle of a FLAC file, with the same samples, as a FLAC file of its own."""
    info = soundfile.info(flac)
    length = min(info.frames, round(seconds * info.samplerate))  # a cell may have a shorter part of the clip
    samples, rate = soundfile.read(flac, length, (info.frames - length) // 2, dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sonified mel-spectrograms</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --text: #1c2024; --soft: #5b6470; --line: #d9dde3; --back: #fff; --bar: #f3f5f8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ee; --soft: #9aa4b2; --line: #333a44; --back: #15181c; --bar: #1e2329; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--back); }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0; }
p { max-width: 46rem; margin: 0 0 .8rem; }
small, .path, caption { color: var(--soft); }
.path { overflow-wrap: anywhere; margin-bottom: .5rem; }
audio { display: block; flex: 1; min-width: 0; width: 100%; height: 2.25rem; }
.original { position: sticky; top: 0; z-index: 1; display: flex; align-items: center; gap: 1rem;
  padding: .6rem .75rem; margin-bottom: 1rem; background: var(--bar); border: 1px solid var(--line);
  border-radius: .5rem; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; font-size: .85rem; padding-bottom: .5rem; }
th, td { padding: .4rem .75rem; text-align: left; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; white-space: nowrap; }
tbody tr:hover { background: var(--bar); }
th small { font-weight: 400; }
tbody th small { display: block; }
.sound { display: flex; align-items: center; gap: .75rem; min-width: 15rem; }
.r, .bytes { font-variant-numeric: tabular-nums; }
.bytes, thead th:last-child { text-align: right; white-space: nowrap; }
@media (max-width: 52rem) {
  thead { position: absolute; clip-path: inset(50%); }
  table, caption, tbody, tr, tbody th, td { display: block; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  th, td { border: 0; padding: .2rem 0; }
  td::before { content: attr(data-label); display: block; font-size: .85rem; color: var(--soft); }
  .bytes { display: flex; justify-content: space-between; align-items: baseline; }
}
</style>
</head>
<body>
<h1>Sonified mel-spectrograms</h1>
<p>What does a mel-spectrogram keep of the music? Each sound below was made from nothing but the numbers that a
network is trained on. The power in each bin of the spectrum is estimated from the mel bands, and each frame lasts
until the next one. A spectrogram does not contain the phases. They are those of noise, as in the paper, or they are
estimated by the Griffin-Lim algorithm. Fewer bands blur pitch and timbre, and larger hops blur rhythm and attacks.
Both log types hold the same power, so they sound the same.</p>
<p>The number beside a player is the correlation of the sound's own mel-spectrogram with the one that it was made
from. It says how well the sound represents that spectrogram, not how much of the music is left in it. It is computed
over the whole clip of $seconds s, of which the players play the $excerpt s in the middle.</p>
<p><small>After A. Ferraro, D. Bogdanov, X. Serra, J. H. Jeon and J. Yoon, “How Low Can You Go? Reducing Frequency and
Time Resolution in Current CNN Architectures for Music Auto-tagging”, 2020.</small></p>
$clips
<script>
// One sound at a time.
document.addEventListener("play", event => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);
</script>
</body>
</html>
""")

CLIP = Template("""<section>
<h2>Clip $clip</h2>
<p class="path">$path</p>
<div class="original"><strong>Original</strong>$original</div>
<table>
<caption>From the richest representation to the most reduced one</caption>
<thead><tr><th scope="col">Representation</th>$methods<th scope="col">Bytes per clip</th></tr></thead>
<tbody>
$rows
</tbody>
</table>
</section>""")
