"""The kinds of datasets by name.

A kind is a module of this package, `howlow.data.datasets.<name>`, a line here, and a block under `datasets` in the
schema of the configuration. The module has

- `load(**settings, **paths)`, which reads the dataset's own metadata into `howlow.data.tracks.Tracks` and a list of
  (clip_id, reason) of the clips that are left out,
- `split_rule(spec)`, which says in words how the clips are split, and
- `PUBLISHED_SIZES`, for a dataset of the literature: the number of usable clips of each split.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """What is known of a kind of dataset without reading one.

    Attributes
    ----------
    metadata : the files of its metadata, in its root
    folds_by : what all clips of a fold have in common, such as their artist; None if it has no folds
    is_generated : whether the workflow itself makes the dataset
    """

    metadata: tuple[str, ...] = ()
    folds_by: str | None = None
    is_generated: bool = False


_LASTFM = ("filtered_list_train.cP", "filtered_list_test.cP", "msd_id_to_tag_vector.cP", "50tagList.txt")

DATASETS = {
    "demo": Kind(metadata=("annotations_final.csv",), is_generated=True),
    "mtat": Kind(metadata=("annotations_final.csv",), folds_by="artist"),
    "msd": Kind(metadata=_LASTFM),
    "table": Kind(folds_by="group"),
}
