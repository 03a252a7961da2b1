"""Makes modules that stand in for packages which are not installed, or which need a GPU."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any


class Absent(RuntimeError):
    """The script asked a stand-in for something that the stand-in does not have."""


def module(name: str, **attributes: Any) -> types.ModuleType:
    """Registers a module under `name`. It answers for the given attributes and refuses every other one by name."""
    made = types.ModuleType(name, f"A stand-in for {name}, made by the rehearsal.")
    made.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    made.__path__ = []
    made.__dict__.update(attributes)

    def refuse(attribute: str) -> Any:
        # Python itself and its tools look for dunder names, and take AttributeError for the answer "no".
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise Absent(f"the rehearsal has no stand-in for {name}.{attribute}")

    made.__getattr__ = refuse  # type: ignore[method-assign]
    sys.modules[name] = made
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, made)
    return made
