"""Training with bad settings, datasets, checkpoints and disks ends with one line, or succeeds."""

import pickle
import shutil
import subprocess
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from small_training import MUSICNN, OUTPUTS, SPEC, SPLITS, changed, make_data, train

from howlow import files
from howlow.training import checkpoints

MOMENTUM_NAN = SPEC | {"options": SPEC["options"] | {"batch_norm_momentum": float("nan")}}
VGG_RUNNING_MEAN = "2 of the network's weights and statistics, the first of them features.0.running_mean"
ALL_CLIPS_IN_ONE_STEP = {"batch_size": 100, "epochs": 1}


def musicnn(**training_keys):
    return changed(**training_keys) | MUSICNN


# Case | clips of the training, validation and test split | specification | message, or None if the training succeeds.
SETTINGS_AND_SIZES = [
    ("a remainder of one clip, VGG", (12, 4, 4), changed(batch_size=11), None),
    ("a remainder of one clip, MUSICNN", (9, 4, 4), musicnn(), None),
    ("a remainder of two clips", (10, 4, 4), musicnn(), None),
    ("one clip to score", (8, 1, 1), SPEC, None),
    ("a batch larger than an int64", (8, 4, 4), changed(batch_size=10**19), None),
    ("one training clip", (1, 1, 0), SPEC, "there are 1 training clips and batch_size is 8; use at least 2 of each"),
    ("batches of one clip", (8, 4, 4), changed(batch_size=1), "there are 8 training clips and batch_size is 1; use at"),
    ("no validation clip", (24, 0, 0), SPEC, "there is no validation clip; each split needs clips, so add some"),
    ("no training clip", (0, 4, 4), SPEC, "there is no training clip; each split needs clips, so add some"),
    ("learning_rate nan", (16, 4, 4), changed(learning_rate=float("nan")), "a lower learning_rate (it is nan) or a"),
    ("learning_rate inf", (16, 4, 4), changed(learning_rate=float("inf")), "a lower learning_rate (it is inf) or a"),
    ("learning_rate 1e300", (16, 4, 4), changed(learning_rate=1e300), "a lower learning_rate (it is 1e+300) or a"),
    ("learning_rate 1e30", (16, 4, 4), changed(learning_rate=1e30), "after epoch 1 these are not finite: the training"),
    (
        "learning_rate 1e30, one step",
        (16, 4, 4),
        changed(learning_rate=1e30, **ALL_CLIPS_IN_ONE_STEP),
        "after epoch 1 these are not finite: the validation loss; a lower learning_rate (it is 1e+30) or a",
    ),
    (
        "learning_rate 1e30, one step, kept by its ROC AUC",
        (16, 4, 4),
        changed(learning_rate=1e30, keep="best_val_roc_auc", **ALL_CLIPS_IN_ONE_STEP),
        "after epoch 1 these are not finite: the validation loss; a lower learning_rate (it is 1e+30) or a",
    ),
    (
        "batch_norm_momentum nan",
        (16, 4, 4),
        MOMENTUM_NAN,
        "running_mean; a lower learning_rate (it is 0.003) or a batch",
    ),
]


@pytest.mark.parametrize(
    ("n_of_splits", "spec", "message"),
    [pytest.param(*case, id=name) for name, *case in SETTINGS_AND_SIZES],
)
def test_settings_and_sizes(tmp_path, n_of_splits, spec, message):
    make_data(tmp_path, dict(zip(SPLITS, n_of_splits, strict=True)))
    process = train(tmp_path / "a", tmp_path, spec)
    if message is None:
        assert process.returncode == 0, process.stderr
        weights = torch.load(tmp_path / "a" / "model.pt", weights_only=True)["weights"]
        assert all(tensor.isfinite().all() for tensor in weights.values())
        assert pq.read_table(tmp_path / "a" / "scores.parquet").num_rows == sum(n_of_splits[1:])
    else:
        assert process.returncode == 1
        assert process.stderr.startswith(f"howlow train: {tmp_path / 'a'}: ")
        assert process.stderr.count("\n") == 1
        assert message in process.stderr
        assert not [name for name in OUTPUTS if (tmp_path / "a" / name).exists()]


def test_scores_that_are_not_finite_name_their_clip(tmp_path):
    """A clip of the test split holds infinity, which neither training nor validation sees."""
    tracks = make_data(tmp_path)
    manifest = files.read_json(tmp_path / "manifest.json")
    stored = manifest["shards"][0]["clip_ids"]
    split_of = dict(zip(tracks.clip_ids, tracks.splits, strict=True))
    place = next(place for place, clip_id in enumerate(stored) if split_of[clip_id] == "test")
    clips = np.load(tmp_path / "00.npy", mmap_mode="r+")
    clips[place, 0, 0] = np.inf
    clips.flush()
    manifest["shards"][0]["sha256"] = files.sha256(tmp_path / "00.npy")
    files.write_json(tmp_path / "manifest.json", manifest)
    process = train(tmp_path / "a", tmp_path)
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    assert f"the scores of 1 of 16 clips are not finite, the first is that of clip {stored[place]}" in process.stderr
    assert not (tmp_path / "a" / "scores.parquet").exists()


