"""Stands in for DistributedDataParallel: every process has its copy of the model, and gradients are averaged.

The real class insists on a GPU when it is given the number of one, and on a CPU its reducer refuses some models of the
contest. This one averages each gradient as soon as it is there. What the real one would not accept, a parameter that
gets no gradient, is written in the ledger.
"""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

import torch
import torch.distributed as dist

from . import distributed
from .ledger import note


class DistributedDataParallel(torch.nn.Module):
    """A model, and its gradients averaged over all processes."""

    def __init__(self, module: torch.nn.Module, device_ids: Any = None, output_device: Any = None, **options: Any) -> None:
        super().__init__()
        self.module = module
        self.require_backward_grad_sync = True
        self._unused_allowed = bool(options.get("find_unused_parameters"))
        self._calls = 0
        processes = dist.get_world_size() if dist.is_initialized() else 1
        note(f"DistributedDataParallel -> {processes} copies by the rehearsal")
        if processes > 1:
            self._share(module)

    def _share(self, module: torch.nn.Module) -> None:
        with torch.no_grad():
            for tensor in [*module.parameters(), *module.buffers()]:
                dist.broadcast(tensor, 0)
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._average)

    def _average(self, parameter: torch.Tensor) -> None:
        if self.require_backward_grad_sync and parameter.grad is not None:
            distributed.all_reduce(parameter.grad, dist.ReduceOp.AVG)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self._calls += 1
        # The second call in training comes after the first backward pass, unless gradients were dropped between.
        if self._calls == 2 and self.training and not self._unused_allowed:
            self._look_for_unused()
        return self.module(*args, **kwargs)

    def _look_for_unused(self) -> None:
        named = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        without = [name for name, p in named if p.grad is None]
        if without and len(without) < len(named):
            note("DistributedDataParallel may stop, no gradient for " + ", ".join(without[:3]))

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before
