"""The process in which the script runs: puts the emulation up, executes the script and writes what became of it.

    python -m rehearsal.inside PLAN.json

The harness writes the plan and reads `result.json` and `progress.json` from the folder that the plan names.
"""

from __future__ import annotations

import json
import linecache
import os
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from . import failures, full_size, hub, ledger, observation, runner, siblings
from .losses import Losses, read_tokens
from .clock import Clock
from .progress import Progress, Tee
from .sources import MAIN_MARK, Transform
from .stored import Stored
from .toy import Toy
from .views import Imports


class Executed:
    """What the script finds as `exec`: a program that it unpacked is prepared like the script itself."""

    def __init__(self, imports: Imports, transform: Transform, script: Path) -> None:
        self.imports, self.transform, self.script, self.count = imports, transform, script, 0

    def __call__(self, source: Any, globals: Any = None, locals: Any = None, /, **options: Any) -> None:
        frame = sys._getframe(1)
        if globals is None:
            globals = frame.f_globals
            locals = frame.f_locals if locals is None else locals
        globals.setdefault("__builtins__", self.imports.builtins())
        if isinstance(source, (str, bytes, bytearray)):
            source = self._compiled(source if isinstance(source, str) else bytes(source).decode("utf-8"))
        exec(source, globals, locals, **options)

    def _compiled(self, text: str) -> Any:
        self.count += 1
        # The name keeps the folder of the script, by which its lines are found in a traceback.
        name = f"{self.script} (unpacked{'' if self.count == 1 else f' {self.count}'})"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        return compile(self.transform(text, name), name, "exec", dont_inherit=True)


def _run(
    plan: dict[str, Any], progress: Progress, transform: Transform, stored: Stored, model: full_size.Model, losses: Losses
) -> dict[str, Any] | None:
    """Runs the script. Returns the failure, or None."""
    script = Path(plan["script"])
    sys.stdout = Tee(sys.stdout, lambda line: (progress.line(line), losses.printed(line)))  # type: ignore[assignment]
    try:
        if plan["losses"]:
            losses.watch()
        from .emulation import emulate_widely

        clock = Clock(plan["step_seconds"])
        imports = emulate_widely(plan["threads"], clock, observation.watch(progress, clock, stored))
        torch_view = imports.modules["torch"]
        torch_view.load = observation.loading(torch_view.load, progress)  # type: ignore[attr-defined]
        imports.builtins().update(
            {
                "exec": Executed(imports, transform, script),
                "open": observation.watched_open(progress),
                MAIN_MARK: progress.main,
            }
        )
        siblings.install(script.parent, imports, transform)
        hub.watch()
        (full_size.watch if plan["full_size"] else full_size.note)(model)
        sys.argv = [str(script), *plan["arguments"]]
        sys.path.insert(0, str(script.parent))
        os.chdir(plan["folder"])
    except Exception as error:  # noqa: BLE001  Nothing of the script ran yet.
        traceback.print_exc()
        return {**failures.describe(error, script), "remedy": "rehearsal", "explanation": failures.REMEDIES["rehearsal"]}
    try:
        runner.run(script, imports, transform=transform)
    except SystemExit as end:
        if end.code not in (None, 0):
            return failures.killed("unknown", f"the script ended with exit code {end.code}")
    except full_size.Built:
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  Whatever the script raises is what the report is about.
        traceback.print_exc()
        return failures.describe(error, script)
    return None


def _launch(processes: int) -> int:
    """Starts this program once for each process of the run, and waits. Returns the first bad exit code, or zero."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "rehearsal.inside", sys.argv[1]],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(processes)},
        )
        for rank in range(processes)
    ]
    codes: list[int | None] = [None] * processes
    while None in codes:
        codes = [child.poll() for child in children]
        if any(codes):
            # One process is gone, and the others would wait for it.
            time.sleep(2)
            for child in children:
                child.kill()
        time.sleep(0.1)
    return next((code for code in codes if code), 0)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if plan["processes"] > 1 and "RANK" not in os.environ:
        sys.exit(_launch(plan["processes"]))
    results = Path(plan["results"])
    rank = int(os.environ.get("RANK", "0"))
    progress = Progress(results / "progress.json" if rank == 0 else None)
    transform = Transform(None if plan["full_size"] else Toy(plan["steps"], plan["seed"], plan["sizes"]))
    stored, model, losses = Stored(), full_size.Model(), Losses()
    failure = _run(plan, progress, transform, stored, model, losses)
    result = {
        "progress": progress.report(failed=failure is not None),
        "failure": failure,
        "emulated": ledger.report(),
        "overrides": sorted(set(transform.changed)),
        "stored": stored.tensors,
        "tensors": model.tensors,
        "losses": losses.report(read_tokens(Path(plan["losses"]))) if plan["losses"] else [],
    }
    (results / f"result.{rank}.json").write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the script (loaders that wait for more work) must not hold the process.
    os._exit(1 if failure else 0)


if __name__ == "__main__":
    main()
