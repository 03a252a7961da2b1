"""Puts the emulations together."""

from __future__ import annotations

import importlib
import time
from typing import Any

import torch
import torch.nn.parallel

from . import attention, compiled, devices, distributed, gradients, half, hub, interpreter, kernels, optimizers, placement
from . import programs, replicas, streams
from .clock import Clock
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
    imports = Imports()
    imports.add(*_torch({}, {**devices.names(), **half.names(), **compiled.names(compile)}, distributed.names(), time.perf_counter))
    imports.add(attention.package(), *kernels.packages())
    return imports


def emulate_widely(threads: int, clock: Clock, watched: dict[str, Any]) -> Imports:
    """Prepares this process for nearly any contest script: everything above and what only some of them use.

    `watched` is what the script finds in `torch` beyond the emulation, so that its run can be followed.
    """
    from . import libraries

    torch.set_num_threads(threads)
    devices.patch_methods()
    half.patch_methods()
    optimizers.patch()
    programs.install(compressors=True)
    imports = Imports()
    placement.patch_methods(imports.builtins())
    parallel = view(torch.nn.parallel, DistributedDataParallel=replicas.DistributedDataParallel)
    layers = view(torch.nn, parallel=parallel)
    names = {**devices.names(), **half.names(), **compiled.names(False), **gradients.names()}
    names |= {"nn": layers, "compiler": compiled.compiler(), **watched}
    imports.add(*_torch(streams.names(clock.now), names, distributed.names(several=True), clock.now))
    imports.add(layers, parallel, view(torch.nn.parallel.distributed, **vars(replicas)))
    imports.add(view(torch.amp.autocast_mode, autocast=half.NoAutocast), names["_dynamo"], names["compiler"])
    imports.add(clock.module(), view(importlib, import_module=imports.by_name))
    imports.add(*attention.packages(), *hub.packages(), *libraries.packages())
    if interpreter.available():
        interpreter.add_to(imports)
    else:
        imports.add(*kernels.packages())
    return imports


def _torch(cuda_names: dict[str, Any], names: dict[str, Any], processes: dict[str, Any], now: Any) -> list[Any]:
    """The views of PyTorch and of its parts that the emulation changes."""
    cuda_amp = view(torch.cuda.amp, autocast=half.NoAutocast)
    cuda = view(torch.cuda, **{**devices.cuda_names(), "amp": cuda_amp, **cuda_names})
    cuda_switches = view(torch.backends.cuda, **devices.switches())
    backends = view(torch.backends, cuda=cuda_switches)
    amp = view(torch.amp, autocast=half.NoAutocast)
    distributed_view = view(torch.distributed, **processes)
    whole = view(torch, cuda=cuda, backends=backends, amp=amp, distributed=distributed_view, **devices.precision(), **names)
    return [whole, cuda, cuda_amp, backends, cuda_switches, amp, distributed_view]
