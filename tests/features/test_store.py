"""The store gives any clips by index, with hop and log type applied, and holds no others in memory."""

import json
import os
import tracemalloc

import numpy as np
import pytest

from howlow import files
from howlow.features import arrays, mel
from howlow.features.store import StoreError, content_digest, open_store, verify

N_MELS, N_FRAMES = 8, 21
SHARDS = {"00.npy": ["a", "b", "c"], "01.npy": [], "02.npy": ["d", "e"]}


@pytest.fixture
def decibels():
    return np.random.default_rng(0).uniform(-100, 40, (5, N_MELS, N_FRAMES)).astype(np.float16)


@pytest.fixture
def manifest(tmp_path, decibels):
    rest = iter(decibels)
    shards = []
    for name, clip_ids in SHARDS.items():
        rows = [next(rest) for _ in clip_ids]
        arrays.write_rows(tmp_path / name, rows, (N_MELS, N_FRAMES), "float16", durable=False)
        shards.append({"file": name, "clip_ids": clip_ids, "sha256": files.sha256(tmp_path / name)})
    content = {"n_mels": N_MELS, "n_frames": N_FRAMES, "dtype": "float16", "shards": shards}
    files.write_json(tmp_path / "manifest.json", content)
    return tmp_path / "manifest.json"


