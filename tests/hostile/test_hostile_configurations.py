"""Configurations that are hostile, clumsy or impossible are each refused in one line, before anything runs.

A case is one line of a table, with the content of the file and the message. `howlow check --without-data` reads a file
as `howlow check`, `howlow plan` and the Snakefile do: all of them call `howlow.config.load`.
"""

import itertools
import re
import subprocess
import sys
import time

import pytest
from conftest import ROOT, TINY, run_command, snakemake
from snakemake.cli import parse_config

from howlow import config as configuration
from howlow.config import checks

TEXT = TINY.read_text()
LAST = len(TEXT.splitlines()) + 1  # the number of the line that `option` adds


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def option(line: str) -> str:
    """The tiny configuration with one more line at its end."""
    return f"{TEXT}{line}\n"


def training(line: str) -> str:
    return changed("      epochs: 1\n      batch_size: 4\n", f"      batch_size: 4\n      {line}\n")


def bomb() -> str:
    """A text of 300 bytes that stands for nine to the power of nine values."""
    first = "x0: &a [0, 0, 0, 0, 0, 0, 0, 0, 0]\n"
    return first + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise("abcdefgh"))


# case, the file, the message after its name
FILES = [
    ("bomb_of_aliases", bomb() + TEXT, "line 5: stands for more than 20,000 values, aliases counted each time"),
    ("bomb_in_a_setting", changed("seeds: [1, 2]", bomb() + "seeds: *h"), "line 12: stands for more than 20,000"),
    ("nested_lists", option("sound: " + "[" * 5000), f"line {LAST}: is nested more than 30 levels deep"),
    ("nested_mappings", "\n".join(" " * n + "a:" for n in range(300)), "line 31: is nested more than 30 levels deep"),
    ("contains_itself", "datasets: &d\n  d: *d\n", "line 2: there is no complete &d before this *d"),
    ("list_contains_itself", "seeds: &s [*s]\n", "line 1: there is no complete &s before this *s"),
    ("key_twice", training("epochs: 1\n      epochs: 700"), "line 26: the key 'epochs' is there twice, see line 25"),
    ("datasets_twice", option("datasets: {}"), f"line {LAST}: the key 'datasets' is there twice, see line 2"),
    ("seeds_twice", option("seeds: [3]"), f"line {LAST}: the key 'seeds' is there twice, see line 8"),
    ("octal", changed("seeds: [1, 2]", "seeds: [010]"), "line 8: YAML takes 010 for the octal number 8; write a plain"),
    ("base_60", changed("seeds: [1, 2]", "seeds: [1:30]"), "line 8: YAML takes 1:30 for a number to the base of 60"),
    ("norway", changed("    shards: 2", "    tags: [no]"), "line 6: YAML takes no for true or false; write a plain"),
    ("date", changed("    shards: 2", "    tags: [2020-01-01]"), "line 6: YAML takes 2020-01-01 for a date; write a"),
    ("digits", changed("seeds: [1, 2]", f"seeds: [{'9' * 5000}]"), "has a number of more than 4,000 digits"),
    ("key_is_a_number", changed("  tiny:", "  7:"), "line 3: '7' is not text, as a key must be; put it into quotes"),
    ("key_is_a_list", option("? [a]\n: b"), f"line {LAST}: a list or a mapping is not text, as a key must be"),
    ("line_break", changed("    shards: 2", '    tags: ["a\\nb"]'), r"line 6: 'a\nb' has a line break or another con"),
    ("escape", changed("    shards: 2", '    tags: ["\\e[31m"]'), r"line 6: '\x1b[31m' has a line break or another"),
    ("two_documents", TEXT + "---\na: 1\n", "not YAML: expected a single document in the stream but found another"),
    ("anchor_twice", "a: &x 1\nb: &x 2\n", "not YAML: found duplicate anchor 'x'; first occurrence second occurrence"),
    ("code", "a: !!python/object/apply:os.system [ls]\n", "not YAML: could not determine a constructor for the tag"),
    ("not_yaml", "**How far can you shrink**\n", "not YAML: while scanning an alias expected alphabetic or numeric"),
    ("empty", "", "is empty: it needs the keys datasets and experiments"),
    ("a_list", "[1]", "[1] is not a block of keys"),
    ("large", "#" * 200_001, "has 200,001 bytes; a configuration may have at most 200,000"),
    ("seconds_nan", changed("    shards: 2", "    seconds: .nan"), "datasets.tiny.seconds: nan is not a finite number"),
    ("seconds_inf", changed("    shards: 2", "    seconds: .inf"), "datasets.tiny.seconds: inf is not a finite number"),
    ("excluded_nan", changed("    shards: 2", "    max_excluded: .nan"), "datasets.tiny.max_excluded: nan is not a fi"),
    ("width_nan", changed("width: 0.015625", "width: .nan"), "experiments[0].options.width: nan is not a finite"),
    ("momentum_nan", changed("momentum: 0.1", "momentum: .nan"), "experiments[0].options.batch_norm_momentum: nan is"),
    ("rate_nan", training("learning_rate: .nan"), "experiments[0].training.learning_rate: nan is not a finite number"),
    ("rate_inf", training("learning_rate: .inf"), "experiments[0].training.learning_rate: inf is not a finite number"),
    ("rate_large", training("learning_rate: 1e30"), "experiments[0].training.learning_rate: 1e+30 is greater than the"),
    ("margin_nan", option("statistics: {margin_points: .nan}"), "statistics.margin_points: nan is not a finite number"),
    ("margin_inf", option("statistics: {margin_points: .inf}"), "statistics.margin_points: inf is not a finite number"),
    ("margin_large", option("statistics: {margin_points: 1e300}"), "statistics.margin_points: 1e+300 is greater than"),
    ("seed_2_64", changed("[1, 2]", f"[{2**64}]"), f"seeds[0]: {2**64} is greater than the maximum of {2**32 - 1}"),
    ("seed_2_70", changed("[1, 2]", f"[{2**70}]"), f"seeds[0]: {2**70} is greater than the maximum of {2**32 - 1}"),
    ("seed_float", changed("[1, 2]", "[1.0]"), "seeds[0]: 1.0 is not a whole number for YAML: write 1"),
    ("demo_seed", changed("shards: 2", f"seed: {2**70}"), f"datasets.tiny.seed: {2**70} is greater than the maximum"),
    ("hop_float", changed("[10]", "[10.0]"), "experiments[0].grid[0].hop_factor[0]: 10.0 is not a whole number"),
    ("bands_float", changed("[8]", "[8.0]"), "experiments[0].grid[0].n_mels[0]: 8.0 is not a whole number for YAML"),
    ("rate_float", changed("[12000, 16000]", "[12e3]"), "experiments[0].grid[0].sample_rate[0]: 12000.0 is not a whol"),
    ("demo_rate_float", changed("shards: 2", "sample_rate: 16000.0"), "datasets.tiny.sample_rate: 16000.0 is not a"),
    ("channels_true", changed("shards: 2", "n_channels: true"), "datasets.tiny.n_channels: True is not a whole number"),
    ("bands_large", changed("[8]", "[1000000]"), "experiments[0].grid[0].n_mels[0]: 1000000 is greater than the maxi"),
    ("bands_of_rate", changed("[8]", "[193]"), "experiments[0].grid[0].n_mels: vgg at 16000 Hz takes 2 to 192 mel"),
    ("epochs_large", training(f"epochs: {10**30}"), f"experiments[0].training.epochs: {10**30} is greater than the ma"),
    ("clips_large", changed("n_clips: 24", f"n_clips: {10**12}"), f"datasets.tiny.n_clips: {10**12} is greater than"),
    ("threads_large", training("threads: 100000"), "experiments[0].training.threads: 100000 is greater than the maxi"),
    ("batch_large", changed("batch_size: 4", f"batch_size: {10**19}"), "experiments[0].training.batch_size: 100000000"),
    ("grid_large", changed("[10]", str(list(range(1, 1001)))).replace("[8]", str(list(range(2, 192))), 1),
     "experiments: 380,003 cells with 2 seeds are 760,006 trainings, more than the 100,000 that one run can have"),
    ("name_long", TEXT.replace("tiny", "ab" * 30), f"datasets: '{'ab' * 30}' is not valid: a dataset's name has"),
    ("name_periodic", TEXT.replace("tiny", "a" * 30), f"datasets.{'a' * 30}: this name repeats itself too often for"),
    ("name_line_break", TEXT.replace("tiny", '"tiny\\n"'), r"line 3: 'tiny\n' has a line break or another control"),
    ("name_capital", TEXT.replace("tiny", "Tiny"), "datasets: 'Tiny' is not valid: a dataset's name has up to 40"),
    ("name_sound", TEXT.replace("tiny", "sound"), "datasets.sound: results/sound is not a dataset's folder; use"),
    ("user", changed("kind: demo", "kind: mtat\n    root: ~nobody9/m").replace("    n_clips: 24\n", ""),
     "datasets.tiny.root: '~nobody9/m' names a user who has no home folder here"),
    ("long_value", option(f"statistics: [{'1, ' * 10_000}1]"), "statistics: [1, 1, 1, 1, 1"),
    ("long_key", option(f"{'k' * 1000}: 1"), "kkkkkkkk"),
    ("musicnn_2_bands", changed("n_mels: [8]\n    options:\n      width: 0.015625\n      filters",
                                "n_mels: [2]\n    options:\n      width: 0.015625\n      filters"),
     "experiments[1].grid[0].n_mels: musicnn at 12000 Hz takes 3 to 232 mel bands, not 2"),
    ("musicnn_published", changed("filters: 1", "filters: 1\n      orientation: published\n      segment_frames: 6"),
     "experiments[1].grid[0].hop_factor: 12k_mel8_x1_db of 29.1 s: with orientation: published, MUSICNN's filters span"
     " 7 frames for 8 mel bands, but a segment has only 6"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [pytest.param(*case, id=name) for name, *case in FILES])
def test_file_ends_in_one_line_at_once(tmp_path, text, message):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    started = time.process_time()  # CPU time, because other programs may keep the CPU busy
    process = run_command("check", "--without-data", path)
    assert time.process_time() - started < 2
    assert process.returncode == 1
    assert process.stderr.replace(f"{path}: ", "").startswith(f"howlow check: {message}")
    assert process.stderr.count("\n") == 1
    assert len(process.stderr) < 1000


def as_bytes(content: bytes):
    return lambda path: path.write_bytes(content)


# case, what is put in the place of the file, the message after its name
PLACES = [
    ("missing", lambda path: None, "no such file"),
    ("folder", lambda path: path.mkdir(), "is a folder"),
    ("device", lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    ("loop", lambda path: path.symlink_to(path), "no such file"),
    (
        "latin1",
        as_bytes("# M\u00fcller\n".encode("latin-1")),
        "not UTF-8 (invalid start byte at byte 3); save it as UTF",
    ),
    ("utf16", as_bytes(TEXT.encode("utf-16")), "not UTF-8 (invalid start byte at byte 0); save it as UTF-8 text"),
    ("binary", as_bytes(bytes(range(200, 256))), "not UTF-8 (invalid continuation byte at byte 0); save it as UTF-8"),
]


@pytest.mark.parametrize(("make", "message"), [pytest.param(*case, id=name) for name, *case in PLACES])
@pytest.mark.parametrize("command", ["check --without-data", "check", "plan"])
def test_place_ends_in_one_line(tmp_path, command, make, message):
    path = tmp_path / "my.yaml"
    make(path)
    process = run_command(*command.split(), path)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow {command.split()[0]}: {path}: {message}")
    assert process.stderr.count("\n") == 1


# case, the file, the path of a key, its value: texts that look odd and are valid
MEANT = [
    ("exponent", training("learning_rate: 1e-3"), "experiments.0.training.learning_rate", 0.001),
    ("byte_order_mark", "\ufeff" + TEXT, "seeds", [1, 2]),
    ("underscore", changed("[12000, 16000]", "[12_000]"), "experiments.0.grid.0.sample_rate", [12000]),
    ("whole_for_number", changed("width: 0.015625", "width: 1"), "experiments.0.options.width", 1),
    ("largest_seed", changed("[1, 2]", f"[{2**32 - 1}]"), "seeds", [2**32 - 1]),
    (
        "quoted",
        changed("    shards: 2", "    tags: ['no', '1990', 'true']"),
        "datasets.tiny.tags",
        ["no", "1990", "true"],
    ),
]


@pytest.mark.parametrize(("text", "path", "value"), [pytest.param(*case, id=name) for name, *case in MEANT])
def test_what_is_meant_is_read(tmp_path, text, path, value):
    (tmp_path / "my.yaml").write_text(text)
    assert at(configuration.load(tmp_path / "my.yaml"), path) == value


def at(config, path: str):
    for key in path.split("."):
        config = config[int(key) if isinstance(config, list) else key]
    return config


GRID = ", ".join(
    f"{{dataset: tiny, model: {m}, grid: [{{sample_rate: [12000], n_mels: [16]}}]}}" for m in ("vgg", "musicnn")
)

# case, the argument of --config, the path of a key, its value
COMMAND_LINES = [
    ("seeds", "seeds=[1]", "seeds", [1]),
    ("seeds_quoted", "seeds=['1', 2]", "seeds", [1, 2]),
    ("number", "statistics={margin_points: 1e-1}", "statistics.margin_points", 0.1),
    ("one_of_some", "datasets={tiny: {sample_rate: 44100}}", "datasets.tiny.sample_rate", 44100),
    ("the_rest_stays", "datasets={tiny: {seconds: 10}}", "datasets.tiny.n_clips", 24),
    ("text_stays", "datasets={tiny: {tags: [1990, rock]}}", "datasets.tiny.tags", ["1990", "rock"]),
    ("grid", f"experiments=[{GRID}]", "experiments.1.grid.0.n_mels", [16]),
]


def load_with(argument: str):
    """Load the tiny configuration with an argument of --config as Snakemake parses it."""
    return configuration.load(TINY, overrides=parse_config([argument]))


@pytest.mark.parametrize(("argument", "path", "value"), [pytest.param(*case, id=name) for name, *case in COMMAND_LINES])
def test_command_line_is_read_as_a_file_is(argument, path, value):
    found = at(load_with(argument), path)
    assert found == value
    assert type(found) is type(value)


# case, the argument of --config, the message after the name of the file
WRONG_COMMAND_LINES = [
    ("unknown", "sedes=[1]", "sedes: unknown key; did you mean 'seeds'?"),
    ("one_seed", "seeds=1", "seeds: 1 is not a list, such as [1, 2]"),
    ("word", "seeds=[x]", "seeds[0]: 'x' is not a whole number"),
    ("not_whole", "seeds=[1.0]", "seeds[0]: 1.0 is not a whole number for YAML: write 1"),
    ("nan", "statistics={margin_points: .nan}", "statistics.margin_points: nan is not a finite number"),
]


@pytest.mark.parametrize(("argument", "message"), [pytest.param(*case, id=name) for name, *case in WRONG_COMMAND_LINES])
def test_wrong_command_line_ends_in_one_line(argument, message):
    with pytest.raises(configuration.ConfigError) as caught:
        load_with(argument)
    assert str(caught.value) == f"{TINY} with --config: {message}"


# case, the content of the list of expected plans, the message after its name
EXPECTED_PLANS = [
    ("missing", None, "no such file"),
    ("not_yaml", "**How far can you shrink**", "not YAML: while scanning an alias expected alphabetic or numeric"),
    (
        "list",
        "[config/quick.yaml]",
        "has to give the number of jobs of each rule by configuration, as --write makes it",
    ),
    ("no_numbers", "config/quick.yaml: {train: many}", "has to give the number of jobs of each rule by configuration"),
]


@pytest.mark.parametrize(("text", "message"), [pytest.param(*case, id=name) for name, *case in EXPECTED_PLANS])
def test_list_of_expected_plans_ends_in_one_line(tmp_path, text, message):
    path = tmp_path / "plans.yaml"
    if text is not None:
        path.write_text(text)
    process = run_command("plan", "--expect", path)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow plan: {path}: {message}")
    assert process.stderr.count("\n") == 1


# case, the file, further arguments of Snakemake, the exit status, the output
RUNS = [
    ("key_twice", option("seeds: [3]"), [], 1, f"my.yaml: line {LAST}: the key 'seeds' is there twice, see line 8"),
    ("bomb", changed("seeds: [1, 2]", bomb() + "seeds: *h"), [], 1, "my.yaml: line 12: stands for more than 20,000"),
    ("one_seed", TEXT, ["--config", "seeds=[1]"], 0, "seed1/run.json"),
    ("relative", TEXT, ["--directory", "elsewhere"], 0, "seed2/run.json"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "arguments", "status", "printed"), [pytest.param(*case, id=name) for name, *case in RUNS]
)
def test_snakemake_says_the_same(tmp_path, text, arguments, status, printed):
    (tmp_path / "my.yaml").write_text(text)
    process = snakemake(tmp_path, "--dry-run", *arguments, "--configfile", "my.yaml")
    assert process.returncode == status, process.stdout
    assert printed in process.stdout
    assert ("seed2/" in process.stdout) == ("seed2/" in printed)
    assert "Traceback" not in process.stdout


def test_howlow_is_no_module(tmp_path):
    """The rules write below results/ under fixed names. A prefix would not reach the programs that read these files."""
    module = (
        f'module howlow:\n    snakefile: "{ROOT / "Snakefile"}"\n    prefix: "low"\nuse rule * from howlow as low_*\n'
    )
    (tmp_path / "Snakefile").write_text(module)
    command = [sys.executable, "-m", "snakemake", "--dry-run"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "howlow is no module for other workflows" in process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr


def test_names_of_results_are_no_datasets():
    """A dataset can't have the name of a folder that a rule makes directly under results/."""
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    folders = re.findall(r'directory\("results/([a-z][^/"{]*)"', rules) + re.findall(
        r'"results/([a-z][^/".{]*)/', rules
    )
    assert set(folders) == set(checks.RESERVED_NAMES)
