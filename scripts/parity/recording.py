"""What the recording hooks of all scripts share: wrapping functions, keeping tensors and writing files."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
# The variant for numpy on purpose: the one for torch builds a table of dtypes, in which bfloat16 now means f32.
from safetensors.numpy import save_file

Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def wrap(owner: Any, name: str, wrapper: Wrapper) -> None:
    """Replaces a function of a module or class by `wrapper(function)`."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(wrapper(original)))


def after(owner: Any, name: str, look: Callable[..., None]) -> None:
    """Calls `look(result, *args, **kwargs)` after every call of a function, which returns what it did before."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            look(result, *args, **kwargs)
            return result

        return wrapped

    wrap(owner, name, wrapper)


def before(owner: Any, name: str, look: Callable[..., None]) -> None:
    """Calls `look(*args, **kwargs)` before every call of a function."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            look(*args, **kwargs)
            return original(*args, **kwargs)

        return wrapped

    wrap(owner, name, wrapper)


def timed(owner: Any, name: str, add: Callable[[float], None]) -> None:
    """Calls `add(seconds)` after every call of a function."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = original(*args, **kwargs)
            add(time.perf_counter() - start)
            return result

        return wrapped

    wrap(owner, name, wrapper)


def replace_constant(function: Callable[..., Any], old: object, new: object) -> None:
    """Replaces a constant in the code of a function. It must occur as one constant, or this is not the known script."""
    constants = function.__code__.co_consts
    if sum(type(c) is type(old) and c == old for c in constants) != 1:
        raise SystemExit(f"{function.__name__} does not have the constant {old!r} once: not the script that is known")
    changed = tuple(new if type(c) is type(old) and c == old else c for c in constants)
    function.__code__ = function.__code__.replace(co_consts=changed)


def copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A copy that later steps do not change."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def write_tensors(path: str, tensors: dict[str, torch.Tensor]) -> None:
    """Writes tensors to a file of the current folder."""
    save_file({name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in sorted(tensors.items())}, path)


def write_json(path: str, value: Any) -> None:
    """Writes a value to a file of the current folder. Floats keep every digit."""
    Path(path).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def hyperparameters(holder: type) -> dict[str, Any]:
    """The public values of the script's class of hyperparameters, as it resolved them."""
    values = {name: value for name, value in sorted(vars(holder).items()) if not name.startswith("_")}
    return {name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))}


class Training:
    """The record of the training steps after warm-up.

    The hook of a script says when a batch was taken, a loss computed and a step finished; this keeps them in order.
    """

    def __init__(self, micro_steps: int) -> None:
        self.active = False
        self.batches: dict[str, torch.Tensor] = {}
        self.gradients: dict[str, torch.Tensor] = {}
        self.steps: list[dict[str, Any]] = []
        self.seconds = 0.0
        self._micro_steps = micro_steps
        self._losses: list[torch.Tensor] = []
        self._micro = 0
        self._started = 0.0

    @property
    def step(self) -> int:
        """The number of the step that is running."""
        return len(self.steps)

    def batch(self, **tensors: torch.Tensor) -> None:
        """Keeps the tensors of one micro-step, each under `name.step.micro`."""
        if self._micro == 0:
            self._started = time.perf_counter()
        for name, tensor in tensors.items():
            self.batches[f"{name}.{self.step}.{self._micro}"] = tensor.detach().clone()
        self._micro += 1

    def loss(self, value: torch.Tensor) -> None:
        """Keeps the loss of one micro-step."""
        self._losses.append(value.detach().clone())

    def gradient(self, model: torch.nn.Module, unbank: Callable[..., dict[str, torch.Tensor]]) -> None:
        """Keeps the gradients of all parameters as they are now, each under `step.name`."""
        own = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        for name, tensor in copied(unbank(own)).items():
            self.gradients[f"{self.step}.{name}"] = tensor

    def finish(self, **values: Any) -> None:
        """Ends a step. The mean loss is added up as the scripts do it: one after the other in f32."""
        self.seconds += time.perf_counter() - self._started
        if self._micro != self._micro_steps or len(self._losses) != self._micro_steps:
            raise SystemExit(f"step {self.step} has {self._micro} batches and {len(self._losses)} losses")
        total = torch.zeros(())
        for loss in self._losses:
            total += loss
        total /= self._micro_steps
        micro_losses = [loss.item() for loss in self._losses]
        self.steps.append({"step": self.step, "loss": total.item(), "micro_losses": micro_losses, **values})
        self._losses, self._micro = [], 0

    def write(self) -> None:
        """Writes the files about training."""
        write_tensors("batches.safetensors", self.batches)
        write_tensors("gradients.safetensors", self.gradients)
        write_json("steps.json", self.steps)
