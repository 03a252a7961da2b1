"""Makes every CUDA device mean the CPU, and makes `torch.cuda` answer as on a machine with one H100.

The functions that take a device are wrapped one by one. A `TorchFunctionMode` would be shorter, but it belongs to one
thread, and the loaders of contest scripts make tensors in threads of their own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import time
import types
from typing import Any, Callable, Iterator

import torch
from torch.utils._device import _device_constructors

from .ledger import note
from .streams import event_class

CPU = torch.device("cpu")

H100 = types.SimpleNamespace(
    name="NVIDIA H100 80GB HBM3",
    major=9,
    minor=0,
    multi_processor_count=132,
    total_memory=85_000_000_000,
    warp_size=32,
    max_threads_per_multi_processor=2048,
    shared_memory_per_block_optin=232_448,
    L2_cache_size=52_428_800,
)


def is_cuda(device: Any) -> bool:
    """Whether `device` names a GPU. A bare number does, as it does in PyTorch."""
    if isinstance(device, str):
        return device.split(":")[0] == "cuda"
    if isinstance(device, torch.device):
        return device.type == "cuda"
    return isinstance(device, int) and not isinstance(device, bool)


def on_cpu(device: Any) -> Any:
    """The device that the rehearsal uses for the one that the script named."""
    return CPU if is_cuda(device) else device


class _DeviceType(type):
    """Lets `isinstance(x, torch.device)` of the script work with the class below."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, torch.device)


class Device(metaclass=_DeviceType):
    """Stands in for `torch.device`: a CUDA device becomes the CPU, every other device is made as it was asked for."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        named = args[0] if args else kwargs.get("type", kwargs.get("device"))
        return CPU if is_cuda(named) else torch.device(*args, **kwargs)


def _keywords(keywords: dict[str, Any]) -> dict[str, Any]:
    if "device" in keywords:
        keywords["device"] = on_cpu(keywords["device"])
    if keywords.get("pin_memory"):
        keywords["pin_memory"] = False
    return keywords


def _by_keyword(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **_keywords(kwargs))

    return wrapped


def _by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    """For `to`, whose first argument may be a device, a dtype or another tensor."""

    @functools.wraps(function)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and is_cuda(args[0]):
            args = (CPU, *args[1:])
        return function(self, *args, **_keywords(kwargs))

    return wrapped


def _load(file: Any, map_location: Any = None, **kwargs: Any) -> Any:
    return torch.load(file, map_location=on_cpu(map_location), **kwargs)


def names() -> dict[str, Any]:
    """What the script finds in `torch` in place of what takes a device."""
    note("device cuda -> cpu")
    constructors = {getattr(constructor, "__name__", ""): constructor for constructor in _device_constructors()}
    for name in ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like"):
        constructors[name] = getattr(torch, name)
    wrapped = {
        name: _by_keyword(constructor)
        for name, constructor in constructors.items()
        if getattr(torch, name, None) is constructor
    }
    return {**wrapped, "device": Device, "load": _load}


def patch_methods() -> None:
    """Replaces the methods that move tensors and modules. They belong to objects, so everybody gets these."""
    torch.Tensor.to = _by_position(torch.Tensor.to)
    torch.nn.Module.to = _by_position(torch.nn.Module.to)
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    torch.nn.Module.cuda = lambda self, *args, **kwargs: self
    torch.Tensor.pin_memory = lambda self, *args, **kwargs: self
    for name in ("new_empty", "new_zeros", "new_ones", "new_full", "new_tensor"):
        setattr(torch.Tensor, name, _by_keyword(getattr(torch.Tensor, name)))


def _memory(*args: Any, **kwargs: Any) -> int:
    """The largest memory of the process so far, in bytes: the nearest thing to the memory of a GPU."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


def _properties(*args: Any, **kwargs: Any) -> types.SimpleNamespace:
    return H100


@contextlib.contextmanager
def _one_device(*args: Any) -> Iterator[None]:
    yield


def cuda_names() -> dict[str, Any]:
    """What the script finds in `torch.cuda`."""
    return {
        "is_available": _always(True),
        "is_initialized": _always(True),
        "is_bf16_supported": _always(True),
        "device_count": lambda: int(os.environ.get("WORLD_SIZE", "1")),
        "current_device": _always(0),
        "set_device": _always(None),
        "device": _one_device,
        "get_device_name": _always(H100.name),
        "get_device_properties": _properties,
        "get_device_capability": _always((H100.major, H100.minor)),
        "synchronize": _always(None),
        "empty_cache": _always(None),
        "init": _always(None),
        "ipc_collect": _always(None),
        "memory_stats": _always({}),
        "memory_summary": _always(""),
        "mem_get_info": _always((H100.total_memory, H100.total_memory)),
        "set_per_process_memory_fraction": _always(None),
        "reset_max_memory_allocated": _always(None),
        "reset_accumulated_memory_stats": _always(None),
        "get_arch_list": _always(["sm_90"]),
        "utilization": _always(100),
        "get_rng_state": lambda *args: torch.get_rng_state(),
        "set_rng_state": lambda state, *args: torch.set_rng_state(state),
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "set_rng_state_all": lambda states: torch.set_rng_state(states[0]),
        "manual_seed": _always(None),
        "manual_seed_all": _always(None),
        "reset_peak_memory_stats": _always(None),
        "max_memory_allocated": _memory,
        "max_memory_reserved": _memory,
        "memory_allocated": _memory,
        "memory_reserved": _memory,
        "Event": event_class(time.perf_counter),
    }


def _ignored(name: str) -> Callable[..., None]:
    def switch(*args: Any, **kwargs: Any) -> None:
        note(f"{name} ignored")

    return switch


def switches() -> dict[str, Any]:
    """What the script finds in `torch.backends.cuda` for its choice of attention kernels: the CPU obeys it as well."""
    names = ("enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp")
    return {name: _ignored(f"torch.backends.cuda.{name}") for name in names}


def precision() -> dict[str, Any]:
    """What the script finds in `torch` for its permission to use fewer digits: a CPU may have such instructions."""
    return {"set_float32_matmul_precision": _ignored("torch.set_float32_matmul_precision")}
