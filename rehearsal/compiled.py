"""Decides what `torch.compile` does: nothing, or what it really does on a CPU."""

from __future__ import annotations

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
        note("torch.compile for the CPU")
        return
    torch.compile = _as_is
    torch.nn.Module.compile = lambda self, *args, **kwargs: None
