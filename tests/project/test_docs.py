"""The documentation agrees with the code that it follows from."""

import re

import pytest
from conftest import ROOT, module_at

from howlow import config


@pytest.fixture(scope="module")
def generate():
    return module_at(ROOT / "docs" / "generate.py")


def test_generated_parts_are_current(generate):
    for path, text in generate.generated().items():
        assert path.read_text() == text, f"{path.name} is out of date: run `make docs`"


def _keys(schema):
    """Every key in the schema."""
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from (key for key, declared in properties.items() if declared and "const" not in declared)
        for value in schema.values():
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)


def test_every_key_is_documented():
    text = (ROOT / "config" / "README.md").read_text()
    keys = set(_keys(config.schema()))
    assert {"seeds", "n_mels", "orientation", "decay_epochs"} <= keys
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_files_that_contributing_names_are_there():
    named = re.findall(r"`((?:workflow|tests|docs|config)/[^`*]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path


def test_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", (ROOT / "README.md").read_text())
    assert pictures
    assert all((ROOT / picture).stat().st_size > 50_000 for picture in pictures)


@pytest.mark.parametrize(
    ("message", "source"),
    [
        ("howlow needs a Python of one of these versions: ", "Makefile"),
        ("and there is no such file", "Makefile"),
        (
            "it ended without an error message; it may have been killed for lack of memory",
            "workflow/howlow/planning/failures.py",
        ),
        ("an unexpected error in the program: ", "workflow/howlow/planning/failures.py"),
        ("make room and start again", "workflow/howlow/planning/failures.py"),
        ("Not beside the published figures: ", "workflow/scripts/tables.py"),
    ],
)
def test_troubleshooting_speaks_of_what_is_said(message, source):
    assert message in (ROOT / source).read_text()
    assert message in (ROOT / "docs" / "troubleshooting.md").read_text()
