"""Puts the emulations together."""

from __future__ import annotations

import torch

from . import attention, compiled, devices, distributed, half, kernels, optimizers, programs
from .views import Imports, view


def emulate(threads: int = 1, compile: bool = False) -> Imports:
    """Prepares this process for a contest script, and returns what the script's imports shall find.

    What is replaced for the whole process cannot be undone.
    """
    torch.set_num_threads(threads)
    devices.patch_methods()
    half.patch_methods()
    optimizers.patch()
    programs.install()

    cuda = view(torch.cuda, **devices.cuda_names())
    cuda_switches = view(torch.backends.cuda, **devices.switches())
    backends = view(torch.backends, cuda=cuda_switches)
    amp = view(torch.amp, autocast=half.NoAutocast)
    processes = view(torch.distributed, **distributed.names())
    whole = view(
        torch,
        cuda=cuda,
        backends=backends,
        amp=amp,
        distributed=processes,
        **devices.names(),
        **devices.precision(),
        **half.names(),
        **compiled.names(compile),
    )
    imports = Imports()
    imports.add(whole, cuda, backends, cuda_switches, amp, processes)
    imports.add(attention.package(), *kernels.packages())
    return imports
