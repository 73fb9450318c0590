"""The program `train` learns from the labels of the right clips, and writes the scores of the right clips."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import SCRIPTS
from sklearn.metrics import roc_auc_score
from small_training import (
    MUSICNN,
    N_FRAMES,
    OUTPUTS,
    SPEC,
    SPLITS,
    changed,
    make_data,
    run,
    scores,
    spectrograms,
    train,
)

from howlow import files, networks, provenance
from howlow.data.tracks import Tracks
from howlow.errors import TrainingError
from howlow.features.store import Store, open_store
from howlow.networks import memory

SPECS = {
    "vgg": SPEC,
    "musicnn": SPEC | MUSICNN,
    # The 1361 frames at the centre of each clip, and 273 of them at x5: other windows than for the 274 of 29.1 s.
    "x5 log": SPEC | {"hop_factor": 5, "log_type": "log", "seconds": 29.0},
}


@pytest.fixture
def data(tmp_path):
    """A folder with a store and its tracks, and the tracks themselves."""
    return tmp_path, make_data(tmp_path)


@pytest.fixture(scope="module")
def program():
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("train_program", SCRIPTS / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(content):
    """The network of a `model.pt`."""
    spec = content["spec"]
    keys = {key: spec[key] for key in ("sample_rate", "n_mels", "hop_factor", "seconds", "width")}
    model = networks.build(spec["model"], n_tags=len(content["tags"]), **keys, **spec["options"])
    model.load_state_dict(content["weights"])
    return model.eval()


def mean_level(folder):
    """The mean level of each clip of the store in dB; it is what the tags depend on."""
    return {clip_id: clip.mean() for clip_id, clip in spectrograms(folder).items()}


def worst_roc_auc(data_folder, clip_ids, activations):
    """The smaller ROC AUC of the two tags, `loud` and `quiet`, by the level of the clips themselves."""
    level = mean_level(data_folder)
    is_loud = np.array([level[clip_id] > -32.5 for clip_id in clip_ids])
    assert 3 <= is_loud.sum() <= len(is_loud) - 3
    return min(roc_auc_score(is_loud, activations[:, 0]), roc_auc_score(~is_loud, activations[:, 1]))


def scores_of_test_clips(folder):
    """The ids of the test clips, and their scores of both tags."""
    table = pq.read_table(folder / "scores.parquet")
    rows = np.array(table["split"].to_pylist()) == "test"
    clip_ids = [clip_id for clip_id, is_test in zip(table["clip_id"].to_pylist(), rows, strict=True) if is_test]
    return clip_ids, np.stack([table[tag].to_numpy()[rows] for tag in ("loud", "quiet")], 1)


def test_learns_from_the_labels_of_its_clips(data):
    """It tells loud from quiet clips. Without training, or with the labels of other clips, a network does not."""
    folder, tracks = data
    spec = changed(epochs=12)
    run(folder / "a", folder, spec)
    assert worst_roc_auc(folder, *scores_of_test_clips(folder / "a")) > 0.95
    run(folder / "untrained", folder, changed(epochs=1, learning_rate=1e-12))
    assert worst_roc_auc(folder, *scores_of_test_clips(folder / "untrained")) < 0.7
    mixed = np.random.default_rng(0).permutation(tracks.labels)
    Tracks(**(tracks.__dict__ | {"labels": mixed})).write(folder / "tracks.parquet", "made-up")
    run(folder / "mixed", folder, spec)
    assert worst_roc_auc(folder, *scores_of_test_clips(folder / "mixed")) < 0.8


@pytest.mark.parametrize("name", SPECS)
def test_writes_the_scores_of_each_clip_by_the_weights_that_it_writes(data, name):
    """All clips of the store that are not trained on have scores, which come from their own spectrograms."""
    folder, tracks = data
    spec = SPECS[name]
    run(folder / "a", folder, spec)
    assert sorted(path.name for path in (folder / "a").iterdir()) == sorted(OUTPUTS)
    stored = spectrograms(folder, spec["hop_factor"], spec["seconds"])
    content = torch.load(folder / "a" / "model.pt", weights_only=True)
    split_of = dict(zip(tracks.clip_ids, tracks.splits, strict=True))
    table = pq.read_table(folder / "a" / "scores.parquet")
    assert table.column_names == ["clip_id", "split", "loud", "quiet"]
    clip_ids = table["clip_id"].to_pylist()
    assert table["split"].to_pylist() == [split_of[clip_id] for clip_id in clip_ids]
    assert sorted(clip_ids) == sorted(clip_id for clip_id in stored if split_of[clip_id] != "train")
    assert table["split"].to_pylist() == ["validation"] * SPLITS["validation"] + ["test"] * SPLITS["test"]
    values = np.stack([stored[clip_id] for clip_id in clip_ids])
    if spec["log_type"] == "log":
        values = np.log10(1 + 10_000 * 10 ** (values / 10))
    with torch.inference_mode():
        logits = network(content)(torch.from_numpy(values)[:, None])
    written = np.stack([table[tag].to_numpy() for tag in ("loud", "quiet")], 1)
    np.testing.assert_allclose(written, torch.sigmoid(logits).numpy(), rtol=0.01)
    assert all(np.diff(np.sort(np.log(tag))).min() > 1e-5 for tag in written.T)  # no two clips have the same score


def test_clips_have_their_labels_and_places_in_the_store(data, program):
    """Tracks and store are in different orders, the splits are mixed, and some clips are not in the store."""
    folder, tracks = data
    store = open_store(folder / "manifest.json", 10, "db")
    found = {split: program._clips(tracks, store, tracks.splits, split) for split in SPLITS}
    assert {split: len(clips.indices) for split, clips in found.items()} == SPLITS
    level = mean_level(folder)
    for split, clips in found.items():
        read = store.read(clips.indices)
        for index, clip, (is_loud, is_quiet) in zip(clips.indices, read, clips.labels, strict=True):
            clip_id = store.clip_ids[index]
            assert clip.mean() == level[clip_id]
            assert is_loud == (level[clip_id] > -32.5) != is_quiet
            assert tracks.splits[tracks.clip_ids.index(clip_id)] == split
    assert sorted(np.concatenate([clips.indices for clips in found.values()])) == list(range(64))
    assert list(found["train"].indices) != sorted(found["train"].indices), "these data are in the order of the store"


def test_a_split_that_has_no_clip_in_the_store_has_no_labels_either(data, program):
    folder, tracks = data
    store = open_store(folder / "manifest.json", 10, "db")
    others = Tracks(**(tracks.__dict__ | {"clip_ids": [f"x{number}" for number in range(73)]}))
    clips = program._clips(others, store, others.splits, "train")
    assert clips.indices.shape == (0,)
    assert clips.labels.shape == (0, 2)


def test_records_what_was_trained(data):
    folder, tracks = data
    spec = changed(epochs=6, keep="best_val_roc_auc", learning_rate=0.02)
    run(folder / "a", folder, spec)
    history = files.read_csv(folder / "a" / "history.csv")
    assert [row["epoch"] for row in history] == list("123456")
    record = files.read_json(folder / "a" / "run.json")
    roc_aucs = [float(row["val_roc_auc"]) for row in history]
    assert record["best_epoch"] == roc_aucs.index(max(roc_aucs)) + 1
    assert (record["seed"], record["n_epochs"], record["device"], record["spec"]) == (1, 6, "cpu", spec)
    assert record["train_seconds"] == pytest.approx(sum(float(row["seconds"]) for row in history))
    assert record["outputs"] == {
        name: (folder / "a" / name).stat().st_size for name in ("history.csv", "scores.parquet")
    }
    content = torch.load(folder / "a" / "model.pt", weights_only=True)
    assert (content["spec"], content["tags"], content["window"]) == (spec, ["loud", "quiet"], "periodic")
    assert content["digest"] == provenance.digest({key: record[key] for key in ("spec", "code", "inputs")})
    assert record["inputs"]["tracks"] == tracks.digest()


@pytest.mark.parametrize(("model", "n_frames"), [({}, {N_FRAMES}), (MUSICNN, {20})])
def test_only_the_frames_that_are_trained_on_are_read(data, monkeypatch, model, n_frames):
    """MUSICNN trains on segments, here of 20 frames. Clips to score are read whole."""
    folder, tracks = data
    split_of = dict(zip(tracks.clip_ids, tracks.splits, strict=True))
    read = {"train": set(), "validation": set(), "test": set()}
    copy = Store.copy

    def note(store, out, indices, starts):
        for index in indices:
            read[split_of[store.clip_ids[index]]].add(out.shape[2])
        copy(store, out, indices, starts)

    monkeypatch.setattr(Store, "copy", note)
    run(folder / "a", folder, SPEC | model)
    assert read == {"train": n_frames, "validation": {N_FRAMES}, "test": {N_FRAMES}}


def test_test_clips_are_never_looked_at(data):
    """Other labels of the test clips change neither the weights nor the chosen epoch."""
    folder, tracks = data
    spec = changed(epochs=5, keep="best_val_roc_auc")
    run(folder / "a", folder, spec)
    labels = tracks.labels ^ (np.array(tracks.splits) == "test")[:, None]
    Tracks(**(tracks.__dict__ | {"labels": labels})).write(folder / "tracks.parquet", "made-up")
    run(folder / "b", folder, spec)
    first, second = (torch.load(folder / name / "model.pt", weights_only=True)["weights"] for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert scores(folder / "a") == scores(folder / "b")


@pytest.mark.parametrize(
    ("splits", "message"),
    [("test", "there is no training clip"), ("train", "there is no validation clip")],
)
def test_bad_splits_get_one_line(data, splits, message):
    folder, tracks = data
    Tracks(**(tracks.__dict__ | {"splits": [splits] * 73})).write(folder / "tracks.parquet", "made-up")
    process = train(folder / "a", folder)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow train: {folder / 'a'}: {message}")
    assert process.stderr.count("\n") == 1


def test_a_gpu_that_is_not_there_gets_one_line(data, monkeypatch):
    folder, _ = data
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    process = train(folder / "a", folder, device="cuda")
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow train: {folder / 'a'}: device is cuda, but PyTorch sees no GPU")
    assert process.stderr.count("\n") == 1


def test_a_dataset_may_have_no_test_clips(data):
    folder, tracks = data
    splits = ["validation" if split == "test" else split for split in tracks.splits]
    Tracks(**(tracks.__dict__ | {"splits": splits})).write(folder / "tracks.parquet", "made-up")
    run(folder / "a", folder)
    assert set(pq.read_table(folder / "a" / "scores.parquet")["split"].to_pylist()) == {"validation"}


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x")]
)
def test_broken_store_gets_one_line(data, spoil):
    folder, _ = data
    spoil(folder / "00.npy")
    process = train(folder / "a", folder)
    assert process.returncode == 1
    assert process.stderr.startswith(f"howlow train: {folder / 'a'}: {folder / '00.npy'}: is ")
    assert process.stderr.count("\n") == 1


class TestMemoryOfAGpu:
    """A GPU of 24 GB, which has bfloat16 or not, stands in for a real one."""

    spec = SPEC | {"options": {}, "width": 1.0, "n_mels": 96, "hop_factor": 1}

    @pytest.fixture
    def gpu(self, monkeypatch):
        properties = SimpleNamespace(total_memory=24_000_000_000)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
        return properties

    def test_spectrograms_may_fill_what_the_training_leaves(self, program, gpu):
        found = {sharing: program._resident_mb(self.spec, torch.device("cuda"), sharing) for sharing in (1, 2)}
        assert found == {sharing: memory.resident_mb(self.spec, 24_000, sharing, 2) for sharing in (1, 2)}
        assert 0 < found[2] < found[1] <= 12_000
        assert program._resident_mb(self.spec, torch.device("cpu"), 1) == 0

    def test_values_of_float32_take_twice_the_memory(self, program, gpu, monkeypatch):
        spec = self.spec | {"training": SPEC["training"] | {"batch_size": 32}}
        half = program._resident_mb(spec, torch.device("cuda"), 1)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
        whole = program._resident_mb(spec, torch.device("cuda"), 1)
        assert whole == memory.resident_mb(spec, 24_000, 1, 4) < half

    def test_a_gpu_that_is_too_small_is_refused(self, program, gpu):
        gpu.total_memory = 2_000_000_000
        with pytest.raises(TrainingError, match=r"needs at least .* and the GPU has 2\.0 GB"):
            program._resident_mb(self.spec, torch.device("cuda"), 1)

    def test_the_feed_is_told(self, data, monkeypatch, program):
        from howlow.training import batches

        folder, _ = data
        monkeypatch.setattr(program, "_resident_mb", lambda *_: 3)
        told = []
        feed = batches.feed
        monkeypatch.setattr(batches, "feed", lambda store, device, n_bytes: told.append(n_bytes) or feed(store, device))
        arguments = SimpleNamespace(
            spec=SPEC, tracks=folder / "tracks.parquet", manifest=folder / "manifest.json", folder=folder / "a",
            device="cpu", gpus=[], sharing=1,
        )  # fmt: skip
        program._train(arguments, {})
        assert told == [3_000_000]