@pytest.mark.parametrize("hop", [1, 2, 3, 10])
@pytest.mark.parametrize("log_type", ["db", "log"])
def test_reads_any_clips_in_any_order(manifest, decibels, hop, log_type):
    store = open_store(manifest, hop, log_type)
    assert store.clip_ids == ["a", "b", "c", "d", "e"]
    indices = np.array([4, 0, 3, 4])
    batch = store.read(indices)
    assert batch.dtype == np.float32
    assert batch.shape == (4, N_MELS, store.n_frames) == (4, N_MELS, -(-N_FRAMES // hop))
    np.testing.assert_array_equal(batch, mel.from_db(decibels[indices][..., ::hop].astype(np.float32), log_type))


@pytest.mark.parametrize("hop", [1, 2, 3])
def test_copies_frames_from_a_start_of_each_clip(manifest, decibels, hop):
    store = open_store(manifest, hop, "log")
    out = np.full((3, N_MELS, 5), np.nan, np.float32)
    store.copy(out, np.array([3, 0, 2]), np.array([1, 0, 2]))
    for copied, clip, start in zip(out, (3, 0, 2), (1, 0, 2), strict=True):
        for frame in range(5):
            np.testing.assert_array_equal(copied[:, frame], decibels[clip, :, (start + frame) * hop])


@pytest.mark.parametrize(("n_frames", "first"), [(21, 0), (20, 0), (11, 5), (8, 6), (1, 10)])
@pytest.mark.parametrize("hop", [1, 3])
def test_reads_the_centre_of_each_clip(manifest, decibels, n_frames, first, hop):
    store = open_store(manifest, hop, "db", n_frames=n_frames)
    expected = decibels[[3, 1], :, first : first + n_frames][..., ::hop]
    assert store.n_frames == expected.shape[2] == -(-n_frames // hop)
    np.testing.assert_array_equal(store.read(np.array([3, 1])), expected)


def test_more_frames_than_are_stored_are_refused(manifest):
    with pytest.raises(StoreError, match=r"manifest\.json: its clips have 21 frames at x1, fewer than the 22 to read"):
        open_store(manifest, 1, "db", n_frames=22)


def test_what_a_store_says_of_itself(tmp_path):
    """A store of a single shard, in float32. The file of a shard without clips is not opened."""
    arrays.write_rows(tmp_path / "00.npy", [np.zeros((4, 7))] * 2, (4, 7), "float32")
    shards = [{"file": "00.npy", "clip_ids": ["a", "b"]}, {"file": "01.npy", "clip_ids": []}]
    files.write_json(tmp_path / "m.json", {"n_mels": 4, "n_frames": 7, "shards": shards})
    store = open_store(tmp_path / "m.json", 2, "log")
    assert (store.n_mels, store.n_frames, store.dtype, store.log_type) == (4, 4, np.float32, "log")


def test_a_store_without_clips(tmp_path):
    files.write_json(tmp_path / "m.json", {"n_mels": 4, "n_frames": 7, "shards": [{"file": "0", "clip_ids": []}]})
    with pytest.raises(StoreError) as error:
        open_store(tmp_path / "m.json", 1, "db")
    assert str(error.value) == f"{tmp_path / 'm.json'}: holds no clip"


def test_holds_only_the_batch(tmp_path):
    n_clips, shape = 200, (96, 1366)
    row = np.zeros(shape, np.float16)
    arrays.write_rows(tmp_path / "00.npy", (row for _ in range(n_clips)), shape, "float16")
    shard = {"file": "00.npy", "clip_ids": list(map(str, range(n_clips))), "sha256": ""}
    files.write_json(tmp_path / "m.json", {"n_mels": 96, "n_frames": 1366, "dtype": "float16", "shards": [shard]})
    tracemalloc.start()
    store = open_store(tmp_path / "m.json", 1, "db")
    for start in range(0, n_clips, 4):
        store.read(np.arange(start, start + 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 4 * 96 * 1366 * 4  # three batches in float32; the store has 25 such batches


@pytest.mark.parametrize("changed", ["n_mels", "n_frames", "dtype", "shards", "clip_ids", "sha256", "order"])
def test_content_digest_follows_content_only(manifest, changed):
    content = json.loads(manifest.read_text())
    digest = content_digest(content)
    assert content_digest(content | {"commit": "abc"}) == digest
    shards = content["shards"]
    if changed in ("clip_ids", "sha256"):
        shards[0][changed] = shards[2][changed]
    elif changed == "order":
        shards.reverse()
    else:
        content[changed] = shards[:1] if changed == "shards" else "other"
    assert content_digest(content) != digest


def _zeros_inside(path):
    with path.open("r+b") as file:
        file.seek(200)
        file.write(bytes(100))


def _fewer_clips(path):
    arrays.write_rows(path, [np.zeros((N_MELS, N_FRAMES))], (N_MELS, N_FRAMES), "float16")


OTHER_BYTES = "is damaged: its bytes are not those that were written. It is set"
DAMAGES = [
    # id, what is done to a shard, the message when the store is opened, the message when it is verified
    ("zeros inside", _zeros_inside, None, OTHER_BYTES),
    ("fewer clips", _fewer_clips, "is damaged: it has the shape (1, 8, 21) and not (2, 8, 21). It is set", OTHER_BYTES),
    (
        "cut off",
        lambda path: os.truncate(path, 300),
        "is damaged: it is cut off or overwritten. It is set",
        OTHER_BYTES,
    ),
    ("empty", lambda path: os.truncate(path, 0), "is damaged: it is cut off or overwritten. It is set", OTHER_BYTES),
    ("another file", lambda path: path.write_text("hello"), "is damaged: it is cut off or overwritten", OTHER_BYTES),
    ("missing", lambda path: path.unlink(), "is missing; start", "is missing; start"),
]


@pytest.mark.parametrize(
    ("damage", "opening", "verifying"), [case[1:] for case in DAMAGES], ids=[c[0] for c in DAMAGES]
)
def test_a_damaged_shard_is_named_and_set_aside(manifest, damage, opening, verifying):
    """It then counts as missing, and the next run makes it again."""
    path = manifest.with_name("02.npy")
    intact = path.read_bytes()
    for check, message in ((verify, verifying), (lambda path: open_store(path, 1, "db"), opening)):
        path.write_bytes(intact)
        damage(path)
        if message is None:
            check(manifest)
            continue
        with pytest.raises(files.DamagedFileError) as error:
            check(manifest)
        assert str(error.value).startswith(f"{path}: {message}")
        assert str(error.value).endswith("start the workflow again to make it anew")
        assert not path.exists()


def test_an_intact_store_is_verified(manifest):
    verify(manifest)
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["00.npy", "01.npy", "02.npy", "manifest.json"]


def test_files_appear_whole_or_not_at_all(tmp_path):
    def rows():
        yield np.zeros(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        arrays.write_rows(tmp_path / "a.npy", rows(), (3,), "float32")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_rows", [0, 1, 1234])
def test_rows_are_plain_npy(tmp_path, n_rows):
    written = arrays.write_rows(tmp_path / "a.npy", (np.full((2, 3), i) for i in range(n_rows)), (2, 3), "float32")
    array = np.load(tmp_path / "a.npy")
    assert written == n_rows
    assert array.shape == (n_rows, 2, 3)
    assert array.dtype == np.float32
    assert (array[:, 0, 0] == np.arange(n_rows)).all()
