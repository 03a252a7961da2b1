"""Lets a script differentiate through what it computed in inference mode, as it can once its model is compiled.

Eager code that fills a cache (the tables of rotary embeddings) under `inference_mode` keeps inference tensors, which no
later backward pass may touch. Compiled code computes the table anew. `no_grad` computes the same numbers.
"""

from __future__ import annotations

from typing import Any

import torch

from .ledger import note


class InferenceMode:
    """Stands in for `torch.inference_mode`, as a context and as a decorator with or without a call."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode) and not isinstance(mode, bool):
            return cls(True)(mode)
        note("inference_mode -> no_grad")
        return super().__new__(cls)

    def __init__(self, mode: Any = True) -> None:
        self.mode = bool(mode)
        self._active: list[torch.no_grad] = []

    def __enter__(self) -> None:
        if self.mode:
            self._active.append(torch.no_grad())
            self._active[-1].__enter__()

    def __exit__(self, *exception: Any) -> None:
        if self.mode:
            self._active.pop().__exit__(*exception)

    def __call__(self, function: Any) -> Any:
        return torch.no_grad()(function) if self.mode else function


def names() -> dict[str, Any]:
    """What the script finds in `torch`."""
    return {"inference_mode": InferenceMode}
