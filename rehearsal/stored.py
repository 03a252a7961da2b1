"""Notes how a script stores its tensors: the bits of each in what it writes last with `torch.save`."""

from __future__ import annotations

from typing import Any, Iterator

import torch

_MOST = 20_000
"""Tensors of one object that are looked at."""


class Stored:
    """The tensors of the last object that was saved with integers in it, or else of the last one."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.quantized = False

    def saved(self, thing: Any) -> None:
        """The script saves an object."""
        found = [{"path": path, "elements": tensor.numel(), "bits": 8 * tensor.element_size()} for path, tensor in _tensors(thing, ())]
        quantized = any(entry["bits"] <= 8 for entry in found)
        if found and (quantized or not self.quantized):
            self.tensors, self.quantized = found[:_MOST], quantized


def _tensors(thing: Any, path: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(thing, torch.Tensor):
        yield ".".join(path), thing
    elif isinstance(thing, dict) and len(path) < 6:
        for key, value in thing.items():
            yield from _tensors(value, (*path, str(key)))
    elif isinstance(thing, (list, tuple)) and len(path) < 6:
        for index, value in enumerate(thing):
            yield from _tensors(value, (*path, str(index)))
