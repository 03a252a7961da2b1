"""Keeps apart what a script has on the GPU and what it copied to the host, although both are in one memory here.

On a GPU `x.cpu()` is a copy: a later change of `x` does not reach it, and it says `is_cuda` is false. On a CPU the same
call returns `x` itself. So copies to the host are made here too, and remembered. `is_cuda` is true for what was not
copied to the host, and only where the script asks: PyTorch's own code keeps getting the truth.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from .devices import CPU, is_cuda

_MARK = "_rehearsal_on_host"


def _is_host(device: Any) -> bool:
    return device == "cpu" or (isinstance(device, torch.device) and device.type == "cpu")


def _to_host(tensor: torch.Tensor) -> torch.Tensor:
    if getattr(tensor, _MARK, False):
        return tensor
    copy = tensor.clone()
    setattr(copy, _MARK, True)
    return copy


def _from_host(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that was copied to the host comes back as another one."""
    return tensor.clone() if getattr(tensor, _MARK, False) else tensor


def patch_methods(builtins: dict[str, Any]) -> None:
    """Replaces the methods. `builtins` are those of the script's code, by which a caller is known to be the script."""
    moved = torch.Tensor.to

    def by_script() -> bool:
        return sys._getframe(2).f_builtins is builtins

    def to(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        named = args[0] if args else kwargs.get("device")
        # The literal string says that the script means the host; a device object may be its GPU, which is the CPU here.
        host = isinstance(named, str) and _is_host(named)
        result = moved(self, *args, **kwargs)
        if host and by_script():
            return _to_host(result)
        return _from_host(result) if is_cuda(named) or named is CPU else result

    def cpu(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _to_host(self) if by_script() else self

    def on_gpu(self: torch.Tensor) -> bool:
        return by_script() and not getattr(self, _MARK, False)

    torch.Tensor.to = to  # type: ignore[method-assign]
    torch.Tensor.cpu = cpu  # type: ignore[method-assign]
    torch.Tensor.cuda = lambda self, *args, **kwargs: _from_host(self)  # type: ignore[method-assign]
    torch.Tensor.is_cuda = property(on_gpu)  # type: ignore[assignment]
    torch.Tensor.get_device = lambda self: 0  # type: ignore[method-assign]
    torch.Tensor.record_stream = lambda self, stream: None  # type: ignore[method-assign]
    torch.Tensor.is_pinned = lambda self, *args: True  # type: ignore[method-assign]
