"""Finds the settings by which a script switches parts of itself on."""

from __future__ import annotations

import ast
from typing import Iterator

from . import sources
from .toy import Number


def off(texts: list[str]) -> list[str]:
    """The environment variables that a script reads as switches and that are off, or of no known state, unless they are given."""
    found: dict[str, bool] = {}
    for text in texts:
        tree = sources.parsed(text)
        for name, default in _switches(tree) if tree else ():
            found[name] = found.get(name, False) or bool(default)
    return [name for name, is_on in found.items() if not is_on]


def _switches(tree: ast.Module) -> Iterator[tuple[str, Number | None]]:
    """Reads whose value is asked for yes or no: in `bool()`, in a comparison with a text, or by a function whose default is a bool."""
    readers = sources.readers(tree)
    for node in ast.walk(tree):
        is_bool = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "bool"
        if is_bool or (isinstance(node, ast.Compare) and all(map(_is_word, node.comparators))):
            yield from sources.reads(readers, node)
    yield from ((name, default) for name, default in sources.reads(readers, tree) if isinstance(default, bool))


def _is_word(node: ast.expr) -> bool:
    """Whether this is a text, or a choice of some."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(map(_is_word, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
