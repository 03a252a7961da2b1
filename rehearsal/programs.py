"""Provides the programs that scripts call."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .ledger import note

_NVIDIA_SMI = "#!/bin/sh\necho 'This is a rehearsal on a CPU: there is no NVIDIA GPU.'\n"


def install() -> None:
    """Puts an `nvidia-smi` on PATH where there is none, and the programs of this Python's packages (pyminify)."""
    # A virtual environment that was not activated has its programs beside the interpreter, off PATH.
    folders = [str(Path(sys.executable).parent)]
    if shutil.which("nvidia-smi") is None:
        note("nvidia-smi")
        folder = tempfile.mkdtemp(prefix="rehearsal-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        program = Path(folder) / "nvidia-smi"
        program.write_text(_NVIDIA_SMI, encoding="ascii")
        program.chmod(0o755)
        folders.append(folder)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *folders])
