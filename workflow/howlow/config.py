"""The configuration: what a file may say, checked strictly, and the grid that it spans."""

import copy
import difflib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from jsonschema.validators import extend

from howlow import pooling
from howlow.errors import HowlowError
from howlow.representation import Representation

# Resolved, because workflow/scripts/howlow is a link to this folder.
SCHEMA_PATH = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"


class ConfigError(HowlowError):
    """The configuration says something that it may not; the message gives the path of the key."""


def load(path: Path | str) -> dict[str, Any]:
    """Read, check and complete a configuration file.

    Raises
    ------
    ConfigError
        see `complete`; also if the file is missing or not YAML
    """
    try:
        config = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return complete(config, str(path))


def complete(config: Any, source: str) -> dict[str, Any]:
    """Check a configuration against the schema and against itself, and fill in the defaults.

    Parameters
    ----------
    config : what YAML made of the file; it is changed in place
    source : the file's name, for messages

    Raises
    ------
    ConfigError
        one line with the key's path and what is wrong there, for the first thing found
    """
    if isinstance(config, dict):
        config.update({key: _without_aliases(value) for key, value in config.items()})
    error = next(_Completing(schema()).iter_errors(config), None)
    if error is not None:
        raise ConfigError(f"{source}: {_describe(error)}")
    try:
        _check_references(config)
        _check_grids(config)
    except ConfigError as problem:
        raise ConfigError(f"{source}: {problem}") from None
    return config


def _without_aliases(node: Any) -> Any:
    """A copy in which what a YAML alias repeats is there as often, so that each can have defaults of its own."""
    if isinstance(node, dict):
        return {key: _without_aliases(value) for key, value in node.items()}
    return [_without_aliases(value) for value in node] if isinstance(node, list) else node


def schema() -> dict[str, Any]:
    """The schema of the configuration, workflow/schemas/config.schema.yaml."""
    return yaml.safe_load(SCHEMA_PATH.read_text())


def representations(experiment: dict[str, Any]) -> list[Representation]:
    """The representations of an experiment, in the order of its grid."""
    return [representation for _, representation in _grid_items(experiment)]


def _grid_items(experiment: dict[str, Any]) -> Iterator[tuple[int, Representation]]:
    for index, entry in enumerate(experiment["grid"]):
        axes = (entry["sample_rate"], entry["n_mels"], entry["hop_factor"], entry["log_type"])
        for values in itertools.product(*axes):
            yield index, Representation(*values)


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
                f"experiments[{index}]: {pair[1]} on {pair[0]} is experiments[{pairs.index(pair)}] already;"
                " put both grids into one"
            )
        pairs.append(pair)
    shown = config.setdefault("figure1", {"dataset": pairs[0][0], "model": pairs[0][1]})
    if (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"figure1: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table4")) and (shown["dataset"], shown["model"]) not in pairs:
        raise ConfigError(f"table4: no experiment trains {shown['model']} on {shown['dataset']}")
    if (shown := config.get("table5")) and shown["dataset"] not in dict(pairs):
        raise ConfigError(f"table5: no experiment is on {shown['dataset']}")


def _check_grids(config: dict[str, Any]) -> None:
    for number, experiment in enumerate(config["experiments"]):
        seen: set[Representation] = set()
        for index, representation in _grid_items(experiment):
            where = f"experiments[{number}].grid[{index}]"
            if representation in seen:
                raise ConfigError(f"{where}: {representation.name} is in the grid twice")
            seen.add(representation)
            seconds = config["datasets"][experiment["dataset"]]["seconds"]
            if experiment["model"] == "vgg":
                _check_pooling(where, representation, seconds)
            else:
                _check_segments(where, representation, seconds, experiment["options"])


def _check_pooling(where: str, representation: Representation, seconds: float) -> None:
    try:
        pooling.windows(representation.n_mels, representation.n_frames(seconds))
    except pooling.PoolingError as error:
        raise ConfigError(f"{where}.hop_factor: {representation.name} of {seconds} s: {error}") from None


def _check_segments(where: str, representation: Representation, seconds: float, options: dict[str, Any]) -> None:
    segment, clip = options.get("segment_frames") or representation.segment_frames, representation.n_frames(seconds)
    if not 2 <= segment <= clip:
        raise ConfigError(
            f"{where}.hop_factor: {representation.name} of {seconds} s: MUSICNN needs segments of 2 frames at least and"
            f" of the clip's {clip} at most, not of {segment}"
        )


def _describe(error: jsonschema.ValidationError) -> str:
    """One line for what jsonschema found: the key's path and what is wrong, in the user's terms."""
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
        return f"{prefix}{twice!r} is there twice"
    if error.validator == "type" and isinstance(value, str) and _is_number(value):
        # PyYAML takes 1e-3 for text: it wants a decimal point before an exponent.
        return f"{prefix}{value!r} is text, not a number: write {float(value):g}, without quotes"
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


_Completing = extend(jsonschema.Draft202012Validator, {"properties": _fill_in_defaults})
