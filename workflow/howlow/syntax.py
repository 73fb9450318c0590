"""A syntax tree as text that is the same under every Python, so that another Python's results are not made again."""

import ast
from collections.abc import Iterable


def text(node: object) -> str:
    """A syntax tree, a part of it or a list of parts as text.

    `ast.dump` gives a different text under each version, though the code is the same: Python 3.12 has an empty list of
    type parameters in every function, 3.13 leaves empty lists out, and 3.12.0 has empty texts in format specifications.
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
