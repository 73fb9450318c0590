"""The Million Song Dataset, with the split and the 50 Last.fm tags that the field uses.

It has 241,889 previews of 30 s. The audio can't be downloaded any more, so users need a copy of their own.

Bertin-Mahieux, Ellis, Whitman and Lamere, "The Million Song Dataset", ISMIR 2011; the split and the tag
vectors are those of Jongpil Lee's music_dataset_split.

Layout: `filtered_list_train.cP` (the first 201,680 clips are for training, the others for validation),
`filtered_list_test.cP` and `msd_id_to_tag_vector.cP`, which are pickles by Python 2; `50tagList.txt`; and the
audio as `A/B/C/TRABC....mp3`.
"""

import pickle
import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from howlow.data.datasets import metadata, tabular
from howlow.data.tracks import Tracks, shards_by_hash
from howlow.errors import HowlowError

N_TRAIN = 201_680
PUBLISHED_SIZES = {"train": N_TRAIN, "validation": 11_774, "test": 28_435}

# The types that these pickles hold. NumPy's constructors are listed by their old and their present names.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}

# Loading a pickle may take a multiple of its size, and a fixed amount. The real pickles need far less.
_MEMORY_FACTOR = 64
_MEMORY_BYTES = 1 << 30


class PickleError(HowlowError):
    """A pickle is missing, broken, or holds a type that the dataset does not need. The message names file and type."""


