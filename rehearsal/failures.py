"""Says why a script stopped, where in the script, and what kind of remedy there is."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

from .hub import Refused
from .views import Absent

PACKAGE = Path(__file__).resolve().parent

REMEDIES = {
    "missing_package": "the script needs a package or a program that is not installed here",
    "authors_path": "the script reads a file that existed on the author's machine, or beside the script there",
    "newer_python": "the script has syntax that this Python does not know: put a later one (python3.12) on PATH, or name one that has torch"
    " in REHEARSAL_PYTHONS",
    "network": "the script fetches something while it runs; a scored run may not",
    "not_emulated": "the rehearsal has no stand-in for something that the script uses",
    "own_bug": "the script itself is wrong, also on a GPU",
    "memory": "the run needs more memory than there is",
    "time": "the run did not end in the time that it was given",
    "rehearsal": "the rehearsal itself failed",
    "unknown": "nothing is known; the line of the script is the place to look at",
}
"""Every class of remedies, with what it says."""

_BUGS = (NameError, UnboundLocalError, IndentationError)


def _script_frame(error: BaseException, script: Path) -> dict[str, Any] | None:
    """The innermost line of the script, or of a file beside it, on the way to the error."""
    folder = str(script.parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(folder) and not frame.filename.startswith(str(PACKAGE))
    ]
    if not frames:
        return None
    last = frames[-1]
    return {"file": Path(last.filename).name, "line": last.lineno, "function": last.name, "text": (last.line or "").strip()[:200]}


def _innermost(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it came from."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _is_program(error: OSError) -> bool:
    """Whether it was a program that could not be started."""
    return any(frame.name == "_execute_child" for frame in traceback.extract_tb(error.__traceback__))


def _missing_path(error: BaseException) -> bool:
    if not isinstance(error, (FileNotFoundError, PermissionError, NotADirectoryError)):
        return bool(re.search(r"(?i)no files found|not found.*\.(bin|model)|no data\b", str(error)))
    return True


def remedy(error: BaseException, script: Path) -> tuple[str, str]:
    """The class of remedies and what exactly it is about."""
    for one in _chain(error):
        if isinstance(one, Refused):
            return "network", str(one)
        if isinstance(one, Absent):
            return "not_emulated", str(one)
    if isinstance(error, ModuleNotFoundError) and error.name:
        if (script.parent / (error.name.replace(".", "/") + ".py")).exists() or error.name.split(".")[0] == "data":
            return "authors_path", f"the module {error.name} is not beside the script"
        return "missing_package", error.name
    if isinstance(error, ImportError):
        return "missing_package", str(error)
    if isinstance(error, SyntaxError) and not isinstance(error, IndentationError):
        return "newer_python", f"line {error.lineno}: {error.msg}"
    if isinstance(error, OSError) and _is_program(error):
        return "missing_package", f"the program {error.filename}"
    if _missing_path(error):
        return "authors_path", str(error)
    if isinstance(error, MemoryError) or re.search(r"(?i)can't allocate memory|not enough memory", str(error)):
        return "memory", str(error)
    if isinstance(error, _BUGS):
        return "own_bug", str(error)
    inner = _innermost(error)
    if inner.startswith(str(PACKAGE)):
        kind = "not_emulated" if isinstance(error, NotImplementedError) else "rehearsal"
        return kind, str(error)[:300]
    return "unknown", str(error)[:300]


def describe(error: BaseException, script: Path) -> dict[str, Any]:
    """The failure as the report has it."""
    kind, about = remedy(error, script)
    frame = _script_frame(error, script)
    if frame is None and isinstance(error, SyntaxError):
        frame = {"file": Path(error.filename or "").name, "line": error.lineno, "function": "", "text": (error.text or "").strip()[:200]}
    return {
        "exception": type(error).__name__,
        "message": str(error)[:1000],
        "where": frame,
        "remedy": kind,
        "explanation": REMEDIES[kind],
        "about": about[:500],
    }


def killed(kind: str, message: str) -> dict[str, Any]:
    """A failure of a process that could not describe it itself."""
    return {
        "exception": None,
        "message": message,
        "where": None,
        "remedy": kind,
        "explanation": REMEDIES[kind],
        "about": message,
    }
