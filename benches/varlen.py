"""Upstream's own script with variable-length attention and test-time training, timed on this machine's CPU in f32.

    python benches/varlen.py UPSTREAM DATA [--settings benches/varlen.json] [--modes eager,compile] [--limit SECONDS]

The script runs unchanged under the rehearsal (see rehearsal/), once as it is written and once with what `torch.compile`
makes of it on a CPU. Prints JSON: training tokens and documents of test-time training a second, and for a mode that did
not come to its end, why. The machine has to be idle: next to compilers, two threads on two cores took ten times
as long as one, because threads wait for each other in every operation; `neighbours_cores` tells how busy it was. Run it
with a Python that has scripts/parity/requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import Neighbours

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODES = {"eager": [], "compile": ["--compile"]}


def reason(output: str) -> list[str]:
    """The last lines of what a failed run said."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return lines[-12:]


def measure(mode: str, script: Path, settings: dict[str, Any], data: Path, limit: float) -> dict[str, Any]:
    """Runs the script once."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.json"
        run = f"varlen_{mode}_{os.getpid()}"
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        environment |= settings["environment"]
        environment |= {
            "DATA_DIR": f"{data.resolve()}/",
            "RUN_ID": run,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(settings["threads"]),
            "VARLEN_TIMES": str(times),
            # A compiled kernel of an earlier run would hide what compilation costs.
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        }
        command = [sys.executable, "-m", "rehearsal", "--threads", str(settings["threads"]), *MODES[mode]]
        command += ["--hook", "varlen_hook:hook", "--report", f"{folder}/emulated.json", str(script)]
        neighbours = Neighbours()
        failure: dict[str, Any] = {}
        with open(Path(folder) / "output.txt", "w+", encoding="utf-8") as output:
            try:
                subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                    check=True,
                )
            except subprocess.TimeoutExpired:
                failure = {"failed": f"not done after {limit:.0f} s"}
            except subprocess.CalledProcessError as error:
                failure = {"failed": f"exit code {error.returncode}"}
            if failure:
                output.seek(0)
                failure["output"] = reason(output.read())
        # The script counts its batches of documents in this file.
        Path(f"/tmp/ttt_counter_{run}").unlink(missing_ok=True)
        known = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
        return {"mode": mode, "neighbours_cores": neighbours.cores(), **known, **failure}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=Path, help="a checkout of the contest's repository")
    parser.add_argument("data", type=Path, help="what `caddie fixture DATA` made")
    parser.add_argument("--settings", type=Path, default=HERE / "varlen.json")
    parser.add_argument("--modes", default=",".join(MODES), help="which modes, in this order (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that one run may take (default 1800)")
    options = parser.parse_args()
    settings = json.loads(options.settings.read_text(encoding="utf-8"))
    script = (options.upstream / settings["script"]).resolve()
    runs = [measure(mode, script, settings, options.data, options.limit) for mode in options.modes.split(",")]
    print(json.dumps({"settings": settings, "precision": "float32", "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
