"""Loads a script in two parts, its definitions and its start, so that something can be put in between.

A contest script ends in `if __name__ == "__main__": main()`. Everything above that line is executed first. A hook may
then look at the script's functions and classes and wrap them. The last part starts the run. The file is only read.
"""

from __future__ import annotations

import ast
import importlib
import linecache
import sys
import types
from pathlib import Path
from typing import Any, Callable

from .views import Imports

Hook = Callable[[types.ModuleType], None]
Parse = Callable[[str, str], ast.Module]
"""Makes the syntax tree of a source and a file name; it may change the tree."""


def _is_start(statement: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in (
        "__name__ == '__main__'",
        "'__main__' == __name__",
    )


def split(source: str, path: Path, parse: Parse = ast.parse) -> tuple[ast.Module, ast.Module]:
    """The definitions of a script and its start. A script without a start is all definitions."""
    tree = parse(source, str(path))
    first = next((at for at, statement in enumerate(tree.body) if _is_start(statement)), len(tree.body))
    return ast.Module(tree.body[:first], tree.type_ignores), ast.Module(tree.body[first:], [])


def load(
    path: Path, imports: Imports, name: str = "__main__", parse: Parse = ast.parse
) -> tuple[types.ModuleType, Callable[[], None]]:
    """Executes the definitions of a script as module `name`; returns the module and a function that starts it.

    `imports` decides what the script's own imports find.
    """
    source = path.read_text(encoding="utf-8")
    definitions, start = split(source, path, parse)
    script = types.ModuleType(name)
    script.__file__ = str(path)
    script.__dict__["__builtins__"] = imports.builtins()
    sys.modules[name] = script
    # Tools that read source (inspect, tracebacks) find the lines here.
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    # The compiler must not hand on this file's own future imports: annotations of the script are its own business.
    exec(compile(definitions, str(path), "exec", dont_inherit=True), script.__dict__)
    code = compile(start, str(path), "exec", flags=_futures(definitions), dont_inherit=True)
    return script, lambda: exec(code, script.__dict__)


def _futures(definitions: ast.Module) -> int:
    """The flags of the script's own `from __future__ import …`, which hold for its last part too."""
    import __future__

    names = [
        alias.name
        for statement in definitions.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        for alias in statement.names
    ]
    return sum(getattr(__future__, name).compiler_flag for name in names)


def find_hook(name: str) -> Hook:
    """The hook that is written as `module:function`."""
    home, _, function = name.partition(":")
    hook: Any = getattr(importlib.import_module(home), function or "hook")
    return hook


def run(path: Path, imports: Imports, hook: Hook | None = None, transform: Parse = ast.parse) -> None:
    """Runs a script from its first to its last line, with the hook in between."""
    script, start = load(path, imports, parse=transform)
    if hook is not None:
        hook(script)
    start()
