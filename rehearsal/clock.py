"""A clock that makes few steps fill the time that a script is allowed to train for.

Contest scripts steer by the wall clock: the learning rate falls over the last seconds of ten minutes, training stops at
the cap, and quantization has seconds reserved. At toy size six steps take two seconds and none of this would happen. The
clock therefore moves on by a fixed number of seconds with every training step, and otherwise with the real time.

Only the script sees this clock: other code keeps the real one.
"""

from __future__ import annotations

import time
import types
from typing import Any

from .ledger import note
from .views import view


class Clock:
    """Seconds since some moment: the real ones, and `step_seconds` more for every training step."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.step_seconds = step_seconds
        self.ahead = 0.0

    def stepped(self) -> None:
        """One training step is over."""
        self.ahead += self.step_seconds

    def sleep(self, seconds: float) -> None:
        """Lets the time pass without waiting for it, apart from a moment for other threads."""
        note("time.sleep -> the clock moves on")
        seconds = max(0.0, float(seconds))
        pause = min(seconds, 0.005)
        time.sleep(pause)
        self.ahead += seconds - pause

    def now(self) -> float:
        return time.perf_counter() + self.ahead

    def module(self) -> types.ModuleType:
        """What the script finds as `time`."""
        note(f"time: {self.step_seconds:g} s more for each training step")

        def seconds(real: Any) -> Any:
            return lambda: real() + self.ahead

        def nanoseconds(real: Any) -> Any:
            return lambda: real() + int(self.ahead * 1e9)

        return view(
            time,
            time=seconds(time.time),
            perf_counter=seconds(time.perf_counter),
            monotonic=seconds(time.monotonic),
            time_ns=nanoseconds(time.time_ns),
            perf_counter_ns=nanoseconds(time.perf_counter_ns),
            monotonic_ns=nanoseconds(time.monotonic_ns),
            sleep=self.sleep,
        )