class Evil:
    """An object whose pickle opens a file for writing when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def truncate(path, _):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_a_block(path, _):
    """Zero a block, as a power cut does when the length of a file has reached the disk before its content."""
    content = bytearray(path.read_bytes())
    start = content.index(b"data/3") + 1000
    content[start : start + 100] = bytes(100)
    path.write_bytes(content)


def put_folder(path, _):
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("not to be lost")


def put_archive(path, evil):
    """Write a pickle that PyTorch does not allow, in an archive as PyTorch writes it."""
    path.write_bytes(b"")
    torch.save({"identity": Evil(evil)}, path)


def put_zip(path, _):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


def put_saved(content):
    def put(path, _):
        torch.save(content, path)

    return put


# Kind of checkpoint.pt | how to make it from a good one; no code may write the file `evil` | what is printed
CHECKPOINTS = [
    (
        "empty",
        lambda path, evil: path.write_bytes(b""),
        "not an archive of PyTorch, or a damaged one (File is not a zip",
    ),
    ("truncated", truncate, "not an archive of PyTorch, or a damaged one (File is not a zip file)"),
    ("with a block of zeros", zero_a_block, "damaged, the checksum of archive/data/"),
    ("a text", lambda path, evil: path.write_text("hello"), "not an archive of PyTorch, or a damaged one"),
    ("a zip of something else", put_zip, "not an archive of PyTorch, or a damaged one"),
    ("an evil pickle", lambda path, evil: path.write_bytes(pickle.dumps(Evil(evil))), "not an archive of PyTorch"),
    ("an evil archive", put_archive, "not an archive of PyTorch, or a damaged one (Weights only load failed"),
    ("a list", put_saved([1, 2]), "belongs to another training"),
    ("of something else", put_saved({"weights": torch.zeros(2)}), "belongs to another training"),
    ("a folder", put_folder, "is a folder, which is now checkpoint.pt."),
]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A folder with data, a finished training `whole`, and a copy of its checkpoint after the second epoch."""
    folder = tmp_path_factory.mktemp("interrupted")
    make_data(folder)

    def keep(path, identity, model, optimizer, history, kept):
        write(path, identity, model, optimizer, history, kept)
        if len(history) == 2:
            shutil.copy(path, folder / "checkpoint.pt")

    write = checkpoints.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "write", keep)
        assert train(folder / "whole", folder).returncode == 0
    return folder


@pytest.mark.parametrize(("damage", "message"), [pytest.param(*case, id=name) for name, *case in CHECKPOINTS])
def test_checkpoint(interrupted, tmp_path, damage, message):
    checkpoint, evil = tmp_path / "checkpoint.pt", tmp_path / "evil"
    shutil.copy(interrupted / "checkpoint.pt", checkpoint)
    damage(checkpoint, evil)
    process = train(tmp_path, interrupted)
    assert process.returncode == 0, process.stderr
    assert not evil.exists()
    (line,) = [line for line in process.stdout.splitlines() if "checkpoint.pt" in line]
    assert line.startswith(f"{checkpoint}: {message}")
    assert line.endswith("starts from the beginning")
    assert "going on" not in process.stdout
    assert not checkpoint.exists()
    assert [path.name for path in tmp_path.glob("checkpoint.pt.*/*")] == ["mine.txt"] * (damage == put_folder)
    assert (tmp_path / "scores.parquet").read_bytes() == (interrupted / "whole" / "scores.parquet").read_bytes()


def test_good_checkpoint_goes_on(interrupted, tmp_path):
    """The checkpoint that `test_checkpoint` damages is good: training continues from it."""
    shutil.copy(interrupted / "checkpoint.pt", tmp_path)
    process = train(tmp_path, interrupted)
    assert "going on after epoch 2" in process.stdout
    assert (tmp_path / "scores.parquet").read_bytes() == (interrupted / "whole" / "scores.parquet").read_bytes()


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of its own, and a function that leaves a number of KB free on it."""
    folder = tmp_path / "results"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("a small disk can't be mounted here: " + mount.stderr.decode().strip())
    yield folder, lambda free_kb: (folder / "filler").write_bytes(bytes((1024 - free_kb) * 1024))
    subprocess.run(["umount", "--lazy", folder], check=True)


# The file for which the disk is too full | KB that are left: the checkpoint takes 108, the others 4 to 32
FULL_DISKS = [
    ("checkpoint.pt", 40),
    ("history.csv", 108),
    ("scores.parquet", 112),
    ("model.pt", 120),
    ("run.json", 148),
]


@pytest.mark.parametrize(("name", "free_kb"), FULL_DISKS)
def test_full_disk(tmp_path, full_disk, name, free_kb):
    folder, leave = full_disk
    make_data(tmp_path)
    leave(free_kb)
    spec = changed(epochs=1)
    process = train(folder / "a", tmp_path, spec)
    assert process.returncode == 1
    path = folder / "a" / name
    assert process.stderr.startswith(f"howlow train: {folder / 'a'}: {path}: no space left on its disk")
    assert process.stderr.count("\n") == 1
    (folder / "filler").unlink()
    assert train(folder / "a", tmp_path, spec).returncode == 0