def load(root: Path | str, *, audio: str = "track_ids", shards: int = 64) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the split and the tags of the clips.

    Parameters
    ----------
    root : the folder with the pickles and the audio
    audio : `track_ids` if the files are `A/B/C/TRABC....mp3`; `7digital` if `MSD_id_to_7D_id.pkl` and
        `7D_id_to_path.pkl` in the root give their paths, such as `8/9/8947470.clip.mp3`
    shards : number of shards; a hash of a clip's id decides which shard the clip is in

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason), the clips of the split without tags or a path, or with another clip's path

    Raises
    ------
    HowlowError
        if a file is missing, is broken or has invalid content; the message names it
    """
    root = Path(root)
    split_of = _split(root)
    vectors = _mapping(root / "msd_id_to_tag_vector.cP")
    tags_path = root / "50tagList.txt"
    if not tags_path.is_file():
        raise HowlowError(f"{tags_path}: no such file; it has to list the tags in the order of the tag vectors")
    tags = tuple(tabular.read_list(tags_path))
    metadata.check_tags(tags_path, tags, [[tag] for tag in tags], first_row=1)

    with_tags = sorted(clip_id for clip_id in split_of if clip_id in vectors)
    paths, taken = _paths(root, with_tags, audio)
    left_out = [(clip_id, "has no tag vector") for clip_id in split_of if clip_id not in vectors]
    left_out += [
        (clip_id, "has no path in the 7digital maps")
        for clip_id in with_tags
        if clip_id not in paths and clip_id not in taken
    ]
    left_out += [(clip_id, f"has the same file as {other}") for clip_id, other in taken.items()]
    clip_ids = list(paths)
    if not clip_ids:
        raise HowlowError(f"{root}: no track of the split has both tags and a path")
    labels = _labels(root / "msd_id_to_tag_vector.cP", vectors, clip_ids, tags)
    tracks = Tracks(
        clip_ids=clip_ids,
        paths=[paths[clip_id] for clip_id in clip_ids],
        splits=[split_of[clip_id] for clip_id in clip_ids],
        shards=shards_by_hash(clip_ids, shards),
        groups=clip_ids,  # a track is one clip, and the pickles do not name its artist
        tags=tags,
        labels=labels,
    )
    return tracks, left_out


def split_rule(spec: dict[str, Any]) -> str:
    """How the clips are split without folds."""
    return "the lists of the field"


def _split(root: Path) -> dict[str, str]:
    """The split of each clip in the two lists."""
    first, test = _ids(root / "filtered_list_train.cP"), _ids(root / "filtered_list_test.cP")
    if twice := set(first) & set(test):
        raise PickleError(f"{root / 'filtered_list_test.cP'}: {min(twice)!r} is in filtered_list_train.cP too")
    split_of = dict.fromkeys(first[:N_TRAIN], "train") | dict.fromkeys(first[N_TRAIN:], "validation")
    return split_of | dict.fromkeys(test, "test")


def _labels(path: Path, vectors: dict[Any, Any], clip_ids: list[str], tags: tuple[str, ...]) -> np.ndarray:
    """Check the tag vectors of the clips, and stack them to an array (n_clips, n_tags)."""
    rows = []
    for clip_id in clip_ids:
        try:
            row = np.ravel(vectors[clip_id])
        except ValueError:  # lists of different lengths
            row = np.empty(0)
        rows.append(row)
        if len(row) != len(tags) or row.dtype.kind not in "biuf":
            raise PickleError(f"{path}: the vector of {clip_id!r} does not hold {len(tags)} numbers, one for each tag")
    values = np.array(rows)
    wrong = ~((values == 0) | (values == 1)).all(axis=1)
    if wrong.any():
        raise PickleError(f"{path}: the vector of {clip_ids[int(np.argmax(wrong))]!r} has other numbers than 0 and 1")
    return values.astype(bool)


def _paths(root: Path, clip_ids: Iterable[str], audio: str) -> tuple[dict[str, str], dict[str, str]]:
    """The path of each clip, relative to the root; and for each clip whose path another clip has, that other clip."""
    if audio == "track_ids":
        return {clip_id: f"{clip_id[2]}/{clip_id[3]}/{clip_id[4]}/{clip_id}.mp3" for clip_id in clip_ids}, {}
    source = root / "7D_id_to_path.pkl"
    ids, found = _mapping(root / "MSD_id_to_7D_id.pkl"), _mapping(source)
    first: dict[str, str] = {}  # the clip of each path
    paths, taken = {}, {}
    for clip_id in clip_ids:
        number = ids.get(clip_id)
        if not isinstance(number, str | int | np.integer) or number not in found:
            continue
        path = _path(source, found[number])
        if path in first:
            taken[clip_id] = first[path]
        else:
            first[path] = clip_id
            paths[clip_id] = path
    return paths, taken


def _path(source: Path, value: Any) -> str:
    is_text = isinstance(value, str) and not any(character < " " for character in value)
    path = metadata.shortest_path(value) if is_text else ""
    if not path:
        shown = repr(value) if isinstance(value, str) else f"a value of the type {type(value).__name__}"
        raise PickleError(f"{source}: {shown} is not a path below the dataset's root")
    return path


def unpickle(path: Path) -> Any:
    """Load a pickle that Python 2 wrote. It may hold only arrays and plain types. Byte strings become text.

    Raises
    ------
    PickleError
        if the pickle is missing or broken, names another type or a function, or asks for far more memory than its size
    """
    if not path.is_file():
        raise PickleError(f"{path}: no such file; the dataset's root has to hold it")
    limit = _MEMORY_BYTES + _MEMORY_FACTOR * path.stat().st_size
    try:
        with path.open("rb") as file, _memory(limit):
            return _Unpickler(file, encoding="latin-1").load()
    except PickleError as error:
        raise PickleError(f"{path}: {error}") from None
    except MemoryError:
        raise PickleError(f"{path}: not a pickle that can be read: it asks for more than {limit >> 20} MB") from None
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise any type of error
        raise PickleError(f"{path}: not a pickle that can be read: {' '.join(str(error).split())}") from None


@contextmanager
def _memory(n_bytes: int) -> Iterator[None]:
    """Let this process take at most `n_bytes` more memory, because a few bytes of a pickle can ask for terabytes.

    Only Linux says how much memory a process has now and enforces the limit. On other systems nothing is limited.
    """
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + n_bytes
    allowed = [limit, *(value for value in (soft, hard) if value != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(allowed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise PickleError(f"holds {module}.{name}, which this dataset does not need; it was not loaded")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _mapping(path: Path) -> dict[Any, Any]:
    content = unpickle(path)
    if not isinstance(content, dict):
        raise PickleError(f"{path}: holds a value of the type {type(content).__name__}, not a mapping")
    return content


def _ids(path: Path) -> list[str]:
    ids = unpickle(path)
    if not isinstance(ids, list):
        raise PickleError(f"{path}: holds a value of the type {type(ids).__name__}, not a list of track ids")
    for number, clip_id in enumerate(ids):
        if not isinstance(clip_id, str) or not clip_id.isalnum() or not clip_id.isascii() or len(clip_id) < 5:
            shown = repr(clip_id) if isinstance(clip_id, str) else f"of the type {type(clip_id).__name__}"
            raise PickleError(f"{path}: entry {number} of the list is {shown}, which is not a track id")
    return ids
