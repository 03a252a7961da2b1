"""Prepares a rehearsal of a script at toy size, runs it and makes the report. The walls are the caller's (`caddie rehearse`)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Mapping

from . import corpus, failures, interpreters, sources, switches, toy

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = 1
TAIL = 40
"""Lines of output that the report keeps."""

_LEFT_OUT = {".git", "records", "data", "logs", "node_modules", "__pycache__", "target"}
_LARGEST_COPY = 64 << 20

_OURS = {
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
    "MASTER_PORT",
}  # fmt: skip
_OUR_KINDS = ("PYTHON", "LD_", "OMP_", "MKL_", "NCCL_", "CUDA_", "TORCH_", "TORCHINDUCTOR_", "TRITON_", "PYTORCH_", "GLOO_")
"""Variables for machine and launcher, of which the rehearsal has its own, by name and by how the name begins."""


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    """What of an author's environment is a setting of the script."""
    return {name: value for name, value in given.items() if name not in _OURS and not name.startswith(_OUR_KINDS)}


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for."""

    script: Path
    toy: toy.Toy = toy.Toy()
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What the author set in the environment: it counts in place of the script's defaults, and sizes become small."""
    exact: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Environment variables that win over everything."""
    arguments: tuple[str, ...] = ()
    processes: int = 1
    threads: int = 1
    data: Path | None = None
    seconds: float = 300.0
    keep: Path | None = None
    """A folder to run in, which then stays; otherwise a temporary one."""
    full_size: bool = False
    """Whether the model is built with the script's own sizes, and nothing is computed."""
    prepare: bool = False
    """Whether only the corpus is made: `data` in the folder."""
    losses: bool = False
    """Whether the losses of single targets are caught."""


