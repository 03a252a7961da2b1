"""Runs the script as one process. Scripts that were written for eight processes accumulate gradients instead."""

from __future__ import annotations

import os
from typing import Any

import torch.distributed as dist

from .ledger import note


def _init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
    note(f"init_process_group({backend}) -> gloo, one process")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


def names() -> dict[str, Any]:
    """What the script finds in `torch.distributed`: gloo in place of nccl. Several processes are refused."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world != 1:
        raise SystemExit(f"rehearsal: WORLD_SIZE={world}, but a rehearsal is one process; leave WORLD_SIZE unset")
    return {"init_process_group": _init_process_group}
