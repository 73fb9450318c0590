"""The Million Song Dataset, with the split and the 50 Last.fm tags that the field uses.

241,889 previews of 30 s; the audio can't be downloaded any more: users bring their own copy.

Bertin-Mahieux, Ellis, Whitman and Lamere, "The Million Song Dataset", ISMIR 2011; the split and the tag
vectors are those of Jongpil Lee's music_dataset_split.

Layout: `filtered_list_train.cP` (the first 201,680 train, the others validation), `filtered_list_test.cP`
and `msd_id_to_tag_vector.cP`, pickles by Python 2; `50tagList.txt`; audio as `A/B/C/TRABC....mp3`.
"""

import pickle
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from howlow.errors import HowlowError
from howlow.tracks import Tracks, shards_by_hash

N_TRAIN = 201_680
PUBLISHED_SIZES = {"train": N_TRAIN, "validation": 11_774, "test": 28_435}

# All that such pickles hold; NumPy's constructors stand under their names of old and of now.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}


class PickleError(HowlowError):
    """A pickle is missing, broken, or holds what the dataset does not need; the message names file and type."""


def load(root: Path | str, *, audio: str = "track_ids", shards: int = 64) -> tuple[Tracks, list[tuple[str, str]]]:
    """Read the split and the tags of the clips.

    Parameters
    ----------
    root : the folder with the pickles and the audio
    audio : `track_ids`, files are `A/B/C/TRABC....mp3`; `7digital`, `MSD_id_to_7D_id.pkl` and `7D_id_to_path.pkl` in
        the root say where they are, as `8/9/8947470.clip.mp3`
    shards : number of shards; a hash of its id decides which one a clip is in

    Returns
    -------
    tracks : Tracks
    left_out : list of (clip_id, reason), the clips of the split that have no tags or no path

    Raises
    ------
    PickleError
        if a pickle is missing, broken or holds a type that is not allowed
    """
    root = Path(root)
    first = _ids(root / "filtered_list_train.cP")
    split_of = dict.fromkeys(first[:N_TRAIN], "train") | dict.fromkeys(first[N_TRAIN:], "validation")
    split_of |= dict.fromkeys(_ids(root / "filtered_list_test.cP"), "test")
    vectors = unpickle(root / "msd_id_to_tag_vector.cP")
    tags_path = root / "50tagList.txt"
    if not tags_path.is_file():
        raise HowlowError(f"{tags_path}: no such file; it has to list the tags in the order of the vectors")
    tags = tuple(line.strip() for line in tags_path.read_text(encoding="utf-8").splitlines() if line.strip())

    paths = _paths(root, split_of, audio)
    left_out = [(clip_id, "has no tag vector") for clip_id in split_of if clip_id not in vectors]
    left_out += [
        (clip_id, "has no path in the 7digital maps")
        for clip_id in split_of
        if clip_id in vectors and clip_id not in paths
    ]
    clip_ids = sorted(clip_id for clip_id in split_of if clip_id in vectors and clip_id in paths)
    if not clip_ids:
        raise HowlowError(f"{root}: no track of the split has both tags and a path")
    labels = np.array([np.ravel(vectors[clip_id]) for clip_id in clip_ids], dtype=bool)
    if labels.shape != (len(clip_ids), len(tags)):
        raise HowlowError(f"{root}: the tag vectors are not of the {len(tags)} tags of {tags_path.name}")
    tracks = Tracks(
        clip_ids=clip_ids,
        paths=[paths[clip_id] for clip_id in clip_ids],
        splits=[split_of[clip_id] for clip_id in clip_ids],
        shards=shards_by_hash(clip_ids, shards),
        tags=tags,
        labels=labels,
    )
    return tracks, left_out


def _paths(root: Path, clip_ids: Iterable[str], audio: str) -> dict[str, str]:
    """The path of each clip that has one, relative to the root."""
    if audio == "track_ids":
        return {clip_id: f"{clip_id[2]}/{clip_id[3]}/{clip_id[4]}/{clip_id}.mp3" for clip_id in clip_ids}
    ids, found = unpickle(root / "MSD_id_to_7D_id.pkl"), unpickle(root / "7D_id_to_path.pkl")
    paths = {clip_id: str(found[ids[clip_id]]) for clip_id in clip_ids if ids.get(clip_id) in found}
    for path in paths.values():
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise PickleError(f"{root / '7D_id_to_path.pkl'}: {path!r} is not a path below the dataset's root")
    return paths


def unpickle(path: Path) -> Any:
    """Load a pickle that Python 2 wrote, with byte strings as text; only arrays and plain types may be in it.

    Raises
    ------
    PickleError
        if it is missing or broken, or names any other type or function
    """
    if not path.is_file():
        raise PickleError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin-1").load()
    except PickleError as error:
        raise PickleError(f"{path}: {error}") from None
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise PickleError(f"{path}: not a pickle that can be read: {error}") from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise PickleError(f"holds {module}.{name}, which this dataset does not need; it was not loaded")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _ids(path: Path) -> list[str]:
    ids = unpickle(path)
    if not isinstance(ids, list) or not all(isinstance(clip_id, str) and clip_id.isalnum() for clip_id in ids):
        raise PickleError(f"{path}: not a list of track ids")
    return ids
