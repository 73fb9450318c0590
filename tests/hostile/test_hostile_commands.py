"""Whatever files, devices and folders a user's command meets, it ends with one clear line, and nothing is lost."""

import csv
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import onnx
import pytest
import soundfile
from conftest import HOWLOW, ROOT, TINY, as_nobody, run_command, snakemake
from trained import RATE, SECONDS, noise, write_audio, write_model

from howlow.features import audio

CONFIG = ROOT / "config" / "msd.yaml"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder in which a user works, with a model and songs; the name of one song does not tell that it is music."""
    write_model(tmp_path / "model.pt")
    for number, name in enumerate(("a1.wav", "a2.wav", "a3.wav")):
        write_audio(tmp_path / name, noise(SECONDS, number))
    soundfile.write(tmp_path / "strange", noise(SECONDS, 4), RATE, format="FLAC")
    (tmp_path / "damaged.mp3").write_bytes(b"once a song")
    for name in ("a.yaml", "b.yaml"):
        shutil.copy(ROOT / "tests" / "tiny.yaml", tmp_path / name)
    (tmp_path / "soft").symlink_to("a1.wav")
    (tmp_path / "hard").hardlink_to(tmp_path / "a1.wav")
    (tmp_path / "soft model").symlink_to("model.pt")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


OVERWRITTEN = "would be overwritten, and it is read as well; name another file to write"
MUSIC = "is music, and would be overwritten; name the file to write after --output"
LONG = "y" * 300
OUTPUTS: list[tuple[str, list[str], str]] = [
    ("its input", ["tag", "a1.wav", "--output", "a1.wav"], f"a1.wav: {OVERWRITTEN}"),
    ("an input by a soft link", ["tag", "a1.wav", "--output", "soft"], f"soft: {OVERWRITTEN}"),
    ("an input by a hard link", ["tag", "a1.wav", "--output", "hard"], f"hard: {OVERWRITTEN}"),
    ("an input in a folder", ["tag", ".", "--output", "a2.wav"], f"a2.wav: {OVERWRITTEN}"),
    ("a song, its name forgotten", ["tag", "a2.wav", "a3.wav", "--output", "a1.wav"], f"a1.wav: {MUSIC}"),
    ("a song by a link", ["tag", "a2.wav", "--output", "soft"], f"soft: {MUSIC}"),
    ("a song of another name", ["tag", "a2.wav", "--output", "strange"], f"strange: {MUSIC}"),
    ("a damaged song", ["tag", "a2.wav", "--output", "damaged.mp3"], f"damaged.mp3: {MUSIC}"),
    ("the model", ["tag", "a1.wav", "--output", "model.pt"], f"model.pt: {OVERWRITTEN}"),
    ("the model by a link", ["tag", "a1.wav", "--output", "soft model"], f"soft model: {OVERWRITTEN}"),
    ("nothing", ["tag", "a1.wav", "--output", ""], ".: is a folder; name a file to write"),
    ("a folder", ["tag", "a1.wav", "--output", "sub"], "sub: is a folder; name a file to write"),
    ("below a file", ["tag", "a1.wav", "--output", "model.pt/x"], "model.pt/x: can't be written: Not a directory"),
    ("a long name", ["tag", "a1.wav", "--output", LONG], f"{LONG}: can't be written: File name too long"),
    ("a link to itself", ["tag", "a1.wav", "--output", "loop"], "loop: can't be written: Too many levels"),
    ("a configuration for a list of plans", ["plan", "a.yaml", "--write", "b.yaml"], "b.yaml: has to give the number"),
    ("ONNX over the model", ["export", "--onnx", "model.pt"], f"model.pt: {OVERWRITTEN}"),
    ("ONNX over the model by a link", ["export", "--onnx", "soft model"], f"soft model: {OVERWRITTEN}"),
    ("ONNX to nothing", ["export", "--onnx", ""], ".: is a folder; name a file to write"),
    ("ONNX to a folder", ["export", "--onnx", "sub"], "sub: is a folder; name a file to write"),
]


@pytest.mark.parametrize(("words", "message"), [case[1:] for case in OUTPUTS], ids=[case[0] for case in OUTPUTS])
def test_output_that_would_destroy_something_is_refused(folder, words, message):
    before = contents(folder)
    name, *arguments = words
    process = run_command(name, *([] if name == "plan" else ["--model", "model.pt"]), *arguments)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"howlow {name}: {message}")
    assert len(process.stderr.splitlines()) == 1
    assert contents(folder) == before


def test_output_without_permission(locked_folder):
    song, model = write_audio(locked_folder / "a.wav", noise(SECONDS)), locked_folder / "model.pt"
    write_model(model)
    with as_nobody():
        process = run_command("tag", "--model", model, song, "--output", locked_folder / "tags.txt")
    assert process.returncode == 1
    assert process.stderr == f"howlow tag: {locked_folder / 'tags.txt'}: can't be written: Permission denied\n"


def tagged(*arguments: object) -> str:
    process = run_command("tag", "--model", "model.pt", "a1.wav", *arguments)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


@pytest.mark.parametrize("target", ["there", "not there"])
def test_output_goes_to_the_end_of_a_link(folder, target):
    if target == "there":
        (folder / "sub" / "tags.txt").write_text("old")
    (folder / "link").symlink_to("sub/tags.txt")
    tagged("--output", "link")
    assert (folder / "link").readlink() == Path("sub/tags.txt")
    assert (folder / "sub" / "tags.txt").read_text() == tagged()


@pytest.mark.parametrize("command", ["tag", "export"])
def test_a_named_pipe_stays_one(folder, command):
    os.mkfifo("pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()), daemon=True)
    reader.start()
    arguments = ["a1.wav", "--output", "pipe"] if command == "tag" else ["--onnx", "pipe"]
    assert run_command(command, "--model", "model.pt", *arguments).returncode == 0
    reader.join(timeout=10)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)  # noqa: PTH116
    if command == "tag":
        assert read[0].decode() == tagged()
    else:
        assert onnx.load_from_string(read[0]).graph.output[0].name == "probabilities"


def device(path: Path, minor: int) -> Path:
    """A device node like /dev/null (3) or /dev/full (7), which may be overwritten without harm."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("a device node can't be made or used here")
    return path


