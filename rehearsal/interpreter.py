"""Runs Triton kernels on a CPU by Triton's own interpreter, with bfloat16 computed as such.

The interpreter keeps a bfloat16 as the 16 bits of an integer and computes with these integers, which is not arithmetic.
Here a bfloat16 inside a kernel is a 32-bit float that has been rounded to bfloat16 after every operation: that is what the
hardware computes, and what memory holds stays the 16 bits.

A kernel whose source is known (see kernels.py) is computed by its reference instead, which is much faster.
"""

from __future__ import annotations

import functools
import os
import types
from typing import Any

import numpy as np
import torch

from . import kernels
from .ledger import note
from .views import Imports, view

_TOP_HALF = np.uint32(0xFFFF0000)


def rounded(values: np.ndarray) -> np.ndarray:
    """32-bit floats rounded to the nearest bfloat16, ties to the even one; not-a-number stays what it is."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    nearest = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & _TOP_HALF
    return np.where(np.isnan(values), values, nearest.view(np.float32)).astype(np.float32).reshape(np.shape(values))


def truncated(values: np.ndarray) -> np.ndarray:
    """32-bit floats cut to bfloat16, toward zero."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) & _TOP_HALF
    return bits.view(np.float32).reshape(np.shape(values))


def packed(values: np.ndarray) -> np.ndarray:
    """The 16 bits of values that are bfloat16 already."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) >> np.uint32(16)
    return bits.astype(np.uint16).reshape(np.shape(values))


def unpacked(bits: np.ndarray) -> np.ndarray:
    """The values of 16 bits each."""
    return (np.ascontiguousarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def _patch_types(interpreter: Any, bfloat16: Any) -> None:
    """Makes a handle of type bfloat16 hold 32-bit floats, rounded when it is made."""
    original_dtype = interpreter._get_np_dtype

    def is_bfloat16(dtype: Any) -> bool:
        return getattr(dtype, "scalar", None) == bfloat16

    def numpy_dtype(dtype: Any) -> np.dtype:
        return np.dtype(np.float32) if is_bfloat16(dtype) else original_dtype(dtype)

    original_check = interpreter.TensorHandle.__post_init__

    def check(handle: Any) -> None:
        if not is_bfloat16(handle.dtype):
            original_check(handle)
        elif handle.data.dtype.kind == "f":
            handle.data = rounded(handle.data)

    interpreter._get_np_dtype = numpy_dtype
    interpreter.TensorHandle.__post_init__ = check


def _patch_casts(interpreter: Any, bfloat16: Any) -> None:
    """Casts from and to bfloat16 by value, and bit casts by the 16 bits."""
    builder, handle = interpreter.InterpreterBuilder, interpreter.TensorHandle
    cast, convert, bitcast = builder.cast_impl, builder.create_fp_to_fp, builder.create_bitcast
    absolute = builder.create_fabs

    def by_value(self: Any, source: Any, target: Any) -> Any:
        if bfloat16 not in (source.dtype.scalar, target.scalar):
            return cast(self, source, target)
        return handle(source.data.astype(interpreter._get_np_dtype(target)), target.scalar)

    def with_mode(self: Any, source: Any, target: Any, mode: Any) -> Any:
        if bfloat16 not in (source.dtype.scalar, target.scalar):
            return convert(self, source, target, mode)
        values = source.data.astype(interpreter._get_np_dtype(target))
        if target.scalar == bfloat16 and mode == interpreter._ir.ROUNDING_MODE.RTZ:
            values = truncated(values)
        return handle(values, target.scalar)

    def bits(self: Any, source: Any, target: Any) -> Any:
        if source.dtype.scalar == target.scalar:
            return source
        if source.dtype.scalar == bfloat16:
            return handle(packed(source.data).view(interpreter._get_np_dtype(target)), target.scalar)
        if target.scalar == bfloat16:
            return handle(unpacked(source.data.view(np.uint16)), bfloat16)
        return bitcast(self, source, target)

    def without_sign(self: Any, value: Any) -> Any:
        if value.dtype.scalar == bfloat16:
            return handle(np.abs(value.data), bfloat16)
        return absolute(self, value)

    builder.cast_impl, builder.create_fp_to_fp, builder.create_bitcast = by_value, with_mode, bits
    builder.create_fabs = without_sign
    builder.get_bf16 = lambda self, value: handle(np.array([value], dtype=np.float32), bfloat16)


def _patch_memory(interpreter: Any, bfloat16: Any) -> None:
    """Reads and writes the 16 bits that memory holds."""
    builder, handle = interpreter.InterpreterBuilder, interpreter.TensorHandle
    raw = interpreter._interpreter
    load, store, atomic = builder.create_masked_load, builder.create_masked_store, builder.create_atomic_rmw

    def masked_load(self: Any, pointers: Any, mask: Any, other: Any, *rest: Any, **hints: Any) -> Any:
        if pointers.get_element_ty() != bfloat16:
            return load(self, pointers, mask, other, *rest, **hints)
        fill = np.zeros(pointers.data.shape, np.uint16) if other is None else packed(other.data)
        fill = np.ascontiguousarray(np.broadcast_to(fill, pointers.data.shape))
        return handle(unpacked(raw.load(pointers.data, mask.data, fill, np.dtype(np.uint16))), bfloat16)

    def masked_store(self: Any, pointers: Any, value: Any, mask: Any, *rest: Any, **hints: Any) -> Any:
        if pointers.get_element_ty() != bfloat16:
            return store(self, pointers, value, mask, *rest, **hints)
        bits = np.ascontiguousarray(np.broadcast_to(packed(rounded(value.data)), pointers.data.shape))
        return raw.store(pointers.data, bits, mask.data)

    def atomic_rmw(self: Any, operation: Any, pointers: Any, *rest: Any) -> Any:
        if pointers.get_element_ty() == bfloat16:
            raise NotImplementedError("an atomic operation on bfloat16 in a Triton kernel")
        return atomic(self, operation, pointers, *rest)

    builder.create_masked_load, builder.create_masked_store = masked_load, masked_store
    builder.create_atomic_rmw = atomic_rmw


_BITS_SET = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.int32)


def _population(values: np.ndarray) -> np.ndarray:
    """The number of bits that are set in each integer."""
    flat = np.ascontiguousarray(values)
    return _BITS_SET[flat.view(np.uint8).reshape(*flat.shape, flat.itemsize)].sum(-1, dtype=np.int32)


_LIBDEVICE = {
    "__nv_popc": _population,
    "__nv_popcll": _population,
    "__nv_tanhf": np.tanh,
    "__nv_tanh": np.tanh,
    "__nv_expf": np.exp,
    "__nv_exp2f": np.exp2,
    "__nv_logf": np.log,
    "__nv_log1pf": np.log1p,
    "__nv_rsqrtf": lambda x: 1.0 / np.sqrt(x),
    "__nv_sqrtf": np.sqrt,
    "__nv_powf": np.power,
    "__nv_rintf": np.rint,
    "__nv_roundf": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
}
"""What functions of NVIDIA's device library compute, for kernels that call them by `libdevice`."""


