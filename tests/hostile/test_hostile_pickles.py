"""Pickles and lists of the Million Song Dataset that are damaged, malicious or useless. One line names the file."""

import json
import resource
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_script
from large_metadata import python2_pickle

from howlow.data import tracks
from howlow.data.datasets import msd

TRAIN, TEST = [f"TRABC{number:02d}" for number in range(8)], [f"TRXYZ{number:02d}" for number in range(4)]
N_TRAIN = 6
TAGS = ("a", "b", "c")
VECTORS = {clip_id: np.array([number % 2, 1, number % 3 > 0], float) for number, clip_id in enumerate(TRAIN + TEST)}
IDS = {clip_id: str(number) for number, clip_id in enumerate(TRAIN + TEST)}
PATHS = {number: f"1/2/{number}.mp3" for number in IDS.values()}
FILES = {
    "filtered_list_train.cP": TRAIN,
    "filtered_list_test.cP": TEST,
    "msd_id_to_tag_vector.cP": VECTORS,
    "MSD_id_to_7D_id.pkl": IDS,
    "7D_id_to_path.pkl": PATHS,
}
LATIN_1 = "rock\ncafé\nc\n".encode("latin-1")


class Call:
    """An object that is pickled as the call of a function."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def u64(number: int) -> bytes:
    """A length as pickles store it."""
    return struct.pack("<Q", number)


RECONSTRUCT = np.zeros(1).__reduce__()[0]
TOO_MUCH = "not a pickle that can be read: it asks for more than "
DAMAGED = "not a pickle that can be read"
PICKLES = {
    # name: the bytes of a pickle, and the message
    "bytes-of-2**40": (b"\x80\x04\x8e" + u64(1 << 40) + b".", TOO_MUCH),
    "text-of-2**62": (b"\x80\x04\x8d" + u64(1 << 62) + b".", TOO_MUCH),
    "bytes-of-4-GB": (b"\x80\x03B\xff\xff\xff\xff.", TOO_MUCH),
    "frame-of-2**40": (b"\x80\x04\x95" + u64(1 << 40) + b".", TOO_MUCH),
    "frame-of-2**63": (b"\x80\x04\x95" + u64(1 << 63) + b".", DAMAGED),
    "bytearray-of-2**36": (b"\x80\x05\x96" + u64(1 << 36) + b".", TOO_MUCH),
    "memo-of-2**28": (b"\x80\x02]r" + struct.pack("<I", 1 << 28) + b".", TOO_MUCH),
    "memo-of-2**31": (b"\x80\x02]r" + struct.pack("<I", 1 << 31) + b".", TOO_MUCH),
    "memo-by-text": (b"]p99999999999\n.", TOO_MUCH),
    "memo-that-is-not-there": (b"\x80\x02h\x05.", DAMAGED),
    "array-of-a-terabyte": (python2_pickle(Call(RECONSTRUCT, np.ndarray, (10**12,), b"b")), TOO_MUCH),
    "array-called": (python2_pickle(Call(np.ndarray, (10**12,), "i1")), TOO_MUCH),
    "array-of-9-GB": (python2_pickle(Call(np.ndarray, (9 * 10**9,), "i1")), TOO_MUCH),
    "array-of-less-than-nothing": (python2_pickle(Call(np.ndarray, (-1,), "i1")), DAMAGED),
    "nested-deeply": (b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".", "entry 0 of the list is of the type list"),
    "integer-of-many-digits": (python2_pickle([10**5000]), "entry 0 of the list is of the type int"),
    "integer-as-text": (b"I" + b"9" * 5000 + b"\n.", DAMAGED),
    "other-function": (b"cos\nsystem\n(S'true'\ntR.", "holds os.system, which this dataset does not need"),
    "builtin": (b"\x80\x02c__builtin__\neval\nU\x011\x85R.", "holds __builtin__.eval, which this dataset does not"),
    "persistent-id": (b"Pid\n.", DAMAGED),
    "extension": (b"\x80\x02\x82\x01.", DAMAGED),
    "protocol-99": (b"\x80\x63.", DAMAGED),
    "empty": (b"", DAMAGED),
    "zeros": (b"\0" * 1000, DAMAGED),
    "no-mapping-of-ids": (python2_pickle({"a": 1}), "holds a value of the type dict, not a list of track ids"),
    "numbers": (python2_pickle([1, 2]), "entry 0 of the list is of the type int, which is not a track id"),
    "short-id": (python2_pickle([*TEST, "TR1"]), "entry 4 of the list is 'TR1', which is not a track id"),
    "path-for-an-id": (python2_pickle(["../../TRABC00"]), "entry 0 of the list is '../../TRABC00', which is not a"),
}

COLLECTIONS = {
    # name: the file that is replaced, its content, and the message
    "vectors-a-number": ("msd_id_to_tag_vector.cP", 7, "holds a value of the type int, not a mapping"),
    "vector-a-number": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": 1}, "the vector of 'TRABC01' does not hold 3"),
    "vector-ragged": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": [1, 0]}, "of 'TRABC01' does not hold 3 n"),
    "vector-of-text": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": list("abc")}, "of 'TRABC01' does not hold 3 n"),
    "vector-none": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": None}, "the vector of 'TRABC01' does not hold 3"),
    "vector-of-none": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": [None] * 3}, "of 'TRABC01' does not hold 3"),
    "vector-nested": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": [[1], [1, 2], 0]}, "'TRABC01' does not hold 3"),
    "vector-nan": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": [np.nan, 1, 0]}, "has other numbers than 0 and 1"),
    "vector-negative": ("msd_id_to_tag_vector.cP", VECTORS | {"TRABC01": [-1, 1, 0]}, "other numbers than 0 and 1"),
    "in-both-lists": ("filtered_list_test.cP", [*TEST, "TRABC03"], "'TRABC03' is in filtered_list_train.cP too"),
    "nothing-to-test": ("filtered_list_test.cP", [], "datasets.mine: none of its 8 clips is in the split 'test'"),
    "nothing-to-validate": ("filtered_list_train.cP", TRAIN[:6], "is in the split 'validation'"),
    "tags-latin-1": ("50tagList.txt", LATIN_1, "50tagList.txt: row 2: not UTF-8"),
    "tag-twice": ("50tagList.txt", b"a\nb\na\n", "50tagList.txt: row 1: the tag 'a' is there twice"),
    "tag-reserved": ("50tagList.txt", b"a\nsplit\nc\n", "50tagList.txt: row 2: a tag must not be named 'split'"),
    "one-tag-less": ("50tagList.txt", b"a\nb\n", "does not hold 2 numbers, one for each tag"),
    "no-tags": ("50tagList.txt", b"\n", "does not hold 0 numbers, one for each tag"),
}

SEVEN_DIGITAL = {
    # name: the map that is replaced, its content, and the message
    "ids-a-list": ("MSD_id_to_7D_id.pkl", [1], "MSD_id_to_7D_id.pkl: holds a value of the type list, not a mapping"),
    "paths-a-list": ("7D_id_to_path.pkl", [1], "7D_id_to_path.pkl: holds a value of the type list, not a mapping"),
    "path-a-number": ("7D_id_to_path.pkl", PATHS | {"3": 7}, "a value of the type int is not a path below the"),
    "path-a-long-number": ("7D_id_to_path.pkl", PATHS | {"3": 10**5000}, "a value of the type int is not a path"),
    "path-with-a-null": (
        "7D_id_to_path.pkl",
        PATHS | {"3": "a\0b"},
        r"'a\x00b' is not a path below the dataset's root",
    ),
    "path-upwards": ("7D_id_to_path.pkl", PATHS | {"3": "a/../../b"}, "'a/../../b' is not a path below the dataset's"),
    "path-absolute": ("7D_id_to_path.pkl", PATHS | {"3": "/b.mp3"}, "'/b.mp3' is not a path below the dataset's root"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small lists, vectors and maps."""
    monkeypatch.setattr(msd, "N_TRAIN", N_TRAIN)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(python2_pickle(content))
    (tmp_path / "50tagList.txt").write_text("\n".join(TAGS))
    return tmp_path


