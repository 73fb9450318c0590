"""Compare the speed of the front end, from audio files to mel-spectrograms, with that of the paper's authors.

It computes all 14 pairs of sample rate and number of bands in both log types. Every figure of a table comes from the
same run and the same clips, so that the ratios hold even on a machine that others use:

    python benchmarks/front_end.py [FOLDER]

FOLDER is in MagnaTagATune's layout. Without it, clips of the demo are generated.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import yaml

from howlow.data import demo
from howlow.features import audio, mel

ROOT = Path(__file__).resolve().parents[1]

RATES = (12_000, 16_000)
BANDS = (128, 96, 48, 32, 24, 16, 8)


def authors(path: Path) -> list[np.ndarray]:
    """The authors' extraction: Essentia frame by frame, also for the logarithms, with a loader for each sample rate."""
    import essentia.standard as es

    spectrograms = []
    for rate in RATES:
        signal = es.MonoLoader(filename=str(path), sampleRate=rate)()
        window = es.Windowing(type="hann", normalized=False)
        spectrum = es.Spectrum(size=512)
        banks = [_mel_bands(es, rate, n_mels) for n_mels in BANDS]
        to_db = es.UnaryOperator(type="lin2db", scale=2)
        shift, log10 = es.UnaryOperator(type="identity", shift=1, scale=10_000), es.UnaryOperator(type="log10")
        frames: list[list[np.ndarray]] = [[] for _ in range(2 * len(BANDS))]
        for frame in es.FrameGenerator(signal, frameSize=512, hopSize=256):
            magnitudes = spectrum(window(frame))
            for number, bank in enumerate(banks):
                power = bank(magnitudes)
                frames[2 * number].append(log10(shift(power)))
                frames[2 * number + 1].append(to_db(power))
        spectrograms += [np.array(rows).T for rows in frames]
    return spectrograms


