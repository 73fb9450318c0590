"""Reads the configuration, checks it strictly, fills in the defaults, and lists the cells of its grids."""

import copy
import difflib
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from jsonschema.validators import extend

from howlow import networks, provenance
from howlow.config import strict_yaml
from howlow.errors import HowlowError, ShapeError
from howlow.representation import Representation

SCHEMA_PATH = provenance.PACKAGE / "schemas" / "config.schema.yaml"

RESERVED_NAMES = ("records", "sound")
"""Names that no dataset may have, because results/ has folders of these names for something else."""

MAX_TRAININGS = 100_000
"""The largest number of trainings. More are taken for a mistake, because Snakemake would plan them for hours."""


class ConfigError(HowlowError):
    """The configuration can't work. The message gives the path of the key."""


def load(*paths: Path | str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read, check and complete a configuration.

    Parameters
    ----------
    paths : its files; if several of them have the same key, the last one counts
    overrides : values from Snakemake's command line, which replace those of the files

    Raises
    ------
    YamlError
        if a file can't be read, see `howlow.config.strict_yaml.read`
    ConfigError
        see `complete`
    """
    config: Any = None
    for path in paths:
        config = _merged(config, strict_yaml.read(path))
    source = ", ".join(map(str, paths))
    if overrides:
        config = _with_typed_text(_merged(config, overrides), overrides)
        source += " with --config"
    return complete(config, source)


def _merged(config: Any, changes: Any) -> Any:
    """Merge changes into a configuration: mappings are merged key by key, everything else is replaced."""
    if isinstance(config, Mapping) and isinstance(changes, Mapping):
        return {**config, **{key: _merged(config.get(key), value) for key, value in changes.items()}}
    return _without_aliases(changes)


def _with_typed_text(config: Any, overrides: Mapping[str, Any]) -> Any:
    """Convert text of the overrides to a number where the schema wants a number.

    Snakemake takes everything within brackets on its command line for text, such as the 1 in `seeds=[1]`.
    """
    for error in list(_Completing(schema()).iter_errors(copy.deepcopy(config))):
        if error.validator in ("type", "enum") and isinstance(error.instance, str):
            path = list(error.absolute_path)
            if _at(overrides, path) == error.instance:
                _at(config, path[:-1])[path[-1]] = _typed(error.instance)
    return config


def _at(node: Any, path: Iterable[Any]) -> Any:
    """The value at a path of keys and positions, or None if there is none."""
    for key in path:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def _typed(text: str) -> Any:
    try:
        return strict_yaml.parse(text)
    except strict_yaml.YamlError:
        return text


def complete(config: Any, source: str) -> dict[str, Any]:
    """Check a configuration against the schema and against itself, and fill in the defaults.

    Parameters
    ----------
    config : the content of the file, as `howlow.config.strict_yaml` read it; it is changed in place
    source : the file's name, for messages

    Raises
    ------
    ConfigError
        for the first mistake; the message is one line with the key's path and what is wrong there
    """
    if isinstance(config, dict):
        config.update({key: _without_aliases(value) for key, value in config.items()})
    error = next(_Completing(schema()).iter_errors(config), None)
    if error is not None:
        raise ConfigError(f"{source}: {strict_yaml.shortened(_describe(error))}")
    try:
        _check_names(config["datasets"])
        _check_references(config)
        _check_size(config)
        _check_grids(config)
        _check_folds(config)
    except ConfigError as problem:
        raise ConfigError(f"{source}: {strict_yaml.shortened(str(problem))}") from None
    return config


def _without_aliases(node: Any) -> Any:
    """Copy a node, so that each YAML alias has a copy of its own and can get defaults of its own."""
    if isinstance(node, Mapping):
        return {key: _without_aliases(value) for key, value in node.items()}
    return [_without_aliases(value) for value in node] if isinstance(node, list) else node


@cache
def schema() -> dict[str, Any]:
    """The schema of the configuration, workflow/schemas/config.schema.yaml; it is read once and must not be changed."""
    found = yaml.safe_load(SCHEMA_PATH.read_text())
    definitions = found["$defs"]
    dataset, experiment = definitions["dataset"], definitions["experiment"]
    dataset["properties"]["kind"]["enum"] = list(definitions["datasets"])
    dataset["allOf"] = [_of_kind(name) for name in definitions["datasets"]]
    experiment["properties"]["model"]["enum"] = list(definitions["networks"])
    experiment["allOf"] = [_of_network(name) for name in definitions["networks"]]
    return found


def _of_kind(name: str) -> dict[str, Any]:
    """The part of the schema of a dataset that holds for one kind."""
    return {"if": {"properties": {"kind": {"const": name}}}, "then": {"$ref": f"#/$defs/datasets/{name}"}}


def _of_network(name: str) -> dict[str, Any]:
    """The part of the schema of an experiment that holds for one network."""
    of_network = f"#/$defs/networks/{name}"
    options = {"$ref": f"{of_network}/options", "default": {}}
    parts = {"options": options, "training": {"$ref": f"{of_network}/training"}}
    return {"if": {"properties": {"model": {"const": name}}}, "then": {"properties": parts}}


def representations(experiment: dict[str, Any]) -> list[Representation]:
    """The representations of an experiment, in the order of its grid."""
    return [representation for _, representation in _grid_items(experiment)]


def _grid_items(experiment: dict[str, Any]) -> Iterator[tuple[int, Representation]]:
    for index, entry in enumerate(experiment["grid"]):
        axes = (entry["sample_rate"], entry["n_mels"], entry["hop_factor"], entry["log_type"])
        for values in itertools.product(*axes):
            yield index, Representation(*values)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name in RESERVED_NAMES:
            raise ConfigError(f"datasets.{name}: results/{name} is not a dataset's folder; use another name")
        if re.search(r"(.+?)\1{19}", name):  # Snakemake takes this for a rule that needs its own output
            raise ConfigError(f"datasets.{name}: this name repeats itself too often for Snakemake; use another one")


def _check_references(config: dict[str, Any]) -> None:
    pairs: list[tuple[str, str]] = []
    for index, experiment in enumerate(config["experiments"]):
        if experiment["dataset"] not in config["datasets"]:
            raise ConfigError(
                f"experiments[{index}].dataset: there is no dataset {experiment['dataset']!r}"
                f" under datasets{_suggestion(experiment['dataset'], config['datasets'])}"
            )
        pair = (experiment["dataset"], experiment["model"])
        if pair in pairs:
            raise ConfigError(
                f"experiments[{index}]: {pair[1]} on {pair[0]} is already experiments[{pairs.index(pair)}];"
                " put the grids of both into one experiment"
            )
        pairs.append(pair)
    shown = config.setdefault("figure1", {"dataset": pairs[0][0], "model": pairs[0][1]})
    if (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"figure1: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table4")) and (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"table4: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table5")) and shown["dataset"] not in dict(pairs):
        raise ConfigError(f"table5: no experiment uses the dataset {shown['dataset']}")


def _check_size(config: dict[str, Any]) -> None:
    axes = ("sample_rate", "n_mels", "hop_factor", "log_type")
    grids = [entry for experiment in config["experiments"] for entry in experiment["grid"]]
    n_cells = sum(math.prod(len(entry[axis]) for axis in axes) for entry in grids)
    n_trainings = n_cells * len(config["seeds"])
    if n_trainings > MAX_TRAININGS:
        raise ConfigError(
            f"experiments: {n_cells:,} cells with {len(config['seeds'])} seeds are {n_trainings:,} trainings, more than"
            f" the {MAX_TRAININGS:,} that one run can have"
        )


def _check_folds(config: dict[str, Any]) -> None:
    n_seeds = len(config["seeds"])
    for name in dict.fromkeys(experiment["dataset"] for experiment in config["experiments"]):
        folds = config["datasets"][name].get("folds")
        if folds and n_seeds % folds:
            raise ConfigError(
                f"datasets.{name}.folds: the training with each seed tests on one fold, so {folds} folds need {folds}"
                f" seeds or a multiple of that, and `seeds` has {n_seeds}"
            )


def _check_grids(config: dict[str, Any]) -> None:
    for number, experiment in enumerate(config["experiments"]):
        seen: set[Representation] = set()
        for index, representation in _grid_items(experiment):
            where = f"experiments[{number}].grid[{index}]"
            if representation in seen:
                raise ConfigError(f"{where}: {representation.name} is in the grid twice")
            seen.add(representation)
            seconds = config["datasets"][experiment["dataset"]]["seconds"]
            _check_buildable(where, experiment["model"], representation, seconds, experiment["options"])


def _check_buildable(where: str, model: str, cell: Representation, seconds: float, options: dict[str, Any]) -> None:
    try:
        networks.check_bands(model, cell.sample_rate, cell.n_mels)
    except ShapeError as error:
        raise ConfigError(f"{where}.n_mels: {error}") from None
    try:
        networks.check_frames(model, cell, seconds, options)
    except ShapeError as error:
        raise ConfigError(f"{where}.hop_factor: {cell.name} of {seconds} s: {error}") from None


def _describe(error: jsonschema.ValidationError) -> str:
    """Describe an error of jsonschema in one line and in the user's terms: the path of the key and what is wrong."""
    path = error.json_path.removeprefix("$").removeprefix(".")
    prefix = f"{path}: " if path else ""
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = schema.get("properties", {})
        key = next(key for key in value if key not in known)
        return f"{path}{'.' if path else ''}{key}: unknown key{_suggestion(key, known)}"
    if error.validator == "required":
        missing = next(key for key in rule if key not in value)
        return f"{prefix}the key {missing!r} is missing"
    if error.validator == "uniqueItems":
        twice = next(item for item in value if value.count(item) > 1)
        return f"{prefix}{twice!r} is in the list twice"
    if error.validator == "type" and isinstance(value, float):
        if not math.isfinite(value):
            return f"{prefix}{value} is not a finite number"
        if value.is_integer():
            return f"{prefix}{value} is not a whole number for YAML: write {int(value)}"
    if error.validator == "type" and isinstance(value, str) and _is_number(value):
        return f"{prefix}{value!r} is text, not a number: write {float(value):g}, without quotes"
    if error.validator == "type" and value is None and not path:
        return f"is empty: it needs the keys {' and '.join(schema['required'])}"
    if error.validator == "pattern" and "title" in schema:
        return f"{prefix}{value!r} is not valid: {schema['title']}"
    if error.validator == "enum" and isinstance(value, str):
        return f"{prefix}{error.message}{_suggestion(value, rule)}"
    return f"{prefix}{error.message}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _suggestion(word: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(word), list(map(str, known)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _fill_in_defaults(validator: Any, properties: dict[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        for key, subschema in properties.items():
            if "default" in subschema:
                instance.setdefault(key, copy.deepcopy(subschema["default"]))
    yield from jsonschema.Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(checker: Any, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


# JSON Schema accepts 1.0 as an integer. It accepts infinity and NaN as numbers, and NaN passes every limit.
_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_finite})
_Completing = extend(jsonschema.Draft202012Validator, {"properties": _fill_in_defaults}, type_checker=_TYPES)
