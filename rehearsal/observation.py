"""Watches the calls by which a run shows how far it is: steps of optimizers, models written, read and put to use.

A training step is over when every optimizer of the training loop has stepped once. Which ones these are follows from the
first round: the optimizers that step until the first of them steps again. Optimizers that are made later belong to the
training on the evaluation's data and count for nothing here.
"""

from __future__ import annotations

import builtins
import functools
from typing import Any, Callable

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from .clock import Clock
from .progress import Progress
from .stored import Stored

_ENDINGS = (".pt", ".pth", ".ptz", ".bin", ".npz", ".safetensors", ".br", ".zst", ".xz", ".lzma", ".zlib")


class Rounds:
    """Counts training steps by the steps of optimizers."""

    def __init__(self, progress: Progress, clock: Clock) -> None:
        self.progress, self.clock = progress, clock
        self.members: list[int] = []
        self.kept: list[Any] = []
        self.complete = False
        self.last: int | None = None

    def stepped(self, optimizer: Any, *others: Any) -> None:
        """An optimizer made a step. The last member of the round ends it."""
        number = id(optimizer)
        if not self.complete:
            if number in self.members:
                # The first round could only be recognized now; this step begins the second.
                self.complete = True
                self.last = self.members[-1]
                if number == self.last:
                    self._over()
                return
            # An optimizer is kept alive, so that no other gets its number.
            self.members.append(number)
            self.kept.append(optimizer)
            if len(self.members) == 1:
                self._over()
            return
        if number == self.last:
            self._over()

    def _over(self) -> None:
        self.clock.stepped()
        self.progress.stepped()


def _after(function: Callable[..., Any], told: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        told()
        return result

    return call


def _before(function: Callable[..., Any], told: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        told()
        return function(*args, **kwargs)

    return call


def watch(progress: Progress, clock: Clock, stored: Stored) -> dict[str, Any]:
    """Starts watching. Returns what the script shall find in `torch` for it."""
    register_optimizer_step_post_hook(Rounds(progress, clock).stepped)
    torch.Tensor.backward = _before(torch.Tensor.backward, progress.gradients)  # type: ignore[method-assign]
    torch.nn.Module.load_state_dict = _after(torch.nn.Module.load_state_dict, progress.restored)  # type: ignore

    @functools.wraps(torch.save)
    def save(thing: Any, *args: Any, **kwargs: Any) -> None:
        stored.saved(thing)
        torch.save(thing, *args, **kwargs)
        progress.wrote()

    return {"save": save}


def watched_open(progress: Progress) -> Callable[..., Any]:
    """An `open` that notices models being written, and what was written being read."""
    written: set[str] = set()

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if str(file).endswith(_ENDINGS) and "b" in mode:
            if "w" in mode:
                written.add(str(file))
                progress.wrote()
            elif str(file) in written:
                progress.loaded()
        return builtins.open(file, mode, *args, **kwargs)

    return opened


def loading(load: Callable[..., Any], progress: Progress) -> Callable[..., Any]:
    """A `torch.load` that notices a model being read."""
    return _before(load, progress.loaded)
