"""A clock that makes few steps fill the time that a script is allowed to train for.

Contest scripts steer by the wall clock: the learning rate falls over the last seconds of ten minutes, training stops at
the cap, and quantization has seconds reserved. At toy size six steps take two seconds and none of this would happen. The
clock therefore moves on by a fixed number of seconds with every training step, and otherwise by a moment with every look at
it: it does not depend on how busy this machine is, so a run with the same seed sees the same times.

Only the script sees this clock: other code keeps the real one.
"""

from __future__ import annotations

import time
import types
from typing import Any

from .ledger import note
from .views import view


LOOK = 1e-3
"""Seconds that a look at the clock takes: enough that whoever waits for a moment sees it come."""


class Clock:
    """Seconds since some moment: `step_seconds` for every training step, and a moment for every look."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.step_seconds = step_seconds
        self.ahead = 0.0
        self._began = time.perf_counter()

    def stepped(self) -> None:
        """One training step is over."""
        self.ahead += self.step_seconds

    def sleep(self, seconds: float) -> None:
        """Lets the time pass without waiting for it, apart from a moment for other threads."""
        note("time.sleep -> the clock moves on")
        seconds = max(0.0, float(seconds))
        time.sleep(min(seconds, 0.005))
        self.ahead += seconds

    def _passed(self) -> float:
        self.ahead += LOOK
        return self.ahead

    def now(self) -> float:
        return self._began + self._passed()

    def module(self) -> types.ModuleType:
        """What the script finds as `time`."""
        note(f"time: {self.step_seconds:g} s for each training step, and no more")

        def seconds(real: Any) -> Any:
            began = real()
            return lambda: began + self._passed()

        def nanoseconds(real: Any) -> Any:
            began = real()
            return lambda: began + int(self._passed() * 1e9)

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