class Workspace:
    """The folder of one run: a copy of what lies beside the script, its data, and a home for it."""

    def __init__(self, root: Path, script: Path) -> None:
        self.root = root
        self.results, self.home, self.temporary = (root / name for name in ("results", "home", "tmp"))
        self.data = root / "data"
        for folder in (self.results, self.home, self.temporary):
            folder.mkdir(parents=True)
        self.folder = root / "records" / (script.parent.name or "folder")
        self._copy(script)
        self.script = self.folder / script.name
        (self.folder / "logs").mkdir(exist_ok=True)
        for place in (self.folder, self.home, root / "records"):
            if not (place / "data").exists():
                (place / "data").symlink_to(self.data)

    def _copy(self, script: Path) -> None:
        """Copies the script and small files beside it, since scripts write into their folder."""
        self.folder.mkdir(parents=True)
        shutil.copyfile(script, self.folder / script.name)
        room = _LARGEST_COPY
        for path in sorted(script.parent.rglob("*")):
            parts = path.relative_to(script.parent).parts
            if _LEFT_OUT & set(parts) or path.is_symlink() or not path.is_file() or path == script:
                continue
            room -= path.stat().st_size
            if room < 0:
                break
            target = self.folder / Path(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _step_seconds(settings: Mapping[str, str], defaults: Mapping[str, Any], steps: int) -> float:
    """The time that one step shall seem to take, so that all of them fill what the script may train for."""
    cap = settings.get("MAX_WALLCLOCK_SECONDS") or defaults.get("MAX_WALLCLOCK_SECONDS") or 600
    try:
        seconds = float(cap)
    except ValueError:
        seconds = 600.0
    return (seconds if seconds > 0 else 600.0) / steps


def _environment(work: Workspace, request: Request, settings: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the script: what programs need, the settings, and nothing else of this machine."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {
        **kept,
        # Folders of this user's own would answer the script that it may not look.
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(work.home),
        "USER": "rehearsal",
        # PyTorch names a cache after the user, and a user without a name has none.
        "LOGNAME": "rehearsal",
        "TMPDIR": str(work.temporary),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(request.threads),
        "TRITON_INTERPRET": "1",
        "TRITON_CACHE_DIR": str(work.temporary / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(work.temporary / "inductor"),
        **settings,
    }


def _execute(command: list[str], folder: Path, env: dict[str, str], output: Path, seconds: float) -> int | None:
    """Runs a command to its end. Returns its exit code, or None when it was stopped for the time."""
    with output.open("wb") as stream:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Whatever the script started goes with it.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            child.wait()


def _tail(output: Path) -> list[str]:
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []
    return [line[:400] for line in lines[-TAIL:]]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _failure(code: int | None, result: Any, tail: list[str], seconds: float) -> dict[str, Any] | None:
    """The failure that the process described, or what its end says about it."""
    if result is not None:
        return result["failure"]
    if code is None:
        return failures.killed("time", f"not done after {seconds:g} s")
    if code == -signal.SIGKILL:
        return failures.killed("memory", "the process was killed, most likely for its memory")
    if code == -signal.SIGXCPU:
        return failures.killed("time", "the process used up its processor time")
    if code == 0:
        return None
    last = next((line for line in reversed(tail) if line.strip()), "")
    return failures.killed("unknown", f"the process ended with code {code}: {last}")


def _collect(work: Workspace, code: int | None, output: Path, request: Request) -> dict[str, Any]:
    """What the process left behind."""
    tail = _tail(output)
    results = [_read(work.results / f"result.{rank}.json") for rank in range(request.processes)]
    failed = next((result for result in results if result and result["failure"]), None)
    first = failed or results[0]
    failure = _failure(code, first, tail, request.seconds)
    progress = (results[0] or {}).get("progress") or _read(work.results / "progress.json") or {}
    reached = progress.get("phase", "imports")
    if failure and reached == "final_line":
        reached = "evaluate"
    scored = bool(progress.get("score_line"))
    return {
        "status": "stopped" if failure else ("final_line" if scored else "ended_without_score"),
        "reached": reached,
        "score_line": progress.get("score_line"),
        "score_lines": progress.get("score_lines", []),
        "steps": progress.get("steps", 0),
        "phases": progress.get("phases", []),
        "failure": failure,
        "emulated": (first or {}).get("emulated", {}),
        "overrides": (first or {}).get("overrides", []),
        "stored": (results[0] or {}).get("stored", []),
        "tensors": (results[0] or {}).get("tensors", []),
        "losses": (results[0] or {}).get("losses", []),
        "output_tail": tail,
    }


def _remove_counters(run_id: str) -> None:
    """Removes files that scripts leave in /tmp, which they name after the run."""
    for path in Path("/tmp").glob(f"*{run_id}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _processor_seconds() -> float:
    """What all children that ended have used of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rehearse(request: Request) -> dict[str, Any]:
    """Rehearses a script and returns the report."""
    script = request.script.resolve()
    text = script.read_bytes()
    layers = list(sources.layers(text.decode("utf-8"), script))
    python, version, reason = sys.executable, interpreters.own_version(), None
    if not sources.readable(layers):
        found = interpreters.newer()
        reason = "syntax that Python %s does not know" % version
        if found:
            python, version = found
    root = request.keep or Path(tempfile.mkdtemp(prefix="rehearsal-"))
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    started, spent = time.monotonic(), _processor_seconds()
    try:
        report = _rehearse(request, script, layers, python, root)
    finally:
        if request.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    return {
        "schema": SCHEMA,
        "script": str(request.script),
        "sha256": hashlib.sha256(text).hexdigest(),
        **report,
        "seconds": round(time.monotonic() - started, 3),
        "cpu_seconds": round(_processor_seconds() - spent, 3),
        "python": {"version": version, "reason": reason},
    }


def _rehearse(request: Request, script: Path, layers: list[str], python: str, root: Path) -> dict[str, Any]:
    given = _settings(request.settings)
    defaults = sources.variables(layers)
    defaults |= {name: sources.number(value) for name, value in given.items() if name in defaults}
    # Lower case: some scripts make the name of a device or of a file from it.
    run_id = f"rehearsal{os.getpid()}x{time.time_ns() % 10**9}"
    vocabulary = corpus.vocabulary(defaults, {**given, **request.exact}, layers)
    work = Workspace(root, script)
    if request.data is not None:
        data = corpus.find(request.data.resolve(), vocabulary)
        work.data.symlink_to(request.data.resolve())
    else:
        data = corpus.build(work.data, vocabulary, request.toy.seed)
    described = {
        "size": vocabulary.size,
        "case_operators": vocabulary.operators,
        "usable": vocabulary.usable().tolist(),
        "lengths": vocabulary.lengths().tolist(),
    }
    if request.prepare:
        # A switch is a number for Python too.
        numbers = {name: value for name, value in defaults.items() if value is not None and not isinstance(value, bool)}
        off = [name for name in switches.off(layers) if name not in given]
        return {"status": "prepared", "reached": None, "vocabulary": described, "defaults": numbers, "switches": off}
    sizes = {"RUN_ID": run_id} if request.full_size else toy.environment(defaults, request.toy, run_id)
    settings = given | sizes | data.environment(defaults) | dict(request.exact)
    plan = {
        "script": str(work.script),
        "folder": str(work.folder),
        "results": str(work.results),
        "arguments": list(request.arguments),
        "full_size": request.full_size,
        "losses": str(data.data) if request.losses else None,
        "steps": request.toy.steps,
        "sizes": dict(request.toy.own),
        "seed": request.toy.seed,
        "threads": request.threads,
        "processes": request.processes,
        "step_seconds": _step_seconds(settings, defaults, request.toy.steps),
    }
    (root / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    env = _environment(work, request, settings)
    output = root / "output.txt"
    command = [python, "-m", "rehearsal.inside", str(root / "plan.json")]
    try:
        code = _execute(command, work.folder, env, output, request.seconds)
    finally:
        _remove_counters(run_id)
    return {
        **_collect(work, code, output, request),
        "environment": settings,
        "vocabulary": {"size": vocabulary.size, "case_operators": vocabulary.operators},
        "processes": request.processes,
        "seconds_per_step_on_the_clock": plan["step_seconds"],
    }
