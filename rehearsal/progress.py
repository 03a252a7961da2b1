"""Follows a run through its phases, by what the script prints and by the calls that every script makes.

The phases, in order: imports; first_step (data, model, and the first step of the optimizers); training; quantize (until
the stored model is read again); reload; evaluate; final_line (from the last score on to the end of the script).
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any, Callable

PHASES = ("imports", "first_step", "training", "quantize", "reload", "evaluate", "final_line")

_AFTER_TRAINING = re.compile(r"(?i)peak memory allocated|^serialized model|^gptq\b|applying ema|^(?:ema|swa):appl|training done")
_SCORE = re.compile(r"(?i)\b(?:val_|mean_)?(?:bpb|bits[ _]per[ _]byte)\b[^0-9\n]{0,4}\d")
_NO_SCORE = re.compile(
    r"(?i)^\s*(?:step|iter|\[|\d+/\d+)|running|progress|chunk|diagnostic|pre[-_ ]?quant|post_ema|batch|calib|"
    r"\bPR\b|baseline|\benabled\b|%\]|\beval \d+/\d+|searching|selected|temp\w*_search"
)


def is_score(line: str) -> bool:
    """Whether a line states the score of the whole validation data after quantization."""
    return bool(_SCORE.search(line)) and not _NO_SCORE.search(line)


class Progress:
    """The phases of one run and when each of them began, in seconds since the start."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.started = time.monotonic()
        self.phase = "imports"
        self.seconds: dict[str, float] = {"imports": 0.0}
        self.entered = 0.0
        self.steps = 0
        self.scores: list[str] = []
        self.scored_at = 0.0
        self.lines = 0
        self.saved = False
        self.differentiated = False
        self._lock = threading.RLock()

    def _now(self) -> float:
        return time.monotonic() - self.started

    def enter(self, phase: str) -> None:
        """The run is in another phase since now."""
        with self._lock:
            if phase == self.phase:
                return
            now = self._now()
            self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self.entered
            self.seconds.setdefault(phase, 0.0)
            self.phase, self.entered = phase, now
            self.write()

    def main(self) -> None:
        """The main part of the script begins."""
        if self.phase == "imports":
            self.enter("first_step")

    def stepped(self) -> None:
        """A training step is over."""
        self.steps += 1
        if self.phase in ("imports", "first_step", "quantize"):
            self.enter("training")

    def gradients(self) -> None:
        """The script computed gradients."""
        self.differentiated = True

    def _trained(self) -> bool:
        """Whether the run has trained. The steps of an optimizer that is none of PyTorch's are not seen, its gradients are."""
        return self.phase == "training" or (self.phase in ("imports", "first_step") and self.differentiated)

    def wrote(self) -> None:
        """The script wrote a model."""
        self.saved = True
        if self._trained():
            self.enter("quantize")

    def loaded(self) -> None:
        """The script reads a model."""
        if self.phase in ("training", "quantize") and self.saved:
            self.enter("reload")

    def restored(self) -> None:
        """The script put weights into a model."""
        if self.phase == "reload":
            self.enter("evaluate")

    def line(self, text: str) -> None:
        """The script printed a line."""
        with self._lock:
            self.lines += 1
            if self._trained() and _AFTER_TRAINING.search(text):
                self.enter("quantize")
            if self.phase in ("quantize", "reload", "evaluate", "final_line") and is_score(text):
                if self.phase == "reload" or (self.phase == "quantize" and self.saved):
                    self.enter("evaluate")
                self.scores.append(text.strip()[:300])
                self.scored_at = self._now()
                self.write()

    def report(self, failed: bool = False) -> dict[str, Any]:
        """How far the run is and how long each phase took. A run that failed did not get past the phase it failed in."""
        with self._lock:
            now = self._now()
            seconds = dict(self.seconds)
            seconds[self.phase] = seconds.get(self.phase, 0.0) + now - self.entered
            if self.scores and not failed:
                # What came after the last score is the end of the run and no evaluation.
                seconds["final_line"] = now - self.scored_at
                seconds[self.phase] = max(0.0, seconds[self.phase] - seconds["final_line"])
            reached = "final_line" if self.scores and not failed else self.phase
            return {
                "phase": reached,
                "phases": [
                    {"name": name, "seconds": round(seconds[name], 3)} for name in PHASES if name in seconds
                ],
                "steps": self.steps,
                "score_line": self.scores[-1] if self.scores else None,
                "score_lines": self.scores,
                "seconds": round(now, 3),
            }

    def write(self) -> None:
        """Leaves the report where a watcher finds it when this process is killed."""
        if self.file is None:
            return
        part = self.file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(self.report()), encoding="utf-8")
        part.replace(self.file)


class Tee:
    """A text stream that hands every whole line on as well."""

    def __init__(self, stream: Any, line: Callable[[str], None]) -> None:
        self._stream, self._line, self._rest = stream, line, ""

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
