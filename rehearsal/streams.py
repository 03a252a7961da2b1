"""CUDA events, streams and graphs on a CPU, where every operation is over when its call returns.

Waiting is therefore nothing to do. A graph records no kernels: a script that captures a step and replays it would replay
nothing and train on nothing, so a capture is refused by name.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from .ledger import note
from .views import Absent

Clock = Callable[[], float]


def event_class(now: Clock) -> type:
    """The class that stands in for `torch.cuda.Event`; its times come from the clock that the script sees."""

    class Event:
        """A moment on the clock of the rehearsal."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            note("cuda event -> clock")
            self.at = 0.0

        def record(self, *args: Any) -> None:
            self.at = now()

        def synchronize(self) -> None:
            """Nothing is ever pending on a CPU."""

        def wait(self, *args: Any) -> None:
            """Nothing is ever pending on a CPU."""

        def query(self) -> bool:
            return True

        def elapsed_time(self, end: "Event") -> float:
            return 1000.0 * (end.at - self.at)

    return Event


class Stream:
    """Stands in for `torch.cuda.Stream`: everything happens in the order in which it is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        note("cuda stream -> in order")
        self.device = torch.device("cpu")
        self.cuda_stream = 0
        self.stream_id = 0

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception: Any) -> None:
        return None

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is ever pending on a CPU."""

    wait_stream = wait_event = synchronize = _nothing

    def query(self) -> bool:
        return True

    def record_event(self, event: Any = None) -> Any:
        if event is not None:
            event.record()
        return event


def _no_graph(*args: Any, **kwargs: Any) -> Any:
    raise Absent("the rehearsal cannot capture a CUDA graph: a CPU has none, and replaying would compute nothing")


def names(now: Clock) -> dict[str, Any]:
    """What the script finds in `torch.cuda` for events, streams and graphs."""
    only: list[Stream] = []

    def current(*args: Any, **kwargs: Any) -> Stream:
        if not only:
            only.append(Stream())
        return only[0]

    return {
        "Event": event_class(now),
        "Stream": Stream,
        "ExternalStream": Stream,
        "current_stream": current,
        "default_stream": current,
        "set_stream": lambda stream: None,
        "stream": lambda stream: stream if stream is not None else current(),
        "CUDAGraph": _no_graph,
        "graph": _no_graph,
        "make_graphed_callables": _no_graph,
        "is_current_stream_capturing": lambda: False,
    }
