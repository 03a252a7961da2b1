"""Computes in 32-bit floats where the script computes in bfloat16.

For the script the name `torch.bfloat16` then means f32, so that casts, momentum buffers and buffers for communication
are f32 as well. `torch.float16` keeps its meaning: contest scripts compute nothing in it, they store scales and small
tensors in it, and a reader of their files needs those very bits.
"""

from __future__ import annotations

from typing import Any

import torch

from .ledger import note


def _copied_as_float(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """A copy in f32. A real cast to bfloat16 copies as well, and scripts write into the result."""
    return self.to(torch.float32, copy=True)


class NoAutocast:
    """Stands in for `torch.autocast`: nothing is cast. It works as a context and as a decorator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        note("torch.autocast off")

    def __enter__(self) -> "NoAutocast":
        return self

    def __exit__(self, *exception: Any) -> None:
        return None

    def __call__(self, function: Any) -> Any:
        return function


def names() -> dict[str, Any]:
    """What the script finds in `torch`."""
    note("bfloat16 -> float32")
    return {"bfloat16": torch.float32, "autocast": NoAutocast}


def patch_methods() -> None:
    """Replaces the methods that cast to bfloat16."""
    torch.Tensor.bfloat16 = _copied_as_float  # type: ignore[method-assign]
    torch.nn.Module.bfloat16 = torch.nn.Module.float  # type: ignore[method-assign]
