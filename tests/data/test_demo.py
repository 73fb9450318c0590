"""The demo's generator makes the same music each time, in MagnaTagATune's layout, with probes of known resolution."""

import csv
import hashlib
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from howlow.config import schema
from howlow.data import demo
from howlow.data.demo import probes, synthesis, tags
from howlow.features import audio, quantizer
from howlow.features.mel import mel_power

RATE = 16_000
SECONDS = 29.2
LENGTH = round(SECONDS * RATE)
N_TINY = 32
THREE = ("air", "attack first", "split partial")
ALL = tuple(probes.PROBES)
TAGS = (*tags.MUSICAL, *THREE)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    demo.generate(root, probes=THREE, n_clips=16, seed=3, workers=2, seconds=12)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def power_spectrum(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(signal), 1 / RATE), np.abs(np.fft.rfft(signal.astype(float))) ** 2


def in_split(folders: np.ndarray, split: str) -> np.ndarray:
    return np.isin(folders, list(tags.SPLITS[split]))


def test_same_seed_gives_same_bytes_whatever_the_number_of_workers(tmp_path):
    for workers in (1, 2):
        demo.generate(tmp_path / str(workers), probes=ALL, n_clips=16, seed=3, workers=workers, seconds=8)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert len(digests(tmp_path / "1")) == 16 + 2


def test_seed_changes_tags_and_sound():
    assert not np.array_equal(tags.draw_tags(64, 0, ALL)[1], tags.draw_tags(64, 1, ALL)[1])
    first, second = (synthesis.render({"piano"}, np.random.default_rng(seed), 8.0, probes=ALL) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_annotations_have_the_original_layout(root):
    lines = (root / "annotations_final.csv").read_text().splitlines()
    header = lines[0].split("\t")
    assert header == [f'"{name}"' for name in ("clip_id", *TAGS, "mp3_path")]
    assert all(field[0] == field[-1] == '"' for line in lines for field in line.split("\t"))
    table = rows(root / "annotations_final.csv")
    ids = [row["clip_id"] for row in table]
    assert ids != sorted(ids, key=int) and sorted(ids, key=int) == [str(i) for i in range(1, 17)]
    assert {row[tag] for row in table for tag in TAGS} == {"0", "1"}


def test_clip_info_names_the_same_files(root):
    info = rows(root / "clip_info_final.csv")
    assert list(info[0]) == (
        [
            "clip_id",
            "track_number",
            "title",
            "artist",
            "album",
            "url",
            "segmentStart",
            "segmentEnd",
            "original_url",
            "mp3_path",
        ]
    )
    assert [row["clip_id"] for row in info] == [str(i) for i in range(1, 17)]
    path_of = {row["clip_id"]: row["mp3_path"] for row in info}
    assert path_of == {row["clip_id"]: row["mp3_path"] for row in rows(root / "annotations_final.csv")}
    paths = list(path_of.values())
    assert sorted(paths) == sorted(str(path.relative_to(root / "mp3")) for path in root.rglob("*.mp3"))
    assert {path[0] for path in paths} == set("0123456789abcdef")


def test_every_row_of_annotations_has_the_tags_of_its_clip(root):
    _, _, annotated = tags.draw_tags(16, 3, THREE)
    for row in rows(root / "annotations_final.csv"):
        assert [row[tag] for tag in TAGS] == [str(int(x)) for x in annotated[int(row["clip_id"]) - 1]]


def test_a_training_file_in_150_is_cut_off(tmp_path):
    demo.generate(tmp_path, probes=THREE, n_clips=320, workers=2, seconds=3)
    bytes_of_path = {path: path.stat().st_size for path in tmp_path.rglob("*.mp3")}
    short = [path for path, size in bytes_of_path.items() if size < 0.6 * max(bytes_of_path.values())]
    assert len(short) == 2
    assert {path.parent.name for path in short} <= set(tags.SPLITS["train"])
    for path in short:
        with pytest.raises(audio.AudioError, match=r"shorter than 3 s \(1.5"):
            audio.load_clip(path, 12_000, 3)


def test_paths_are_unique_and_no_artist_is_in_two_folders():
    folders, _, _ = tags.draw_tags(demo.N_CLIPS, 0, ALL)
    infos = demo._draw_infos(folders, 10)
    assert len({info["mp3_path"] for info in infos}) == demo.N_CLIPS
    folder_of: dict[str, str] = {}
    for info in infos:
        assert folder_of.setdefault(info["artist"], info["mp3_path"][0]) == info["mp3_path"][0]


def test_clips_are_16_khz_mono_48_kbit_mp3_and_long_enough(root):
    for path in root.rglob("*.mp3"):
        info = soundfile.info(path)
        assert (info.format, info.samplerate, info.channels) == ("MP3", RATE, 1)
        signal, rate = soundfile.read(path)
        assert 12 * rate <= len(signal) < 12.4 * rate
        assert np.abs(signal).max() < 1
        assert path.stat().st_size * 8 / (len(signal) / rate) == pytest.approx(48_000, rel=0.02)


def test_44_khz_stereo(tmp_path):
    path = tmp_path / "clip.mp3"
    demo._write_clip((path, {"piano", "air"}, (0, 1)), sample_rate=44_100, n_channels=2, seconds=29.2, probes=ALL)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels) == (44_100, 2)
    assert path.stat().st_size * 8 / info.duration == pytest.approx(128_000, rel=0.01)
    left, right = soundfile.read(path)[0].T
    assert np.abs(left - right).max() > 0.01
    assert len(audio.load_clip(path, 12_000)) == audio.n_samples(12_000)


