"""Makes every CUDA device mean the CPU, and makes `torch.cuda` answer as on a machine with one H100.

The functions that take a device are wrapped one by one. A `TorchFunctionMode` would be shorter, but it belongs to one
thread, and the loaders of contest scripts make tensors in threads of their own.
"""

from __future__ import annotations

import contextlib
import functools
import resource
import time
import types
from typing import Any, Callable, Iterator

import torch
from torch.utils._device import _device_constructors

from .ledger import note

_RealDevice = torch.device
CPU = _RealDevice("cpu")

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
    if isinstance(device, _RealDevice):
        return device.type == "cuda"
    return isinstance(device, int) and not isinstance(device, bool)


def on_cpu(device: Any) -> Any:
    """The device that the rehearsal uses for the one that the script named."""
    return CPU if is_cuda(device) else device


class _DeviceType(type):
    """Lets `isinstance(x, torch.device)` go on working while `torch.device` is the class below."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _RealDevice)


class Device(metaclass=_DeviceType):
    """Stands in for `torch.device`: a CUDA device becomes the CPU, every other device is made as it was asked for."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        named = args[0] if args else kwargs.get("type", kwargs.get("device"))
        return CPU if is_cuda(named) else _RealDevice(*args, **kwargs)


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


def _wrap_factories() -> None:
    for constructor in _device_constructors():
        name = getattr(constructor, "__name__", "")
        if getattr(torch, name, None) is constructor:
            setattr(torch, name, _by_keyword(constructor))
    for name in ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like"):
        setattr(torch, name, _by_keyword(getattr(torch, name)))
    for name in ("new_empty", "new_zeros", "new_ones", "new_full", "new_tensor"):
        setattr(torch.Tensor, name, _by_keyword(getattr(torch.Tensor, name)))


def _wrap_moves() -> None:
    torch.Tensor.to = _by_position(torch.Tensor.to)
    torch.nn.Module.to = _by_position(torch.nn.Module.to)
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    torch.nn.Module.cuda = lambda self, *args, **kwargs: self
    torch.Tensor.pin_memory = lambda self, *args, **kwargs: self
    real_load = torch.load

    @functools.wraps(real_load)
    def load(file: Any, map_location: Any = None, **kwargs: Any) -> Any:
        return real_load(file, map_location=on_cpu(map_location), **kwargs)

    torch.load = load


class Event:
    """Stands in for `torch.cuda.Event`, with the clock of the machine."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.at = 0.0

    def record(self, *args: Any) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """Nothing is ever pending on a CPU."""

    def elapsed_time(self, end: "Event") -> float:
        return 1000.0 * (end.at - self.at)


def _memory(*args: Any, **kwargs: Any) -> int:
    """The largest memory of the process so far, in bytes: the nearest thing to the memory of a GPU."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


@contextlib.contextmanager
def _one_device(*args: Any) -> Iterator[None]:
    yield


def _answer_as_h100() -> None:
    answers: dict[str, Any] = {
        "is_available": _always(True),
        "is_initialized": _always(True),
        "is_bf16_supported": _always(True),
        "device_count": _always(1),
        "current_device": _always(0),
        "set_device": _always(None),
        "device": _one_device,
        "get_device_name": _always(H100.name),
        "get_device_properties": _always(H100),
        "get_device_capability": _always((H100.major, H100.minor)),
        "synchronize": _always(None),
        "empty_cache": _always(None),
        "manual_seed": _always(None),
        "manual_seed_all": _always(None),
        "reset_peak_memory_stats": _always(None),
        "max_memory_allocated": _memory,
        "max_memory_reserved": _memory,
        "memory_allocated": _memory,
        "memory_reserved": _memory,
        # Optimisers ask this once a step, because torch.cuda says that it is available.
        "is_current_stream_capturing": _always(False),
        "Event": Event,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)


def _keep_full_precision() -> None:
    """Ignores the switches that choose attention kernels and permit shorter mantissas: they would reach the CPU too."""

    def ignored(name: str) -> Callable[..., None]:
        def switch(*args: Any, **kwargs: Any) -> None:
            note(f"{name} ignored")

        return switch

    for name in ("enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp"):
        setattr(torch.backends.cuda, name, ignored(f"torch.backends.cuda.{name}"))
    torch.set_float32_matmul_precision = ignored("torch.set_float32_matmul_precision")


def install() -> None:
    """Replaces the devices. It has to run before the script is loaded."""
    note("device cuda -> cpu")
    torch.device = Device  # type: ignore[misc,assignment]
    _wrap_factories()
    _wrap_moves()
    _answer_as_h100()
    _keep_full_precision()
