"""Decides what `torch.compile` does: nothing, or what it really does on a CPU."""

from __future__ import annotations

import importlib
from typing import Any

import torch
# Scripts set options of dynamo, and it looks at many of the things that are replaced after this import.
import torch._dynamo

from .ledger import note


def _as_is(model: Any = None, **options: Any) -> Any:
    note("torch.compile -> as it is")
    return (lambda function: function) if model is None else model


def install(real: bool) -> None:
    """With `real` the compiler of PyTorch stays in place; without it every function stays as it was written."""
    if real:
        # The back end looks for Triton when it is imported, and must not find the stand-in.
        importlib.import_module("torch._inductor.compile_fx")
        note("torch.compile for the CPU")
        return
    torch.compile = _as_is
    # There is nothing to forget, and the real function would import the whole back end.
    torch._dynamo.reset = lambda: None
    torch.nn.Module.compile = lambda self, *args, **kwargs: None
