"""Turn the spectrograms of some test clips back into sound: FLAC files, and a page that plays them.

The page is one file that works offline. It plays an excerpt from the middle of each clip; the FLAC files and the
correlations are of whole clips.
"""

import io
import json
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from howlow import files, program
from howlow.data import tracks as tracks_module
from howlow.errors import HowlowError
from howlow.features import audio, levels, quantizer, sonify, store
from howlow.features.representation import Cell, cells_of
from howlow.results import soundpage
from howlow.results.soundpage import Sound


def main(args: Namespace) -> list[Path]:
    spec = args.spec
    cells = sorted(cells_of(spec).items(), key=_richest_first)
    tracks = tracks_module.read(args.tracks)
    held = store.open_store(_manifest(args.mel, cells[0][1]), 1, "db").clip_ids
    paths = _choose(tracks, set(held), spec["clips"])
    if not paths:
        raise HowlowError(f"{args.tracks}: none of the clips in {args.mel} is in the test split")
    rate = max(cell.sample_rate for _, cell in cells)
    with files.whole_folder(args.audio) as folder:
        for clip_id, path in paths.items():
            original = audio.load_clip(Path(args.paths["root"]) / path, rate, spec["seconds"])
            _write_flac(folder / soundpage.folder_name(clip_id) / "original.flac", sonify.limit(original), rate)
        of_cell = partial(_sonify_cell, clip_ids=list(paths), folder=folder, mel=args.mel, spec=spec)
        done = program.progress(program.parallel(of_cell, cells, args.threads), "sonify", len(cells))
        sounds = [sound for cell_sounds in done for sound in cell_sounds]
        sounds.sort(key=lambda sound: list(paths).index(sound.clip_id))  # stable: the richest stays first
        page = soundpage.page(sounds, paths, folder, spec["seconds"])
    columns = ["clip_id", "cell", "method", "correlation"]
    rows = [(s.clip_id, s.cell, s.method, f"{s.correlation:.4f}") for s in sounds]
    files.write_csv(args.correlations, columns, rows)
    files.write_text(args.page, page)
    print(f"{len(paths)} clips, {len(cells)} cells, {len(page) / 1e6:.1f} MB of page")
    return [args.page, args.correlations]


def _richest_first(item: tuple[str, Cell]) -> tuple[float, ...]:
    _, cell = item
    return -cell.sample_rate, -cell.n_mels, cell.hop_factor, cell.log_type == "log", -cell.bits, -cell.seconds


def _choose(tracks: tracks_module.Tracks, held: set[str], n_clips: int) -> dict[str, str]:
    """Choose test clips of the store, spread evenly over all of them; returns their paths by clip id."""
    clips = zip(tracks.clip_ids, tracks.paths, tracks.splits, strict=True)
    not_tested = ("train", "validation")  # with folds, every clip is tested once
    test = [(clip_id, path) for clip_id, path, split in clips if split not in not_tested and clip_id in held]
    n_chosen = min(n_clips, len(test))
    return dict(test[(2 * number + 1) * len(test) // (2 * n_chosen)] for number in range(n_chosen))


def _manifest(folder: Path, representation: Cell) -> Path:
    return folder / str(representation.sample_rate) / str(representation.n_mels) / "manifest.json"


def _sonify_cell(
    item: tuple[str, Cell], clip_ids: list[str], folder: Path, mel: Path, spec: dict[str, Any]
) -> list[Sound]:
    """Write the clips of one cell by each method."""
    name, cell = item
    manifest = _manifest(mel, cell)
    found = levels.read(manifest, cell.bits, spec.get("quantizer"), spec["fold"])
    rounded_by = None if found is None else quantizer.between(cell.bits, **found)
    spectrograms = store.open_store(
        manifest, cell.hop_factor, cell.log_type, n_frames=cell.n_frames_at_x1, quantizer=rounded_by
    )
    n_bytes = quantizer.bytes_per_clip(cell, files.read_json(manifest)["dtype"])
    indices = [spectrograms.clip_ids.index(clip_id) for clip_id in clip_ids]
    sounds = []
    for clip_id, spectrogram in zip(clip_ids, spectrograms.read(np.array(indices)), strict=True):
        for method in spec["methods"]:
            samples = sonify.sonify(spectrogram, cell, method)
            correlation = sonify.correlation(spectrogram, samples, cell, spec["window"])
            sound = Sound(clip_id, name, cell, method, correlation, n_bytes)
            _write_flac(folder / sound.file, samples, cell.sample_rate)
            sounds.append(sound)
    return sounds


def _write_flac(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file is made in memory, because libsndfile says only "System error" if the disk is full.
    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, format="FLAC", subtype="PCM_16")
    path.write_bytes(content.getbuffer())


if __name__ == "__main__":
    options = program.parser(__doc__)
    options.epilog = (
        "--spec has the keys cells (a list of names such as 12k_mel48_x2_db), clips (their number), methods (noise,"
        " griffin_lim), seconds (the length of a clip) and window (that of the spectrograms, periodic or symmetric)."
        " The size of the page grows with clips x cells x methods."
    )
    options.add_argument("--tracks", type=Path, required=True, help="tracks.parquet")
    options.add_argument("--paths", type=json.loads, required=True, help="JSON with the `root` of the dataset")
    options.add_argument("--mel", type=Path, required=True, help="folder with {sample_rate}/{n_mels}/manifest.json")
    options.add_argument("--page", type=Path, required=True, help="HTML file to write")
    options.add_argument("--correlations", type=Path, required=True, help="CSV file to write")
    options.add_argument("--audio", type=Path, required=True, help="folder to write, with a FLAC file for each sound")
    options.add_argument("--threads", type=int, default=1, help="number of processes")
    program.run(main, options)
