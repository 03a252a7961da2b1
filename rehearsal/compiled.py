"""Decides what `torch.compile` does: nothing, or what it really does on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch._dynamo

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
    return {"compile": _as_is, "_dynamo": view(torch._dynamo, reset=lambda: None)}
