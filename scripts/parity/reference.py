"""Runs a contest script at toy size in f32 on the CPU and records every number that an engine can be compared with.

    python scripts/parity/reference.py varlen_ttt UPSTREAM DATA OUT

UPSTREAM is a checkout of the contest's repository, DATA what `caddie fixture DATA --seed 1` made, OUT a new folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dataset
from settings import DOCUMENTS, QUANTIZE_ABOVE, REFERENCES, SEQUENCE, VOCABULARY, whole_validation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(REFERENCES))
    parser.add_argument("upstream", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="with one thread the numbers repeat to the last bit")
    return parser.parse_args()


def environment(own: dict[str, str], threads: int) -> dict[str, str]:
    """The environment of the run: what finds programs and packages, and the settings, and nothing else of ours.

    A script reads its settings from the environment, so a variable that happens to be set here could change the run.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    paths = [str(ROOT), str(HERE)]
    return {
        **kept,
        **own,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Lines of the script and a traceback keep their order in the output.
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
    }


def main() -> None:
    options = arguments()
    settings = REFERENCES[options.name]
    script = (options.upstream / settings.script).resolve()
    if not script.is_file():
        raise SystemExit(f"{script} does not exist")
    options.out.mkdir(parents=True)
    targets = dataset.build(options.data, options.out / "data", VOCABULARY, DOCUMENTS, SEQUENCE, settings.sidecar)
    own = {**settings.environment, **whole_validation(options.name, targets)}
    written = {
        "script": settings.script,
        "environment": own,
        "patches": settings.patches,
        "keep_float_max_numel": QUANTIZE_ABOVE,
        "precision": "float32",
        "threads": options.threads,
    }
    (options.out / "settings.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")

    # Every path in the settings is relative to OUT, so that nothing that is written depends on where OUT is.
    command = [sys.executable, "-m", "rehearsal", "--threads", str(options.threads), "--report", "emulated.json"]
    command += ["--hook", settings.hook, str(script)]
    with open(options.out / "output.txt", "w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=options.out,
            env=environment(own, options.threads),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        lines = (options.out / "output.txt").read_text(encoding="utf-8").splitlines()
        raise SystemExit("\n".join([*lines[-15:], f"the script ended with code {done.returncode}"]))
    shutil.move(options.out / "logs" / f"{own['RUN_ID']}.txt", options.out / "log.txt")
    (options.out / "logs").rmdir()
    print((options.out / "scores.json").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