@pytest.mark.parametrize("n_clips", [0, 15])
def test_too_few_clips(n_clips, tmp_path):
    with pytest.raises(ValueError, match="at least 16"):
        demo.generate(tmp_path, probes=THREE, n_clips=n_clips)


@pytest.mark.parametrize("n_clips", [16, 17, 18, 19, 20, 21, 22, 32, 100, demo.N_CLIPS])
def test_every_folder_has_a_clip(n_clips):
    folders, played, annotated = tags.draw_tags(n_clips, 0, ALL)
    assert len(folders) == len(played) == len(annotated) == n_clips
    assert set(folders) == set(tags.FOLDERS)
    assert sum(tags.split_sizes(n_clips).values()) == n_clips


@pytest.mark.parametrize("n_clips", [N_TINY, 100, demo.N_CLIPS])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("split", tags.SPLITS)
@pytest.mark.parametrize("chosen", [THREE, ALL, ["air", "loud murmur"]])
def test_every_tag_has_both_values_in_every_split(n_clips, seed, split, chosen):
    folders, played, annotated = tags.draw_tags(n_clips, seed, chosen)
    of_split = annotated[in_split(folders, split)]
    assert of_split.any(axis=0).all() and not of_split.all(axis=0).any()
    assert played[:, : len(synthesis.INSTRUMENTS)].any(axis=1).all()


@pytest.mark.parametrize("split", ["train", "test"])
def test_rates(split):
    folders, _, annotated = tags.draw_tags(demo.N_CLIPS, 0, ALL)
    rates = dict(zip(tags.tag_names(ALL), annotated[in_split(folders, split)].mean(axis=0), strict=True))
    assert all(0.05 <= rates[tag] <= 0.5 for tag in tags.MUSICAL)
    assert all(rates[tag] == pytest.approx(0.5, abs=0.01) for tag in ALL)


def test_annotators_forget_musical_tags_only():
    _, played, annotated = tags.draw_tags(demo.N_CLIPS, 0, ALL)
    assert not (annotated & ~played).any()
    n_musical = len(tags.MUSICAL)
    forgotten = 1 - annotated[:, :n_musical].sum() / played[:, :n_musical].sum()
    assert forgotten == pytest.approx(tags.FORGOTTEN, abs=0.02)
    assert np.array_equal(played[:, n_musical:], annotated[:, n_musical:])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("split", "largest"), [("train", 0.03), ("validation", 0.1), ("test", 0.04)])
@pytest.mark.parametrize("chosen", [THREE, ALL])
def test_probes_are_independent_of_all_other_tags(seed, split, largest, chosen):
    folders, _, annotated = tags.draw_tags(demo.N_CLIPS, seed, chosen)
    correlations = np.abs(np.corrcoef(annotated[in_split(folders, split)].T))[len(tags.MUSICAL) :]
    assert correlations[:, : len(tags.MUSICAL)].max() < largest
    among_probes = correlations[:, len(tags.MUSICAL) :] - np.eye(len(chosen))
    assert among_probes.max() < (largest if chosen == THREE else 0.12)  # no split is a multiple of 32 combinations


@pytest.mark.parametrize("air", [True, False])
def test_hiss_is_above_6_khz(air):
    hz, power = power_spectrum(probes.render_hiss(air, np.random.default_rng(0), LENGTH, RATE))
    assert power[hz < 6000].sum() < 1e-6 * power.sum()
    assert power[(hz > 6390) & (hz < 7310)].sum() > 0.999 * power.sum()