def _mel_bands(es, rate: int, n_mels: int):
    return es.MelBands(
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


def howlow(path: Path) -> list[np.ndarray]:
    """The extraction by howlow's library."""
    spectrograms = []
    for rate, clip in audio.load_clips(path, RATES).items():
        power = mel.power_spectrum(clip)
        for n_mels in BANDS:
            bands = mel.mel_bands(power, rate, n_mels)
            spectrograms += [mel.compress(bands, log_type) for log_type in ("log", "db")]
    return spectrograms


def decoding(path: Path) -> np.ndarray:
    """Decoding alone, with libsndfile."""
    return soundfile.read(path, dtype="float32")[0]


def one_process(ways: list[Callable], paths: list[Path]) -> dict[str, float]:
    """Median time per clip in ms of each way; all ways take turns on every clip."""
    times: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for way in ways:
        way(paths[0])
    for path in paths:
        for way in ways:
            start = time.perf_counter()
            way(path)
            times[way.__name__].append(1000 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def two_processes(paths: list[Path]) -> float:
    """Time per clip in ms when two processes share the authors' extraction."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(authors_time, paths[:2]))
        start = time.perf_counter()
        list(pool.map(authors_time, paths))
        return 1000 * (time.perf_counter() - start) / len(paths)


def authors_time(path: Path) -> None:
    """Run `authors` without passing its result to another process."""
    authors(path)


def repeated(found: list[Path], n_clips: int, root: Path) -> Path:
    """A dataset of many copies of the given clips, so that the start of programs hardly counts in the time."""
    rows = []
    for number in range(n_clips):
        link = root / f"{number % 16:x}" / f"{number}.mp3"
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found[number % len(found)], link)
        rows.append(f'"{number}"\t"1"\t"{link.relative_to(root)}"\n')
    (root / "annotations_final.csv").write_text('"clip_id"\t"tag"\t"mp3_path"\n' + "".join(rows))
    return root


def through_the_workflow(root: Path, n_clips: int, folder: Path) -> float:
    """Time per clip in ms of the rules `decode`, `spectrum` and `mel` on two cores, with all files written."""
    grid = [{"sample_rate": list(RATES), "n_mels": list(BANDS)}]
    config = {
        "datasets": {"music": {"kind": "mtat", "root": str(root), "shards": 2, "max_excluded": 0.1}},
        "experiments": [{"dataset": "music", "model": "vgg", "grid": grid}],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command = [*snakemake, "--directory", str(folder), "--quiet", "rules"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def run(*files: str) -> None:
        configuration = ["--configfile", str(folder / "config.yaml")]
        subprocess.run([*command, *configuration, "--", *files], check=True, env=environment, stderr=subprocess.DEVNULL)

    run("results/music/tracks.parquet")
    targets: list[str] = [
        f"results/music/mel/{rate}/{n}/{shard}.npy" for rate in RATES for n in BANDS for shard in ("00", "01")
    ]
    start = time.perf_counter()
    run(*targets)
    return 1000 * (time.perf_counter() - start) / n_clips


def peak_memory(paths: list[Path], folder: Path, n_clips: int) -> dict[str, float]:
    """Largest resident memory in MB of a decode, a spectrum and a mel job on one shard of `n_clips` clips."""
    from howlow.data.tracks import Tracks

    chosen = [paths[i % len(paths)] for i in range(n_clips)]
    ids = [str(i) for i in range(n_clips)]
    labels = np.ones((n_clips, 1), bool)
    Tracks(ids, list(map(str, chosen)), ["train"] * n_clips, ["00"] * n_clips, ("a",), labels).write(
        folder / "t.parquet", "d"
    )
    decode_spec = {"sample_rate": 16_000, "seconds": 29.1}
    mel_spec = {"dtype": "float16", "n_mels": 128, "sample_rate": 16_000}
    decode_files = ["--tracks", "t.parquet", "--shard", "00", "--root", "/", "--audio", "a.npy", "--record", "a.json"]
    spectrum_files = ["--audio", "a.npy", "--clips", "a.json", "--spectra", "s.npy", "--record", "s.json"]
    mel_files = ["--spectra", "s.npy", "--spectra-record", "s.json", "--mel", "m.npy", "--record", "m.json"]
    return {
        "decode": _peak(folder, "decode", decode_spec, decode_files),
        "spectrum": _peak(folder, "spectrum", {"window": "periodic"}, spectrum_files),
        "mel": _peak(folder, "mel", mel_spec, mel_files),
    }


_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak(folder: Path, name: str, spec: dict, arguments: Iterable[str]) -> float:
    program = ROOT / "workflow" / "scripts" / f"{name}.py"
    command = [sys.executable, str(program), "--spec", json.dumps(spec), *arguments]
    # A small process starts it, because the kernel reports at least the memory of the starting process.
    launcher = [sys.executable, "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return int(done.stdout.split()[-1]) / 1000


def main(root: Path | None, n_timed: int, n_workflow: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if root is None:
            root = folder / "demo"
            demo.generate(root, n_clips=64, workers=2, probes=["air"])
        found = sorted((root / "mp3" if (root / "mp3").is_dir() else root).glob("*/*.mp3"))
        paths = found[:: max(1, len(found) // n_timed)][:n_timed]
        print(f"{len(paths)} of {len(found)} clips in {root.name}\n")

        single = one_process([authors, howlow, decoding], paths)
        print("| from file to all 14 x 2 spectrograms, one process | ms per clip | times faster | times decoding |")
        print("|---|---|---|---|")
        for name, ms in single.items():
            print(f"| {name} | {ms:.1f} | {single['authors'] / ms:.1f} | {ms / single['decoding']:.1f} |")

        double = two_processes(paths)
        ours = through_the_workflow(repeated(found, n_workflow, folder / "many"), n_workflow, folder)
        print(f"\n| two processes, {n_workflow} clips | ms per clip | times faster |\n|---|---|---|")
        print(f"| authors, nothing written | {double:.1f} | 1.0 |")
        print(f"| howlow's rules decode, spectrum and mel, all files written | {ours:.1f} | {double / ours:.1f} |")
        print(f"| (the authors in one process) | {single['authors']:.1f} | {double / single['authors']:.1f} |")

        print("\n| clips in the shard | peak of decode, MB | of spectrum | of mel |\n|---|---|---|---|")
        for n_clips in (50, 1000):
            peaks = peak_memory(found, folder, n_clips)
            print(f"| {n_clips} | {peaks['decode']:.0f} | {peaks['spectrum']:.0f} | {peaks['mel']:.0f} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path, help="clips in MagnaTagATune's layout")
    options.add_argument("--timed", type=int, default=20, help="number of clips to time in one process")
    options.add_argument(
        "--clips", type=int, default=3000, help="number of clips for the workflow; the clips are repeated"
    )
    given = options.parse_args()
    main(given.folder and given.folder.resolve(), given.timed, given.clips)
