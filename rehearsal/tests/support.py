"""What the tests share: scripts of the project's own, run as the harness runs a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def rehearse(source: str, *options: str, beside: dict[str, str] | None = None, name: str = "train_gpt.py") -> dict[str, Any]:
    """The report of a rehearsal of a script with files beside it, by the command that a user gives."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "2026-01-01_Toy"
        folder.mkdir()
        os.chmod(place, 0o755)
        (folder / name).write_text(textwrap.dedent(source), encoding="utf-8")
        for other, text in (beside or {}).items():
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_text(textwrap.dedent(text), encoding="utf-8")
        report = Path(place) / "report.json"
        done = subprocess.run(
            [sys.executable, "-m", "rehearsal", str(folder / name), "--report", str(report), "--wall", "240", "--no-walls", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(done.stderr[-2000:])
        return json.loads(report.read_text(encoding="utf-8"))