def test_air_is_all_that_changes_above_6_khz():
    def high(playing):
        hz, power = power_spectrum(synthesis.render(playing, np.random.default_rng(0), SECONDS, probes=ALL)[:, 0])
        return power[(hz > 6390) & (hz < 6850)].sum() / power[(hz > 6000)].sum()

    assert high({"piano", "drums", "air"}) > 0.9
    assert high({"piano", "drums"}) < 0.1


def test_pulses_have_the_same_spectrum_forwards_and_backwards():
    forwards = probes.render_pulses(True, np.random.default_rng(0), LENGTH, RATE)
    backwards = probes.render_pulses(False, np.random.default_rng(0), LENGTH, RATE)
    spectra = [power_spectrum(track)[1] for track in (forwards, backwards)]
    np.testing.assert_allclose(*spectra, atol=1e-6 * spectra[0].max())
    np.testing.assert_array_equal(*(np.sort(np.abs(track)) for track in (forwards, backwards)))


def lone_pulse(track: np.ndarray) -> np.ndarray:
    """The first pulse that has silence on both sides."""
    silent = np.flatnonzero(track == 0)
    before = np.flatnonzero((np.diff(silent) > 0.11 * RATE) & (np.diff(silent) <= 0.12 * RATE + 1))[0]
    return track[silent[before] : silent[before] + round(0.12 * RATE)]


def test_pulses_fall_and_die_away():
    quarters = lone_pulse(probes.render_pulses(True, np.random.default_rng(0), LENGTH, RATE)).reshape(4, -1)
    levels = np.mean(quarters**2, axis=1)
    assert (levels[1:] < levels[:-1]).all()
    hz = [np.fft.rfftfreq(len(quarter), 1 / RATE)[np.abs(np.fft.rfft(quarter)).argmax()] for quarter in quarters]
    assert (np.diff(hz) < -100).all()


