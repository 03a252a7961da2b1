"""Counts what was emulated, so that a rehearsal can say in which ways it was not the real thing."""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path

_counts: collections.Counter[str] = collections.Counter()


def note(what: str) -> None:
    """Adds one use of an emulated thing. The text names the thing as the script called it."""
    # Inside torch.compile this runs once a compilation, which would count nothing of use. Who only makes reports has not
    # imported PyTorch, and compiles nothing.
    torch = sys.modules.get("torch")
    if torch is None or not torch.compiler.is_compiling():
        _counts[what] += 1


def report() -> dict[str, int]:
    """Everything that was emulated until now, by name, with the number of uses."""
    return dict(sorted(_counts.items()))


def write(path: Path) -> None:
    """Writes the report as JSON."""
    path.write_text(json.dumps(report(), indent=2) + "\n", encoding="utf-8")
