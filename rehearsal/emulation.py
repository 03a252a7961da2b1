"""Puts everything in place, in the order in which it has to be done."""

from __future__ import annotations

import torch

from . import attention, compiled, devices, distributed, half, kernels, optimizers, programs


def emulate(threads: int = 1, compile: bool = False) -> None:
    """Prepares this process for a contest script. It cannot be undone."""
    torch.set_num_threads(threads)
    # First what imports large parts of PyTorch: those read names that are replaced afterwards.
    compiled.install(real=compile)
    devices.install()
    half.install()
    optimizers.install()
    distributed.install()
    attention.install()
    kernels.install()
    programs.install()
