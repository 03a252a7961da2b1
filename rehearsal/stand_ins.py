"""Libraries in place of NVIDIA's, so that PyTorch's package for GPUs can be imported without 2.6 GB of them.

PyTorch's libraries name those of CUDA as their own needs, and the loader wants every name that they use. On a CPU none of them
is ever called. Each missing library is made with `cc`: its functions return CUDA's "unknown error", as they would on a machine
without a driver.

    python -m rehearsal.stand_ins
"""

from __future__ import annotations

import collections
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, Iterator

UNKNOWN_ERROR = 999
"""What every function of a stand-in returns: cudaErrorUnknown."""

_NVIDIA = ("libcu", "libnccl", "libnv", "libcufile")
_OF_CUDA = ("cu", "nccl", "nv", "__cuda", "__nv")
_HOMES = {
    "nccl": "libnccl",
    "nvshmem": "libnvshmem_host",
    "cufft": "libcufft",
    "cuFile": "libcufile",
    "curand": "libcurand",
    "cusparseLt": "libcusparseLt",
    "cusparse": "libcusparse.",
    "cusolver": "libcusolver",
    "cublasLt": "libcublasLt",
    "cublas": "libcublas.",
    "cudnn": "libcudnn",
    "cupti": "libcupti",
    "nvrtc": "libnvrtc",
    "nvJitLink": "libnvJitLink",
}
"""Libraries by how the names of their functions begin. Those without a version of their own are found by it."""


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def libraries() -> Path:
    """The folder of PyTorch's libraries. PyTorch itself cannot be imported yet."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise SystemExit("torch is not installed in this Python")
    return Path(found.origin).parent / "lib"


def needed(folder: Path) -> set[str]:
    """The libraries of NVIDIA's that PyTorch's name and that are not there."""
    names = set()
    for library in folder.glob("*.so*"):
        for line in _lines("readelf", "-d", str(library)):
            if "(NEEDED)" in line:
                names.add(line.split("[")[1].rstrip("]"))
    return {name for name in names if name.startswith(_NVIDIA) and not (folder / name).exists()}


def wanted(folder: Path) -> Iterator[tuple[str, str]]:
    """Functions of NVIDIA's that PyTorch's libraries use, each with its version, which is often its library's name."""
    for library in folder.glob("*.so*"):
        for line in _lines("nm", "-D", "--undefined-only", str(library)):
            name, _, version = line.split()[-1].partition("@")
            if name.startswith(_OF_CUDA) and name.isidentifier():
                yield name, version.lstrip("@")


def homes(functions: Iterable[tuple[str, str]], missing: set[str]) -> dict[str, set[tuple[str, str]]]:
    """The functions by the library that has to have them."""
    placed: dict[str, set[tuple[str, str]]] = collections.defaultdict(set)
    begins = sorted(_HOMES, key=len, reverse=True)
    for name, version in functions:
        begin = next((begin for begin in begins if name.startswith(begin)), None)
        home = _HOMES.get(begin or "", "libcudart" if name.startswith("cuda") else "libcuda.")
        by_name = next((library for library in sorted(missing) if library.startswith(home)), None)
        library = version if version in missing else by_name
        if library:
            placed[library].add((name, version))
    return placed


def make(library: str, functions: set[tuple[str, str]], folder: Path) -> None:
    """Makes one library. Functions of one name in two versions do not occur."""
    names = sorted({name for name, _ in functions})
    source = "".join(f"int {name}(void) {{ return {UNKNOWN_ERROR}; }}\n" for name in names) or "int stand_in;\n"
    versions = sorted({version for _, version in functions if version})
    with tempfile.TemporaryDirectory() as temporary:
        code, versions_file = Path(temporary) / "code.c", Path(temporary) / "versions"
        code.write_text(source, encoding="utf-8")
        parts = []
        for version in versions:
            own = "".join(f"{name}; " for name, of in sorted(functions) if of == version)
            parts.append(f"{version} {{ global: {own}}};\n")
        versions_file.write_text("".join(parts), encoding="utf-8")
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", "-nostdlib", "-o", str(folder / library), str(code), f"-Wl,-soname,{library}"]
        if versions:
            command.append(f"-Wl,--version-script,{versions_file}")
        subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> None:
    folder = libraries()
    try:
        missing = needed(folder)
        placed = homes(wanted(folder), missing)
        for library in sorted(missing):
            make(library, placed.get(library, set()), folder)
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename} was not found; install a C compiler (gcc and binutils)") from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{error.cmd[0]} failed: {error.stderr.strip().splitlines()[-1:]}") from error
    tried = subprocess.run([sys.executable, "-c", "import torch; torch.ones(2).sum()"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise SystemExit(f"torch cannot be imported: {tried.stderr.strip().splitlines()[-1]}")
    print(f"{len(missing)} libraries stand in for NVIDIA's")


if __name__ == "__main__":
    main()
