"""Measures the script with variable-length attention while a rehearsal runs it: the steps and the test-time training.

Only the ends of steps and batches of documents are looked at, so the script runs as fast as without the hook. What is
known is written after each phase: a compiler that fails later does not take it away.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import time
import types
from pathlib import Path
from typing import Any, Callable


def _after(owner: Any, name: str, look: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        look(result, *args, **kwargs)
        return result

    setattr(owner, name, wrapped)


class Clock:
    """The times of one run."""

    def __init__(self, script: Any) -> None:
        self.script = script
        self.h = script.Hyperparameters
        self.target = Path(os.environ["VARLEN_TIMES"])
        self.result: dict[str, Any] = {}
        self.started = time.perf_counter()
        self.loaders = 0
        self.model: Any = None
        self.last = 0.0
        self.steps: dict[bool, list[float]] = {False: [], True: []}
        self.batches: list[float] = []
        self.documents: list[tuple[int, tuple[int, int]]] = []

    def built(self, result: None, model: Any) -> None:
        self.model = self.model or model

    def loader_made(self, result: None, *args: Any, **kwargs: Any) -> None:
        """The second loader begins the training that counts; before it comes warm-up, and with it compilation."""
        self.loaders += 1
        self.last = time.perf_counter()
        if self.loaders == 2:
            self.result["seconds_before_training"] = self.last - self.started

    def stepped(self, result: None, *args: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        if self.loaders == 2:
            self.steps[self.model.looping_active].append(now - self.last)
        self.last = now

    def evaluated(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        """The first evaluation ends the training."""
        if "train" in self.result:
            return
        self.result["train"] = {
            name: {
                "steps": len(times),
                "seconds_per_step": statistics.median(times),
                "tokens_per_second": self.h.train_batch_tokens / statistics.median(times),
            }
            for name, times in (("plain", self.steps[False]), ("looped", self.steps[True]))
            if times
        }
        self.result["train"]["val_loss"] = result[0]
        self.write()

    def claimed(self, result: int, *args: Any, **kwargs: Any) -> None:
        self.batches.append(time.perf_counter())

    def adapted(self, result: tuple[float, float], h: Any, *args: Any, **kwargs: Any) -> None:
        seconds = time.perf_counter() - self.batches[0]
        documents = len(self.documents)
        tokens = sum(length - 1 for _, (_, length) in self.documents)
        each = [end - start for start, end in zip(self.batches, self.batches[1:])]
        self.result["ttt"] = {
            "documents": documents,
            "tokens": tokens,
            "seconds": seconds,
            "documents_per_second": documents / seconds,
            "tokens_per_second": tokens / seconds,
            # With a compiler the first batches are slower: it meets new shapes.
            "seconds_per_batch": each,
            "val_loss": result[0],
        }
        self.write()

    def queued(self, result: Any, documents: list[tuple[int, tuple[int, int]]], *args: Any, **kwargs: Any) -> None:
        self.documents = documents

    def write(self) -> None:
        self.target.write_text(json.dumps(self.result), encoding="utf-8")

    def install(self) -> None:
        script = self.script
        _after(script, "restore_fp32_params", self.built)
        _after(script.DocumentPackingLoader, "__init__", self.loader_made)
        _after(script.Optimizers, "step", self.stepped)
        _after(script, "eval_val", self.evaluated)
        _after(script, "_build_ttt_global_batches", self.queued)
        _after(script, "_claim_next_batch", self.claimed)
        _after(script, "eval_val_ttt_lora", self.adapted)


def hook(script: types.ModuleType) -> None:
    """Starts the measurement."""
    Clock(script).install()
