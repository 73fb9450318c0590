"""A strict reader of YAML, which reports a mistake in one line with the file and the place.

Python reads YAML 1.1, in which 010 is 8, 1:30 is 90 and `no` is false. It also takes the last of two equal keys, and
accepts chains of aliases that stand for more values than fit into memory. All of this is refused here.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml

from howlow.errors import HowlowError

MAX_BYTES = 200_000
MAX_DEPTH = 30

MAX_VALUES = 20_000
"""Largest number of values in a file, counted again at each alias. It limits chains of aliases to some 200 levels."""

_TAG = "tag:yaml.org,2002:"
_CONTROL = ("Cc", "Zl", "Zp")  # Unicode's categories of control characters and line breaks


class YamlError(HowlowError):
    """A file can't be read, is not YAML, or has content that is refused; the message names the file and the line."""


class _Loader(yaml.SafeLoader):
    """A loader that reads 1e-3 as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def read(path: Path | str) -> Any:
    """Read a YAML file.

    Raises
    ------
    YamlError
        if the file can't be read, is not a regular file, is larger than `MAX_BYTES` or is not UTF-8, or if `parse`
        refuses its content
    """
    text = _text(Path(path))
    try:
        return parse(text)
    except YamlError as error:
        raise YamlError(f"{path}: {shortened(str(error))}") from None


def shortened(message: str) -> str:
    """A message without the middle of a long value that it quotes."""
    return message if len(message) <= 400 else f"{message[:200]} ... {message[-150:]}"


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a regular file" if path.exists() else "no such file"
            raise YamlError(f"{path}: {what}")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise YamlError(f"{path}: has {size:,} bytes; a configuration may have at most {MAX_BYTES:,}")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise YamlError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8 text") from None


def parse(text: str) -> Any:
    """The value that a YAML text stands for.

    Raises
    ------
    YamlError
        if it is not YAML, has too many levels or values, has a key twice, or has a value that YAML 1.1 misunderstands
    """
    try:
        _check_size(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_values(root, set())
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        what = " ".join(filter(None, (error.context, error.problem)))
        raise YamlError(f"not YAML: {what}{where}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {' '.join(str(error).split())}") from None
    except ValueError:
        raise YamlError("has a number of more than 4,000 digits") from None


def _check_size(text: str) -> None:
    """Refuse a text with too many levels or values, before any of the values is built."""
    sizes: dict[str, int] = {}  # number of values that each anchor stands for
    opened: list[tuple[str | None, int]] = []  # anchors of the open collections, and the number of values before each
    n_values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = n_values - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise YamlError(f"{_line(event)}: there is no complete &{event.anchor} before this *{event.anchor}")
            n_values += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, n_values))
            elif event.anchor:
                sizes[event.anchor] = 1
            n_values += 1
        if len(opened) > MAX_DEPTH:
            raise YamlError(f"{_line(event)}: is nested more than {MAX_DEPTH} levels deep")
        if n_values > MAX_VALUES:
            raise YamlError(f"{_line(event)}: stands for more than {MAX_VALUES:,} values, aliases counted each time")


def _check_values(node: yaml.Node, seen: set[int]) -> None:
    """Refuse keys that are repeated or not text, and values that YAML 1.1 takes for something else."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_values(value, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
                raise YamlError(f"{_line(key)}: {_shown(key)} is not text, as a key must be; put it into quotes")
            if key.value in lines:
                raise YamlError(f"{_line(key)}: the key {key.value!r} is there twice, see line {lines[key.value]}")
            lines[key.value] = key.start_mark.line + 1
            _check_values(key, seen)
            _check_values(value, seen)


def _check_scalar(node: yaml.ScalarNode) -> None:
    text, kind = node.value, node.tag.removeprefix(_TAG)
    means: str | None = None
    if kind == "int" and re.fullmatch(r"[-+]?0[0-7_]+", text):
        means = f"the octal number {int(text.replace('_', ''), 8)}"
    elif kind in ("int", "float") and ":" in text:
        means = "a number to the base of 60"
    elif kind == "bool" and text.lower() not in ("true", "false"):
        means = "true or false"
    elif kind == "timestamp":
        means = "a date"
    if means:
        raise YamlError(f"{_line(node)}: YAML takes {text} for {means}; write a plain number, or put it into quotes")
    if kind == "str" and any(unicodedata.category(each) in _CONTROL and each != "\t" for each in text):
        raise YamlError(f"{_line(node)}: {text[:50]!r} has a line break or another control character")


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _shown(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