def _patch_libdevice(interpreter: Any, bfloat16: Any) -> None:
    """Computes the functions above; the interpreter itself knows none."""

    def call(self: Any, library: Any, path: Any, symbol: str, arguments: list[Any], result: Any, pure: Any) -> Any:
        if symbol not in _LIBDEVICE:
            raise NotImplementedError(f"the function {symbol} of libdevice in a Triton kernel")
        values = _LIBDEVICE[symbol](*(argument.data for argument in arguments))
        return interpreter.TensorHandle(values.astype(interpreter._get_np_dtype(result)), result.scalar)

    interpreter.InterpreterBuilder.create_extern_elementwise = call
    _offer_libdevice(interpreter)


def _offer_libdevice(interpreter: Any) -> None:
    """Lets kernels call the functions; the interpreter tells only functions of `triton.language` that it is there."""
    from triton.language.extra import libdevice as common
    from triton.language.extra.cuda import libdevice

    def offered(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, _semantic: Any = None, **kwargs: Any) -> Any:
            return function(*args, _semantic=_semantic or interpreter.interpreter_semantic, **kwargs)

        return call

    for name, function in list(vars(libdevice).items()):
        if callable(function) and getattr(function, "__triton_builtin__", False):
            setattr(libdevice, name, offered(function))
            if hasattr(common, name):
                setattr(common, name, getattr(libdevice, name))


found: dict[Any, Any] = {}
"""The reference of every kernel that was launched, or None."""


def _patch_launch(interpreter: Any) -> None:
    """Computes known kernels by their references and notes which way every kernel went."""
    run = interpreter.InterpretedFunction.run

    def launch(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        if self.fn not in found:
            found[self.fn] = kernels.known(self.fn)
        reference = found[self.fn]
        name = self.fn.__name__
        if reference is None or warmup:
            note(f"Triton kernel {name} -> Triton's interpreter")
            with torch.no_grad():
                return run(self, *args, grid=grid, warmup=warmup, **kwargs)
        note(f"Triton kernel {name} -> PyTorch")
        arguments = dict(zip(self.arg_names, args))
        arguments.update({key: value for key, value in kwargs.items() if key in self.arg_names})
        with torch.no_grad():
            reference(**arguments)
        return None

    interpreter.InterpretedFunction.run = launch


class FirstConfig:
    """A kernel under `triton.autotune`: launched with the first of its configurations, since speed is not looked at."""

    def __init__(self, kernel: Any, configs: list[Any]) -> None:
        self.kernel = kernel
        self.values = dict(configs[0].kwargs) if configs else {}

    def __getitem__(self, grid: Any) -> Any:
        note("triton.autotune -> the first configuration")
        return lambda *args, **kwargs: self.kernel[grid](*args, **{**self.values, **kwargs})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)


def _autotune(configs: list[Any], *args: Any, **kwargs: Any) -> Any:
    return lambda kernel: FirstConfig(kernel, configs)


def available() -> bool:
    """Whether Triton is installed and can interpret. The interpreter needs a numpy before 2.3."""
    os.environ["TRITON_INTERPRET"] = "1"
    try:
        from triton.runtime import interpreter  # noqa: F401
    except ImportError:
        return False
    return tuple(int(part) for part in np.__version__.split(".")[:2]) < (2, 3)


_patched = False


def patch() -> types.ModuleType:
    """Patches the interpreter once, for this process, and returns it."""
    global _patched
    import triton.language as language
    from triton.runtime import interpreter

    if not _patched:
        _patched = True
        for part in (_patch_types, _patch_casts, _patch_memory, _patch_libdevice):
            part(interpreter, language.bfloat16)
        _patch_launch(interpreter)
    return interpreter


def add_to(imports: Imports) -> None:
    """Lets the script find the real Triton, interpreting."""
    patch()
    import triton

    imports.add(view(triton, autotune=_autotune))
