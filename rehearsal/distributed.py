"""Runs the script as one process, or as several that really talk to each other, over gloo in place of nccl.

Scripts that were written for eight processes accumulate gradients instead when there is one. With WORLD_SIZE above one
every process is a rehearsal of its own, and the collectives below make up for what gloo lacks: averages, and parts of a
sum handed to each process.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Callable

import torch
import torch.distributed as dist

from .ledger import note


def world_size() -> int:
    """The number of processes that the environment announces."""
    return int(os.environ.get("WORLD_SIZE", "1"))


class Done:
    """The handle of a collective that is over."""

    def wait(self, *args: Any) -> bool:
        return True

    def is_completed(self) -> bool:
        return True

    def get_future(self) -> Any:
        future: Any = torch.futures.Future()
        future.set_result(None)
        return future


def _init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
    if world_size() == 1:
        note(f"init_process_group({backend}) -> gloo, one process")
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    else:
        note(f"init_process_group({backend}) -> gloo, {world_size()} processes")
        dist.init_process_group("gloo")


def _handle(asynchronous: bool) -> Any:
    return Done() if asynchronous else None


def _count(group: Any) -> int:
    return dist.get_world_size(group) if dist.is_initialized() else 1


def all_reduce(tensor: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Any:
    """gloo has no average: it is the sum over the number of processes."""
    if _count(group) > 1:
        average = op == dist.ReduceOp.AVG
        dist.all_reduce(tensor, op=dist.ReduceOp.SUM if average else op, group=group)
        if average:
            tensor.div_(_count(group))
    return _handle(async_op)


def reduce_scatter_tensor(
    output: torch.Tensor, input: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """Each process gets its part of the whole sum."""
    whole = input.clone()
    all_reduce(whole, op, group)
    count = _count(group)
    rank = dist.get_rank(group) if count > 1 else 0
    output.copy_(whole.reshape(count, -1)[rank].reshape(output.shape))
    return _handle(async_op)


def all_gather_into_tensor(output: torch.Tensor, input: torch.Tensor, group: Any = None, async_op: bool = False) -> Any:
    """Every process gets the parts of all, one after the other."""
    count = _count(group)
    parts = [torch.empty_like(input) for _ in range(count)]
    if count > 1:
        dist.all_gather(parts, input.contiguous(), group=group)
    else:
        parts[0].copy_(input)
    output.copy_(torch.cat([part.reshape(-1) for part in parts]).reshape(output.shape))
    return _handle(async_op)


def all_gather(outputs: list[torch.Tensor], input: torch.Tensor, group: Any = None, async_op: bool = False) -> Any:
    if _count(group) > 1:
        dist.all_gather(outputs, input.contiguous(), group=group)
    else:
        outputs[0].copy_(input)
    return _handle(async_op)


def _by_gloo(name: str) -> Callable[..., Any]:
    """A collective that gloo has. Devices are left out: objects travel through the host."""
    real = getattr(dist, name)

    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        note(f"dist.{name} over gloo")
        kwargs.pop("device_ids", None)
        kwargs.pop("device", None)
        return real(*args, **kwargs)

    return call


def names(several: bool = False) -> dict[str, Any]:
    """What the script finds in `torch.distributed`. Without `several`, more than one process is refused."""
    if not several:
        if world_size() != 1:
            raise SystemExit(
                f"rehearsal: WORLD_SIZE={world_size()}, but this rehearsal is one process; leave WORLD_SIZE unset"
            )
        return {"init_process_group": _init_process_group}
    made: dict[str, Any] = {"init_process_group": _init_process_group}
    for function in (all_reduce, reduce_scatter_tensor, all_gather_into_tensor, all_gather):
        made[function.__name__] = _noted(function)
    made["_all_gather_base"] = made["all_gather_into_tensor"]
    made["_reduce_scatter_base"] = made["reduce_scatter_tensor"]
    for name in ("barrier", "broadcast_object_list", "all_gather_object", "gather_object", "scatter_object_list"):
        made[name] = _by_gloo(name)
    return made


def _noted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        note(f"dist.{function.__name__} over gloo")
        with torch.no_grad():
            return function(*args, **kwargs)

    return call
