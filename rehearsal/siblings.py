"""Lets the files beside a script, which it imports, run under the rehearsal as well.

Without this they would find the real PyTorch, which has no GPU here.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
import types
from pathlib import Path
from typing import Any

from .sources import Transform
from .views import Imports


class _Loader(importlib.abc.Loader):
    """Executes a file with the imports of the rehearsal."""

    def __init__(self, path: Path, imports: Imports, transform: Transform) -> None:
        self.path, self.imports, self.transform = path, imports, transform

    def exec_module(self, module: types.ModuleType) -> None:
        source = self.path.read_text(encoding="utf-8")
        linecache.cache[str(self.path)] = (len(source), None, source.splitlines(keepends=True), str(self.path))
        module.__dict__["__builtins__"] = self.imports.builtins()
        code = compile(self.transform(source, str(self.path)), str(self.path), "exec", dont_inherit=True)
        exec(code, module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules in the folder of the script and in no other."""

    def __init__(self, folder: Path, imports: Imports, transform: Transform) -> None:
        self.folder, self.imports, self.transform = folder, imports, transform

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        places = [str(self.folder)] if path is None else [str(p) for p in path if self.folder in Path(p).parents]
        spec = importlib.machinery.PathFinder.find_spec(name, places) if places else None
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader) or not spec.origin:
            return None
        spec.loader = _Loader(Path(spec.origin), self.imports, self.transform)
        return spec


def install(folder: Path, imports: Imports, transform: Transform) -> None:
    """Puts the finder before Python's own."""
    sys.meta_path.insert(0, Finder(folder.resolve(), imports, transform))
