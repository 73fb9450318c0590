"""Digests depend on the code that runs and on the meaning of a specification, and on nothing else."""

import shutil

import pytest

from howlow import provenance


def test_specification_does_not_depend_on_the_order_of_keys():
    assert provenance.canonical({"b": 1, "a": {"d": 2, "c": 3}}) == provenance.canonical(
        {"a": {"c": 3, "d": 2}, "b": 1}
    )
    assert provenance.digest({"a": 1}) != provenance.digest({"a": 1.5})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the library and one script, to change."""
    copy = tmp_path / "howlow"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    (tmp_path / "script.py").write_text('"""Doc."""\nfrom howlow.training import loop\nfrom howlow import networks\n')

    def digest(model: str = "vgg") -> dict[str, str]:
        provenance._code.cache_clear()
        provenance._parse.cache_clear()
        return provenance.code(tmp_path / "script.py", {"model": model})

    return tmp_path, digest


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", '"""Doc."""', '"""Another."""\n# and a comment'),
        ("howlow/training/loop.py", "# ", "# a longer comment: "),
        ("howlow/training/loop.py", '"""Training one', '"""The training of one'),
        ("howlow/features/representation.py", '"""Length of a clip', '"""The length of a clip'),
        ("howlow/features/mel.py", "\n\n\n", "\n\n\n\n\n"),
        ("howlow/results/plots/figure1.py", "figsize", "figsiez"),
        ("howlow/networks/musicnn.py", "14 *", "15 *"),
        ("howlow/networks/musicnn_layers.py", "Dropout(0.5)", "Dropout(0.4)"),
        ("howlow/networks/registry.py", '"vgg": "VGG-CNN",', '"vgg": "VGG-CNN", "resnet": "ResNet",'),
        # The way in which programs report and write does not change any number.
        ("howlow/program.py", "leave=False", "leave=True"),
        ("howlow/files.py", "indent=1", "indent=2"),
        ("howlow/provenance/records.py", "_MAX_SHOWN = 60", "_MAX_SHOWN = 80"),
        ("howlow/networks/memory.py", "1_000", "1_001"),
    ],
)
def test_what_is_not_run_does_not_count(package, file, old, new):
    folder, digest = package
    before = digest()
    edit(folder / file, old, new)
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "import loop", "import loop, protocol"),
        ("howlow/networks/__init__.py", "options=options", "options=options or {}"),
        ("howlow/networks/vgg.py", "128, 384", "128, 385"),
        ("howlow/networks/vgg_layers.py", "nn.ELU()", "nn.ReLU()"),
        ("howlow/training/adam.py", "eps=1e-7", "eps=1e-8"),
        ("howlow/features/store.py", "-(-self._shards[0].shape[2] // self._hop_factor)", "1"),
        ("howlow/features/mel.py", "1e-10", "1e-9"),  # imported by store, which training imports
    ],
)
def test_what_is_run_counts_also_where_it_is_imported(package, file, old, new):
    folder, digest = package
    before = digest()
    edit(folder / file, old, new)
    after = digest()
    assert {name for name in before | after if before.get(name) != after.get(name)} >= {file}


@pytest.mark.parametrize(
    ("key", "folder_of", "own", "other"),
    [("model", "networks", "vgg", "musicnn"), ("kind", "data/datasets", "mtat", "msd")],
)
def test_of_networks_and_datasets_only_the_named_one_counts(package, key, folder_of, own, other):
    folder, _ = package
    (folder / "script.py").write_text("from howlow import networks\nfrom howlow.data import datasets\n")
    names = set(provenance.code(folder / "script.py", {key: own}))
    of_own, of_other = (f"howlow/{folder_of}/{name}.py" for name in (own, other))
    assert of_own in names
    assert of_other not in names
    assert of_own not in provenance.code(folder / "script.py", {})


def test_a_program_that_can_build_no_network_depends_on_none(package):
    """A figure of the results of a network knows its name, and does not change with its layers."""
    folder, _ = package
    (folder / "script.py").write_text("from howlow.networks.registry import NETWORKS\n")
    assert list(provenance.code(folder / "script.py", {"model": "vgg"})) == ["script.py"]


def test_plumbing_is_there_and_imports_nothing_else():
    """A module that computes something must not be imported only through one that does not count."""
    for name in provenance.PLUMBING:
        _, imported = provenance._parse(provenance.PACKAGE / name)
        of_package = {path.relative_to(provenance.PACKAGE).as_posix() for path in imported}
        # The memory of a training follows from its network and number of frames, which trainings import themselves.
        allowed = {"networks/memory.py": {"networks/__init__.py"}}.get(name, set()) | {
            "__init__.py",
            "features/__init__.py",
            "features/representation.py",
            "training/__init__.py",
        }
        assert of_package <= {*provenance.PLUMBING, *allowed}
