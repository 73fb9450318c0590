"""Reads the configuration, checks it strictly, fills in the defaults, and lists the cells of its grids."""

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from jsonschema.validators import extend

from howlow import files, provenance
from howlow.config import checks, strict_yaml
from howlow.config.checks import suggestion
from howlow.config.grids import cells as cells
from howlow.config.grids import options as options
from howlow.errors import ConfigError

SCHEMA_PATH = provenance.PACKAGE / "schemas" / "config.schema.yaml"


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
        checks.check(config)
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
        return f"{path}{'.' if path else ''}{key}: unknown key{suggestion(key, known)}"
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
    if error.validator == "type" and isinstance(value, str) and files.is_number(value):
        return f"{prefix}{value!r} is text, not a number: write {float(value):g}, without quotes"
    if error.validator == "type" and value is None and not path:
        return f"is empty: it needs the keys {' and '.join(schema['required'])}"
    if error.validator == "type" and isinstance(rule, str):
        return f"{prefix}{value!r} is not {_TYPE_NAMES[rule]}"
    if error.validator == "pattern" and "title" in schema:
        return f"{prefix}{value!r} is not valid: {schema['title']}"
    if error.validator == "enum" and isinstance(value, str):
        return f"{prefix}{error.message}{suggestion(value, rule)}"
    return f"{prefix}{error.message}"


_TYPE_NAMES = {
    "array": "a list, such as [1, 2]",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a block of keys",
    "string": "text",
}


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
