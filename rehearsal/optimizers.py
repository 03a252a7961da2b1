"""Lets optimizers accept the options that scripts choose for GPUs.

PyTorch has fused kernels of Adam and AdamW for the CPU, so `fused=True` is left alone and the script gets what it
asked for. `capturable=True` is for CUDA graphs and is dropped.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from .ledger import note


def patch() -> None:
    """Wraps Adam, and with it AdamW, which is made from it."""
    original = torch.optim.Adam.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        if kwargs.pop("capturable", False):
            note(f"{name}(capturable=True) dropped")
        if kwargs.get("fused"):
            note(f"{name}(fused=True) by the kernel for the CPU")
        original(self, *args, **kwargs)

    torch.optim.Adam.__init__ = init  # type: ignore[method-assign]