@pytest.mark.parametrize(("distance_s", "is_shown"), [(0.02, True), (0.05, True), (0.16, False), (0.213, False)])
def test_frames_that_see_no_pulse_together_do_not_show_the_direction(distance_s, is_shown):
    """The skewness of the change of level between two frames is zero where time has no direction."""
    track = probes.render_pulses(True, np.random.default_rng(0), 3000 * RATE, RATE)
    frames = track[: len(track) // 320 * 320].reshape(-1, 320)  # 20 ms
    level = np.log(np.mean(frames**2, axis=1) + 1e-6)
    apart = round(distance_s / 0.02)
    change = level[apart:] - level[:-apart]
    blocks = (change**3)[: len(change) // 100 * 100].reshape(-1, 100).mean(axis=1)  # 2 s, nearly independent
    sigmas = abs(blocks.mean()) / (blocks.std() / np.sqrt(len(blocks)))
    assert sigmas > 10 if is_shown else sigmas < 3.5


def test_pulses_are_out_of_the_other_bands():
    hz, power = power_spectrum(probes.render_pulses(True, np.random.default_rng(0), LENGTH, RATE))
    assert power[(hz < 2800) | (hz > 6000)].sum() < 1e-4 * power.sum()


def test_whistles_have_the_same_power_with_one_and_two_partials():
    power_of = {}
    for split in (True, False):
        hz, power = power_spectrum(probes.render_whistle(split, np.random.default_rng(0), LENGTH, RATE))
        assert power[(hz < 2300) | (hz > 2850)].sum() < 1e-4 * power.sum()
        middle = hz[power.argmax()]
        middle_power = power[np.abs(hz - middle) < 60].sum() / power.sum()
        assert middle_power == pytest.approx(0.5 if split else 1, abs=0.05)
        power_of[split] = power.sum()
    assert power_of[True] == pytest.approx(power_of[False], rel=0.02)


@pytest.mark.parametrize("sample_rate", [12_000, 16_000])
def test_8_bands_do_not_split_the_partials(sample_rate):
    def bands(split):
        whistle = probes.render_whistle(split, np.random.default_rng(0), 3 * LENGTH, 48_000)[:: 48_000 // sample_rate]
        return mel_power(whistle, sample_rate, 8).mean(axis=1)

    split, single = bands(True), bands(False)
    loud = single > 0.01 * single.max()
    np.testing.assert_allclose(split[loud], single[loud], rtol=0.02)


@pytest.mark.parametrize("tag", tags.MUSICAL)
def test_music_leaves_the_probes_their_bands(tag):
    signal = synthesis.render_music({"piano", tag}, np.random.default_rng(0), LENGTH, RATE)
    assert np.isfinite(signal).all()
    hz, power = power_spectrum(signal)
    assert power[hz > 2400].sum() < 1e-3 * power.sum()


MELS = [(rate, n_mels) for rate in (12_000, 16_000) for n_mels in (96, 48, 24)]


def mel_db(signal: np.ndarray, sample_rate: int, n_mels: int) -> np.ndarray:
    """The bands in dB of a signal at 48 kHz, in its whole frames."""
    at_rate = resample_poly(signal, sample_rate // 4000, 12).astype(np.float32)
    return 10 * np.log10(mel_power(at_rate, sample_rate, n_mels)[:, 1:-1])


def murmurs(sample_rate: int, n_mels: int) -> list[np.ndarray]:
    """The bands that the murmur reaches, in dB: with the tag and without it, among the sounds of all clips."""

    def sound(loud):
        rng = np.random.default_rng(0)
        murmur = probes.render_murmur(loud, rng, 10 * 48_000, 48_000)
        return murmur + probes.render_bed(rng, 10 * 48_000, 48_000)

    corners_hz = librosa.mel_frequencies(n_mels + 2, fmin=0, fmax=sample_rate / 2)
    reached = (corners_hz[2:] > 3000) & (corners_hz[:-2] < 3400)
    return [mel_db(sound(loud), sample_rate, n_mels)[reached] for loud in (True, False)]


@pytest.mark.parametrize(("sample_rate", "n_mels"), MELS)
def test_one_and_two_bits_do_not_show_the_level_of_the_murmur(sample_rate, n_mels):
    with_tag, without_tag = murmurs(sample_rate, n_mels)
    assert with_tag.max() < 0
    assert (without_tag < -40).mean() < 1e-3
    for bits in (1, 2):
        codes = [quantizer.codes(values, quantizer.over_the_whole_range(bits)) for values in (with_tag, without_tag)]
        assert (codes[0] != codes[1]).mean() < 1e-3


@pytest.mark.parametrize(("sample_rate", "n_mels"), MELS)
def test_three_bits_show_the_level_of_the_murmur(sample_rate, n_mels):
    with_tag, without_tag = murmurs(sample_rate, n_mels)
    assert (with_tag - without_tag).mean(axis=1).max() == pytest.approx(6, abs=1)
    codes = [quantizer.codes(values, quantizer.over_the_whole_range(3)).mean() for values in (with_tag, without_tag)]
    assert codes[0] - codes[1] > 0.2


@pytest.mark.parametrize("loud", [True, False])
def test_murmur_is_between_the_whistle_and_the_pulses(loud):
    hz, power = power_spectrum(probes.render_murmur(loud, np.random.default_rng(0), LENGTH, RATE))
    assert power[(hz < 2840) | (hz > 3560)].sum() < 1e-6 * power.sum()


def test_ends_have_the_same_power_in_either_band():
    bright, dark = (probes.render_ends(tag, np.random.default_rng(0), LENGTH, RATE) for tag in (True, False))
    assert np.square(bright).sum() == pytest.approx(np.square(dark).sum(), rel=0.05)
    for track, low_hz, high_hz in ((bright, 5300, 5500), (dark, 4900, 5150)):
        hz, power = power_spectrum(track)
        assert power[(hz < low_hz) | (hz > high_hz)].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize("bright", [True, False])
def test_ends_are_silent_in_the_two_thirds_at_the_centre(bright):
    track = probes.render_ends(bright, np.random.default_rng(0), LENGTH, RATE)
    assert not track[LENGTH // 6 : -(LENGTH // 6)].any()
    tenth = LENGTH // 10
    assert np.square(track[:tenth]).mean() == pytest.approx(np.square(track[-tenth:]).mean(), rel=0.3)
    assert np.square(track[:tenth]).mean() > 1e-4


@pytest.mark.parametrize("name", ALL)
def test_a_clip_has_the_sounds_of_its_probes_alone(name):
    """Each probe adds power in a band of its own, whether the clip has the tag or not."""
    bands_hz = {
        "air": (6300, 7400),
        "attack first": (3700, 4700),
        "split partial": (2400, 2700),
        "loud murmur": (3000, 3400),
        "bright ends": (4950, 5480),
    }
    low_hz, high_hz = bands_hz[name]

    def power_of(chosen):
        signal = synthesis.render({"piano"}, np.random.default_rng(0), SECONDS, probes=chosen)[:, 0]
        hz, power = power_spectrum(signal)
        return power[(hz > low_hz) & (hz < high_hz)].sum()

    without = power_of([other for other in ALL if other != name])
    assert power_of([name]) > 2 * without
    assert power_of(ALL) == pytest.approx(power_of([name]), rel=0.3)


def test_configuration_offers_every_probe():
    offered = schema()["$defs"]["datasets"]["demo"]["properties"]["probes"]["items"]["enum"]
    assert offered == list(ALL)
