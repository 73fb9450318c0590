"""The windows of max pooling are the paper's Table III, and for inputs of other sizes follow its rows."""

import pytest

from howlow.errors import ShapeError
from howlow.networks import vgg

HOPS = (1, 2, 3, 4, 5, 10)
N_FRAMES = {12_000: (1366, 683, 456, 342, 274, 137), 16_000: (1820, 910, 607, 455, 364, 182)}
# The paper's Table III: windows in time by sample rate, for hops x1, x2, x3, x4, x5, x10; in frequency by bands.
TABLE_3_TIME = {
    12_000: ((4, 5, 8, 8), (4, 5, 8, 4), (4, 5, 8, 2), (4, 5, 8, 2), (4, 5, 8, 1), (4, 5, 4, 1)),
    16_000: ((4, 5, 9, 10), (4, 5, 9, 5), (4, 5, 9, 3), (4, 5, 9, 2), (4, 5, 9, 2), (4, 5, 9, 1)),
}
TABLE_3_BANDS = {
    128: (2, 4, 4, 4),
    96: (2, 4, 3, 4),
    48: (2, 4, 3, 2),
    32: (2, 2, 3, 2),
    24: (2, 2, 3, 2),
    16: (2, 2, 2, 2),
    8: (2, 2, 2, 1),
}


@pytest.mark.parametrize("n_mels", TABLE_3_BANDS)
@pytest.mark.parametrize("rate", TABLE_3_TIME)
def test_pooling_is_table_3_for_the_papers_sizes(rate, n_mels):
    for n_frames, frames in zip(N_FRAMES[rate], TABLE_3_TIME[rate], strict=True):
        assert vgg.windows(n_mels, n_frames) == list(zip(TABLE_3_BANDS[n_mels], frames, strict=True))


# By hand: the row of the largest input of the table that is not larger, with all that is left in the last window.
@pytest.mark.parametrize(
    ("n_mels", "n_frames", "expected"),
    [
        (95, 1365, [(2, 4), (4, 5), (3, 9), (3, 7)]),  # 95, 47, 11, 3 bands; 1365, 341, 68, 7 frames
        (100, 1000, [(2, 4), (4, 5), (3, 9), (4, 5)]),  # 100, 50, 12, 4 bands; 1000, 250, 50, 5 frames
        (256, 5000, [(2, 4), (4, 5), (4, 9), (8, 27)]),  # 256, 128, 32, 8 bands; 5000, 1250, 250, 27 frames
        (5, 136, [(2, 4), (2, 5), (1, 4), (1, 1)]),  # 5, 2, 1, 1 bands; 136, 34, 6, 1 frames
        (1, 20, [(1, 4), (1, 5), (1, 1), (1, 1)]),  # 20, 5, 1, 1 frames
    ],
)
def test_other_sizes_have_the_windows_of_the_next_smaller_one_and_pool_the_rest(n_mels, n_frames, expected):
    assert vgg.windows(n_mels, n_frames) == expected


def test_any_size_ends_at_one_by_one():
    for n_mels in range(1, 300):
        for n_frames in [*range(20, 200), *range(200, 10_000, 171)]:
            bands, frames = n_mels, n_frames
            for height, width in vgg.windows(n_mels, n_frames):
                bands, frames = bands // height, frames // width
            assert (bands, frames) == (1, 1), (n_mels, n_frames)


def test_too_few_frames_to_pool():
    with pytest.raises(ShapeError, match="19 frames are too few for VGG-CNN, which needs at least 20"):
        vgg.windows(96, 19)
