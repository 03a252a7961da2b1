"""Finds a newer Python where a script has syntax that this one does not know."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_NEWER = ("python3.12", "python3.13", "python3.14")
_PROBE = "import sys, torch, numpy, sentencepiece; print('.'.join(map(str, sys.version_info[:3])))"


def candidates() -> list[str]:
    """Other interpreters: those named in REHEARSAL_PYTHONS, separated like PATH, and those of later versions on PATH."""
    named = [path for path in os.environ.get("REHEARSAL_PYTHONS", "").split(os.pathsep) if path]
    found = [shutil.which(name) for name in _NEWER]
    return named + [path for path in found if path]


def version(python: str) -> str | None:
    """The version of an interpreter that has what a rehearsal needs, or None."""
    try:
        done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def own_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def newer() -> tuple[str, str] | None:
    """A later Python than this one that can rehearse, with its version."""
    for python in candidates():
        found = version(python)
        if found and tuple(map(int, found.split("."))) > sys.version_info[:3]:
            return python, found
    return None
