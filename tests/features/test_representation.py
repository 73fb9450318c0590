"""The names of cells, and the frames of a part of a clip."""

import pytest

from howlow.features.representation import Cell, Representation, cells_of

PAPERS = Cell(12_000, 48, 2, "db")

NAMES = {
    "12k_mel48_x2_db": PAPERS,
    "12k_mel48_x2_db_4bit_10s_w0.5": Cell(12_000, 48, 2, "db", 4, 10, 0.5),
    "44.1k_mel8_x10_log_1bit": Cell(44_100, 8, 10, "log", 1),
    "16k_mel128_x1_log_2.5s": Cell(16_000, 128, 1, "log", seconds=2.5),
    "16k_mel128_x1_log_w0.015625": Cell(16_000, 128, 1, "log", width=1 / 64),
    "16k_mel128_x1_log_w0.00001": Cell(16_000, 128, 1, "log", width=1e-5),
}


@pytest.mark.parametrize(("name", "cell"), NAMES.items())
def test_names_of_cells(name, cell):
    assert cell.name(29.1, 1.0) == name
    assert Cell.parse(name, 29.1, 1.0) == cell


def test_what_an_experiment_has_without_further_axes_is_not_named():
    cell = Cell(12_000, 48, 2, "db", seconds=6, width=1 / 16)
    assert cell.name(6, 1 / 16) == "12k_mel48_x2_db"
    assert Cell.parse("12k_mel48_x2_db", 6, 1 / 16) == cell
    assert cell.name(29.1, 1) == "12k_mel48_x2_db_6s_w0.0625"
    spec = {"cells": ["12k_mel48_x2_db_w1", "12k_mel48_x2_db"], "seconds": 6, "width": 1 / 16}
    assert cells_of(spec) == {
        "12k_mel48_x2_db_w1": Cell(12_000, 48, 2, "db", seconds=6, width=1),
        "12k_mel48_x2_db": cell,
    }


@pytest.mark.parametrize(
    "name",
    [
        "12k_mel48_x2", "12k_mel48_x2_DB", "012k_mel48_x2_db", "12k_mel48_x2_db_16bit", "12k_mel48_x2_db_29.1s",
        "12k_mel48_x2_db_w1", "12k_mel48_x2_db_w0.50", "12k_mel48_x2_db_10s_4bit", "12k_mel48_x2_db_10.0s",
        "12k_mel48_x2_db_", "12k_mel48_x2_db_4bit_", " 12k_mel48_x2_db", "12k_mel48_x2_db\n", "",
    ],
)  # fmt: skip
def test_other_texts_are_no_names(name):
    with pytest.raises(ValueError, match="not the name of a cell"):
        Cell.parse(name, 29.1, 1.0)


@pytest.mark.parametrize(("seconds", "hop_factor", "n_frames"), [(29.1, 1, 1366), (3, 1, 142), (3, 5, 29), (1, 10, 5)])
def test_frames_of_a_part_of_a_clip(seconds, hop_factor, n_frames):
    """3 s at 12 kHz are 36,000 samples, 140.6 hops of 256, so 142 frames, the first and the last at the ends."""
    cell = Representation(12_000, 96, hop_factor, "db", seconds=seconds)
    assert cell.n_frames == n_frames
    assert cell.n_frames_at_x1 == Representation(12_000, 96, 1, "db", seconds=seconds).n_frames
