"""Runs the script as one process. Scripts that were written for eight processes accumulate gradients instead."""

from __future__ import annotations

import os
from typing import Any

import torch.distributed as dist

from .ledger import note


def install() -> None:
    """Refuses several processes, and lets one process that was started with a rank use gloo in place of nccl."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world != 1:
        raise SystemExit(f"rehearsal: WORLD_SIZE={world}, but a rehearsal is one process; leave WORLD_SIZE unset")
    original = dist.init_process_group

    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
        note(f"init_process_group({backend}) -> gloo, one process")
        original("gloo", store=dist.HashStore(), rank=0, world_size=1)

    dist.init_process_group = init_process_group
