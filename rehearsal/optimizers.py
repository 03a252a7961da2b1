"""Lets optimisers accept the options that scripts choose for GPUs.

PyTorch has fused kernels of Adam, AdamW and SGD for the CPU, so `fused=True` is left alone and the script gets what it
asked for. `capturable=True` is for CUDA graphs and is dropped.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from .ledger import note


def _without_graphs(optimizer: type[torch.optim.Optimizer]) -> None:
    original = optimizer.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.pop("capturable", False):
            note(f"{optimizer.__name__}(capturable=True) dropped")
        if kwargs.get("fused"):
            note(f"{optimizer.__name__}(fused=True) by the kernel for the CPU")
        original(self, *args, **kwargs)

    optimizer.__init__ = init  # type: ignore[method-assign]


def install() -> None:
    """Wraps the optimisers that know these options."""
    for optimizer in (torch.optim.Adam, torch.optim.AdamW):
        _without_graphs(optimizer)