@pytest.mark.parametrize(
    ("minor", "command", "message"),
    [
        (3, "tag", None),
        (7, "tag", "can't be written: No space left on device"),
        (7, "export", "can't be written: No space left on device"),
    ],
)
def test_a_device_stays_one(folder, minor, message, command):
    node = device(folder / "node", minor)
    arguments = ["a1.wav", "--output", node] if command == "tag" else ["--onnx", node]
    process = run_command(command, "--model", "model.pt", *arguments)
    assert process.stderr == (f"howlow {command}: {node}: {message}\n" if message else "")
    assert process.returncode == bool(message)
    assert stat.S_ISCHR(node.stat().st_mode)


def test_standard_output_may_be_named(folder):
    """The test uses a link like /dev/stdout, which may be overwritten without harm."""
    (folder / "stdout").symlink_to("/proc/self/fd/1")
    with Path("log").open("w") as log:
        print("before", file=log, flush=True)
        words = [*HOWLOW, "tag", "--model", "model.pt", "a1.wav", "--output", "stdout"]
        subprocess.run(words, stdout=log, check=True)
        print("after", file=log, flush=True)
    assert (folder / "stdout").is_symlink()
    assert Path("log").read_text() == f"before\n{tagged()}after\n"


COMMANDS: list[list[object]] = [
    ["tag", "--model", "model.pt", "a1.wav"],
    ["scale", CONFIG],
    ["check", CONFIG],
    ["plan", "--help"],
    ["new", "--help"],
    ["export", "--help"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(map(str, words[:2])))
class TestStandardOutput:
    def test_whose_reader_has_enough(self, folder, words):
        """It is like `howlow tag ... | head -1`, but with a reader that never reads."""
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as stream:
            process = run_command(*words, stdout=stream)
        assert (process.returncode, process.stderr) == (141, "")

    def test_to_a_full_disk(self, folder, words):
        stream = device(folder / "full", 7).open("w")
        process = run_command(*words, stdout=stream)
        stream.close()
        assert process.returncode == 1
        message = "no space left on the disk of its files, or of its output or log; make room and start again"
        assert process.stderr == f"howlow {words[0]}: {message}\n"


PROGRAM = """
import argparse, sys
from howlow import errors, program

def main(args):
    for number in range(args.lines):
        print(args.letter, number)
    if not args.lines:
        raise errors.HowlowError("no lines")

options = argparse.ArgumentParser()
options.add_argument("--lines", type=int, default=1)
options.add_argument("--letter", default="a")
program.run(main, options)
"""
CLOSED = "howlow count: standard output is closed; redirect it to a file, or to /dev/null\n"


@pytest.mark.parametrize(
    ("words", "status", "output", "errors"),
    [
        (">&-", 1, "", CLOSED),
        ("2>&-", 0, "a 0\n", ""),
        ("--lines 0 2>&-", 1, "", ""),
        ("--lines x 2>&-", 2, "", ""),
        ("--lines 0", 1, "", "howlow count: no lines\n"),
        ("--lines 100000 | head -1; exit ${PIPESTATUS[0]}", 141, "a 0\n", ""),
        ("--letter Ж", 0, "\\u0416 0\n", ""),
    ],
)
def test_redirections(tmp_path, monkeypatch, words, status, output, errors):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")  # as a locale may set it
    (tmp_path / "count.py").write_text(PROGRAM)
    command = f"{sys.executable} count.py {words}"
    process = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (status, output, errors)


def test_folders_and_files_without_permission(locked_folder):
    music = locked_folder / "music"
    for path in ("open.wav", "secret.wav", "secret folder/a.wav", "deep/secret folder/a.wav"):
        (music / path).parent.mkdir(parents=True, exist_ok=True)
        write_audio(music / path, noise(SECONDS))
    write_model(locked_folder / "model.pt")
    named = music / "secret folder" / "a.wav"
    arguments = ["tag", "--model", locked_folder / "model.pt", music, named, music / LONG, "--format", "csv"]
    run_command(*arguments)  # do the imports, which may be unreadable for nobody on some machines
    (music / "secret.wav").chmod(0)
    (music / "secret folder").chmod(0)
    (music / "deep" / "secret folder").chmod(0)
    with as_nobody():
        process = run_command(*arguments)
        alone = run_command("tag", "--model", locked_folder / "model.pt", music / "secret folder")
    (music / "secret folder").chmod(0o755)
    (music / "deep" / "secret folder").chmod(0o755)
    assert process.returncode == 1
    assert sorted(process.stderr.splitlines()) == sorted(
        [
            f"howlow tag: {music / 'secret folder'}: the folder can't be read: Permission denied",
            f"howlow tag: {music / 'deep' / 'secret folder'}: the folder can't be read: Permission denied",
            f"howlow tag: {music / 'secret.wav'}: can't be opened: permission denied",
            f"howlow tag: {named}: can't be opened: permission denied",
            f"howlow tag: {music / LONG}: can't be opened: file name too long",
            "howlow tag: 5 of 6 files could not be tagged",
        ]
    )
    assert {line.split(",")[0] for line in process.stdout.splitlines()} == {"path", str(music / "open.wav")}
    assert alone.returncode == 1
    assert alone.stderr.splitlines() == [
        f"howlow tag: {music / 'secret folder'}: the folder can't be read: Permission denied",
        "howlow tag: 1 of 1 files could not be tagged",
    ]


def test_names_that_a_terminal_or_a_spreadsheet_would_run(folder):
    odd, bad = Path("=1+1\x1b[2J\n.wav"), Path("\x1b[31m.wav")
    Path("a1.wav").rename(odd)
    bad.touch()
    text = run_command("tag", "--model", "model.pt", odd, bad)
    assert text.stdout.splitlines()[0] == r"=1+1\x1b[2J\n.wav"
    assert text.stderr.splitlines()[0] == r"howlow tag: \x1b[31m.wav: zero bytes"
    table = run_command("tag", "--model", "model.pt", odd, "--format", "csv", "--top", 1)
    (_, row) = csv.reader(io.StringIO(table.stdout))
    assert row[0] == f"'{odd}"
    (result,) = json.loads(run_command("tag", "--model", "model.pt", odd, "--format", "json").stdout)
    assert result["path"] == str(odd)


def damaged_mp3(path: Path) -> Path:
    """An MP3 that can be decoded, and about which libmpg123 prints many warnings."""
    content = io.BytesIO()
    soundfile.write(content, noise(4.0), RATE, format="MP3", subtype="MPEG_LAYER_III")
    whole = content.getvalue()
    middle = len(whole) // 2
    path.write_bytes(
        whole[:middle] + bytes(byte ^ 0x5A for byte in whole[middle : middle + 200]) + whole[middle + 200 :]
    )
    return path


def test_remarks_of_libraries_stay_off_the_terminal(folder, capfd):
    song = damaged_mp3(folder / "remarkable.mp3")
    audio.load_all(song, RATE)
    assert capfd.readouterr().err != ""  # otherwise this test says nothing
    process = run_command("tag", "--model", "model.pt", song, "damaged.mp3")
    assert capfd.readouterr().err == ""
    assert process.stdout.startswith(str(song))
    assert process.stderr.splitlines() == [
        "howlow tag: damaged.mp3: not decodable audio (Format not recognised.)",
        "howlow tag: 1 of 2 files could not be tagged",
    ]
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


def test_a_command_that_is_interrupted_ends_quietly(folder, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audio, "load_all", interrupted)
    process = run_command("tag", "--model", "model.pt", "a1.wav", "--output", "tags.txt")
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "")
    assert not list(folder.glob("*tags.txt*"))


RESULTS = {
    "file": (lambda path: path.write_text("mine"), "results: this is a file, and the results need a folder"),
    "link": (
        lambda path: path.symlink_to("/nowhere/at/all"),
        "results: this link leads to /nowhere/at/all, which is not",
    ),
    "loop": (lambda path: path.symlink_to("results"), "results: this link leads to results, which is not there"),
}


@pytest.mark.parametrize(("make", "message"), RESULTS.values(), ids=RESULTS)
def test_results_that_can_be_no_folder(tmp_path, make, message):
    make(tmp_path / "results")
    process = snakemake(tmp_path, "--dry-run", "--configfile", TINY)
    assert process.returncode == 1
    assert message in process.stdout
    assert "Traceback" not in process.stdout
