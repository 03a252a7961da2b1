#!/usr/bin/env python3
# coding: latin-1
"""Trains, quantizes and scores this submission. The engine is a Rust program; its whole source is embedded below.

    python train_gpt.py                     train, quantize, evaluate (SEED=1337 DATA_PATH=./data OUT_DIR=./runs/train_gpt/seed-$SEED)
    python train_gpt.py evaluate MODEL ...  score a model file; arguments as in `train_gpt.py evaluate --help`
    python train_gpt.py build               unpack and build, the only step that reads the network (crates that cargo has not yet)
    python train_gpt.py source              unpack, and print where the source lies

Further arguments go to the engine. Needed: cargo (https://rustup.rs), a C++ compiler, and libtorch @TORCH@ from LIBTORCH,
from LIBTORCH_USE_PYTORCH=1, or from `pip install torch==@TORCH@`. CADDIE_CACHE says where to build (default ~/.cache/caddie).
"""
import bz2, hashlib, importlib.metadata, importlib.util, io, os, shutil, subprocess, sys, tarfile
from pathlib import Path

ENGINE = bz2.decompress("@PAYLOAD@".encode("latin-1"))
COMMANDS = ("run", "train", "evaluate", "build", "source")


def unpack():
    """Brings the cache folder of this payload in line with it; a file that is right keeps its time, so cargo rebuilds nothing."""
    cache = os.environ.get("CADDIE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "caddie")
    root = Path(cache).absolute() / "engine" / hashlib.sha256(ENGINE).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(ENGINE)) as tar:
        for member in tar:
            path, data = root / member.name, tar.extractfile(member).read()
            if not path.is_file() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
                partial.write_bytes(data)
                os.replace(partial, path)
    return root


def find_libtorch(env):
    """Tells cargo and the loader where libtorch is. What the user has set wins over an installed torch."""
    if env.get("LIBTORCH") and not env.get("LIBTORCH_USE_PYTORCH"):
        lib = Path(env["LIBTORCH"], "lib").absolute()
    else:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            sys.exit("train_gpt.py: libtorch not found: `pip install torch==@TORCH@`, or set LIBTORCH to a libtorch @TORCH@")
        version = importlib.metadata.version("torch").split("+")[0]
        if version != "@TORCH@" and not env.get("LIBTORCH_BYPASS_VERSION_CHECK"):
            sys.exit(f"train_gpt.py: torch {version} is installed, the engine needs @TORCH@: `pip install torch==@TORCH@`")
        env["LIBTORCH_USE_PYTORCH"] = "1"
        # The build asks the `python3` that it finds first for its torch: let that be this one.
        env["PATH"] = os.path.dirname(sys.executable) + os.pathsep + env.get("PATH", "")
        lib = Path(spec.origin).parent / "lib"
    env["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(lib), env.get("LD_LIBRARY_PATH")]))


def build(root, env):
    """Builds the engine as locked and returns the program."""
    cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo" / "bin")
    if cargo is None:
        sys.exit("train_gpt.py: cargo not found: install Rust from https://rustup.rs, then run this again")
    find_libtorch(env)
    env.pop("CARGO_BUILD_TARGET", None)
    command = [cargo, "build", "--release", "--locked", "--target-dir", str(root / "target")]
    if subprocess.run(command, cwd=root, env=env, stdout=sys.stderr).returncode != 0:
        sys.exit(f"train_gpt.py: the build failed (see above); the source lies in {root}")
    return str(root / "target" / "release" / "caddie-engine")


def main(argv):
    if argv[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        sys.exit(f"train_gpt.py: unknown command {argv[0]!r}: it is one of {', '.join(COMMANDS)}, or an option; see --help")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.exit("train_gpt.py: this engine trains in one process: run `python train_gpt.py` without torchrun")
    root = unpack()
    if argv[:1] == ["source"]:
        print(root)
        return
    env = dict(os.environ, CADDIE_CODE_BYTES=str(os.path.getsize(__file__)))
    engine = build(root, env)
    if argv[:1] == ["build"]:
        print(engine)
        return
    if not argv or argv[0].startswith("-"):
        argv = ["run", *argv]
    stated = dict(part.split("=", 1) if "=" in part else (part, after) for part, after in zip(argv, [*argv[1:], ""]))
    defaults = {"--data": os.environ.get("DATA_PATH", "./data")}
    if argv[0] != "evaluate":
        seed = os.environ.get("SEED", "1337")
        out = os.environ.get("OUT_DIR", f"./runs/train_gpt/seed-{stated.get('--seed', seed)}")
        defaults.update({"--recipe": str(root / "recipe.toml"), "--seed": seed, "--out": out})
    argv += [part for key, value in defaults.items() if key not in stated for part in (key, value)]
    os.execve(engine, [engine, *argv], env)


if __name__ == "__main__":
    main(sys.argv[1:])
