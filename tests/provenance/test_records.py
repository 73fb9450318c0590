"""What records hold, and how they tell that a result differs from what would be made now."""

import pytest

from howlow import files
from howlow.provenance import records

SPEC = {"seed": 1, "training": {"learning_rate": 0.001, "patience": None}, "seeds": [1, 2]}
SCRIPT = files.__file__  # any file of Python


@pytest.fixture
def record(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n")
    path = tmp_path / "records" / "table.json"
    records.write(path, SPEC, files.Path(SCRIPT), [tmp_path / "table.csv"], source={"file": "abc"})
    return path


def differing(record, **changes):
    found = files.read_json(record)
    return records.difference(record, {key: found[key] for key in ("spec", "code", "source")} | changes)


def test_a_result_is_what_its_record_says(record):
    assert differing(record) is None
    assert files.read_json(record)["outputs"] == {"../table.csv": 4}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spec": SPEC | {"seed": 2}}, "seed is 2 now and was 1"),
        ({"spec": SPEC | {"seeds": [1, 3]}}, "seeds.001 is 3 now and was 2"),
        ({"spec": SPEC | {"seeds": [1, 2, 3]}}, "seeds is [1, 2, 3] now and was [1, 2]"),
        (
            {"spec": SPEC | {"training": {"learning_rate": 0.01, "patience": None}}},
            "training.learning_rate is 0.01 now and was 0.001",
        ),
        ({"spec": SPEC | {"width": 0.5}}, "width is 0.5 now and was not there"),
        ({"spec": {key: SPEC[key] for key in ("seed", "training")}}, "seeds is not there now and was [1, 2]"),
        ({"spec": SPEC | {"training": {"learning_rate": 0.001}}}, "training.patience is not there now and was None"),
        ({"code": {"howlow/features/mel.py": "1"}}, "the code of howlow/features/mel.py has changed since"),
        ({"source": {"file": "abd"}}, "file has changed since"),
        ({"origin": {"decode": {"source": "x"}}}, "origin has changed since"),
    ],
)
def test_what_differs_is_named(record, changes, words):
    assert differing(record, **changes).words == words


def test_what_is_not_known_is_not_compared(record):
    assert differing(record, source={"file": records.ANYTHING}) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "table.csv").unlink(), "../table.csv is missing"),
        (
            lambda folder: (folder / "table.csv").write_text("a"),
            "../table.csv has 1 bytes, and had 4 when it was written",
        ),
        (lambda folder: (folder / "records/table.json").write_text('{"spec": {'), "table.json is damaged"),
        (lambda folder: (folder / "records/table.json").write_text("[]"), "table.json is damaged"),
        (lambda folder: (folder / "records/table.json").write_bytes(b"\xff"), "table.json is damaged"),
        (lambda folder: (folder / "records/table.json").unlink(), "table.json is missing"),
    ],
)
def test_lost_and_damaged_files_are_named(record, change, words):
    found = files.read_json(record)
    change(record.parent.parent)
    assert records.difference(record, {"spec": found["spec"]}).words == words
