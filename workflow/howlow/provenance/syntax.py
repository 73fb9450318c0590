"""A text form of syntax trees that is the same in every version of Python, so that a new version reruns nothing."""

import ast
from collections.abc import Iterable


def text(node: object) -> str:
    """The text of a syntax tree, of a part of it, or of a list of parts.

    `ast.dump` gives the same code a different text in each version: Python 3.12 adds an empty list of type parameters
    to every function, 3.13 leaves empty lists out, and 3.12.0 adds empty texts to format specifications.
    """
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in _fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({', '.join(f'{name}={text(value)}' for name, value in fields)})"
    return f"[{', '.join(map(text, node))}]" if isinstance(node, list) else repr(node)


def _fields(node: ast.AST) -> Iterable[tuple[str, object]]:
    if isinstance(node, ast.JoinedStr):
        return [("values", [part for part in node.values if not _is_empty_text(part)])]
    return ast.iter_fields(node)


def _is_empty_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""
