"""Provides the programs that scripts call."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .ledger import note

_LRZIP = """#!{python}
import lzma, pathlib, sys

given = [word for word in sys.argv[1:] if not word.startswith("-") and not word.isdigit()]
# The file to write comes after -o, and the other name is the file to read.
target = sys.argv[sys.argv.index("-o") + 1] if "-o" in sys.argv else None
source = next(name for name in given if name != target)
data = pathlib.Path(source).read_bytes()
unpack = "-d" in sys.argv
target = target or (source.removesuffix(".lrz") if unpack else source + ".lrz")
pathlib.Path(target).write_bytes(lzma.decompress(data) if unpack else lzma.compress(data))
"""
"""Compresses and decompresses by files, as scripts use lrzip; sizes differ from those of the real program."""

_NVIDIA_SMI = "#!/bin/sh\necho 'This is a rehearsal on a CPU: there is no NVIDIA GPU.'\n"


def install(compressors: bool = False) -> None:
    """Puts an `nvidia-smi` on PATH where there is none, and the programs of this Python's packages (pyminify).

    With `compressors` also an `lrzip` where there is none.
    """
    wanted = {"nvidia-smi": _NVIDIA_SMI}
    if compressors:
        wanted["lrzip"] = _LRZIP.format(python=sys.executable)
    # A virtual environment that was not activated has its programs beside the interpreter, off PATH.
    folders = [str(Path(sys.executable).parent)]
    missing = {name: text for name, text in wanted.items() if shutil.which(name) is None}
    if missing:
        folder = tempfile.mkdtemp(prefix="rehearsal-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        folders.append(folder)
    for name, text in missing.items():
        note(name)
        program = Path(folder) / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *folders])
