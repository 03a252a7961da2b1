"""Decides what `torch.compile` does: nothing, or what it really does on a CPU."""

from __future__ import annotations

import types
from typing import Any

import torch
import torch._dynamo
import torch.compiler

from .ledger import note
from .views import view


def _as_is(model: Any = None, **options: Any) -> Any:
    note("torch.compile -> as it is")
    return (lambda function: function) if model is None else model


def _compile(model: Any = None, **options: Any) -> Any:
    note("torch.compile for the CPU")
    return torch.compile(model, **options)


def names(real: bool) -> dict[str, Any]:
    """What the script finds in `torch`. With `real` PyTorch compiles, else functions stay as they are."""
    if real:
        return {"compile": _compile}
    torch.nn.Module.compile = lambda self, *args, **kwargs: None
    # There is nothing to forget when nothing was compiled, and the real function would import the whole back end.
    dynamo = view(torch._dynamo, reset=lambda: None, disable=_unchanged, mark_dynamic=_nothing, maybe_mark_dynamic=_nothing)
    return {"compile": _as_is, "_dynamo": dynamo}


def _nothing(*args: Any, **kwargs: Any) -> None:
    """A hint to a compiler that does not run."""


def _unchanged(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    """A decorator with or without arguments that keeps the function as it is."""
    return function if callable(function) else lambda inner: inner


def compiler() -> types.ModuleType:
    """What the script finds as `torch.compiler`: the hints do nothing, and the decorators change nothing."""
    return view(
        torch.compiler,
        compile=_as_is,
        disable=_unchanged,
        allow_in_graph=_unchanged,
        cudagraph_mark_step_begin=_nothing,
        reset=_nothing,
        is_compiling=lambda: False,
    )