def run_tracks(root: Path, audio: str = "track_ids"):
    """Run `tracks` on the metadata in a folder."""
    spec = {"dataset": "mine", "kind": "msd", "shards": 2, "audio": audio}
    outputs = ["--tracks", root / "tracks.parquet", "--left-out", root / "left_out.csv"]
    return run_script("tracks", "--paths", json.dumps({"root": str(root)}), *outputs, spec=spec)


def refused(process: Any, *messages: str) -> None:
    """Check that the program ends with one line that contains the messages."""
    assert process.returncode == 1, process.stdout
    # CPython itself prints a line about a bytearray that it could not make.
    (line,) = [line for line in process.stderr.splitlines() if "deallocated bytearray" not in line]
    assert line.startswith("howlow tracks: ")
    for message in messages:
        assert message in line


@pytest.mark.parametrize("case", PICKLES)
def test_a_pickle_is_refused_in_one_line(case, root):
    content, message = PICKLES[case]
    (root / "filtered_list_test.cP").write_bytes(content)
    refused(run_tracks(root), "filtered_list_test.cP: ", message)


def test_a_pickle_may_not_take_much_more_memory_than_it_has_bytes(tmp_path):
    """The unpickler would fill a memo of 4 GB with zeros."""
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02]r" + struct.pack("<I", 1 << 28) + b".")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(msd.PickleError, match="it asks for more than 1024 MB"):
        msd.unpickle(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000
    assert resource.getrlimit(resource.RLIMIT_AS) == limits


@pytest.mark.parametrize("case", COLLECTIONS)
def test_a_collection_is_refused_in_one_line(case, root):
    name, content, message = COLLECTIONS[case]
    (root / name).write_bytes(content if isinstance(content, bytes) else python2_pickle(content))
    refused(run_tracks(root), message)


@pytest.mark.parametrize("case", SEVEN_DIGITAL)
def test_maps_of_files_are_refused_in_one_line(case, root):
    name, content, message = SEVEN_DIGITAL[case]
    (root / name).write_bytes(python2_pickle(content))
    refused(run_tracks(root, "7digital"), name, message)


@pytest.mark.parametrize(
    ("number", "reason"), [(["1"], "has no path in the 7digital maps"), ("0", "has the same file as TR")]
)
def test_a_clip_without_a_file_of_its_own_is_left_out(number, reason, root):
    """A list cannot be a key of the map of paths, and the same file must not be in two splits."""
    (root / "MSD_id_to_7D_id.pkl").write_bytes(python2_pickle(IDS | {"TRXYZ03": number}))
    process = run_tracks(root, "7digital")
    assert process.returncode == 0, process.stderr
    assert f"left out: TRXYZ03: {reason}" in process.stdout
    assert Counter(tracks.read(root / "tracks.parquet").splits) == {"train": 6, "validation": 2, "test": 3}


def test_good_pickles_give_what_they_say(root):
    process = run_tracks(root, "7digital")
    assert process.returncode == 0, process.stderr
    found = tracks.read(root / "tracks.parquet")
    assert found.clip_ids == TRAIN + TEST
    assert found.paths == [f"1/2/{number}.mp3" for number in range(12)]
    np.testing.assert_array_equal(found.labels, np.array(list(VECTORS.values()), bool))
