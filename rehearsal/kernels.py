"""Stands in for Triton. A kernel that is known runs as a few lines of PyTorch; an unknown one is refused by name.

A kernel is known by the SHA-256 of its source, with comments, blank lines and spacing left out. Its name alone would
not do: somebody who changes a kernel keeps its name, and would silently get the mathematics of the old one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import io
import textwrap
import tokenize
import types
from typing import Any, Callable

import torch

from .ledger import note
from .views import Absent, stub

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_BLOCK = {tokenize.INDENT: "<indent>", tokenize.DEDENT: "<dedent>", tokenize.NEWLINE: "<line>"}

References = dict[str, Callable[..., None]]
_references: References = {}


def fingerprint(source: str) -> str:
    """The SHA-256 of a function's source from `def` on: its tokens, without comments and spacing."""
    tokens = [
        _BLOCK.get(token.type, token.string)
        for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline)
        if token.type not in _LAYOUT
    ]
    # Decorators come before; they say how a kernel is launched, not what it computes.
    text = "\n".join(tokens[tokens.index("def"):])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def reference(sha256: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers what a kernel with this fingerprint computes. The function takes the kernel's own arguments."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _references[sha256] = function
        return function

    return register


def known(function: Callable[..., Any]) -> Callable[..., None] | None:
    """The reference of a kernel, if the rehearsal knows its very source."""
    from . import known_kernels  # noqa: F401  It registers its references.

    try:
        return _references.get(fingerprint(inspect.getsource(function)))
    except (OSError, ValueError, SyntaxError):
        # A kernel without readable source is unknown.
        return None


@dataclasses.dataclass(frozen=True)
class TensorDescriptor:
    """What a kernel is given in place of a tensor: here the tensor itself, and the shape of a block."""

    base: torch.Tensor
    block_shape: list[int]

    @classmethod
    def from_tensor(cls, tensor: torch.Tensor, block_shape: list[int]) -> "TensorDescriptor":
        return cls(tensor, block_shape)


class Kernel:
    """A function under `triton.jit`. It can be launched on a grid when its fingerprint is known."""

    # What a launch takes besides the kernel's own parameters.
    _OPTIONS = ("num_stages", "num_warps", "num_ctas")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function.__name__
        self.parameters = tuple(inspect.signature(function).parameters)
        self.sha256 = fingerprint(inspect.getsource(function))
        self.known = _references.get(self.sha256)

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self.launch

    def launch(self, *args: Any, **kwargs: Any) -> None:
        """Computes what the kernel computes. It is plain enough for torch.compile to look through."""
        if self.known is None:
            raise Absent(f"the rehearsal does not know the Triton kernel {self.name} with source {self.sha256}")
        note(f"Triton kernel {self.name} -> PyTorch")
        arguments = dict(zip(self.parameters, args))
        for name, value in kwargs.items():
            if name not in self._OPTIONS:
                arguments[name] = value
        self.known(**arguments)


def _jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    return Kernel if function is None else Kernel(function)


def packages() -> list[types.ModuleType]:
    """What the script finds as `triton`, also where the real package is installed."""
    from . import known_kernels  # noqa: F401  It registers its references.

    # A kernel's body never runs here; only the annotations of its parameters are looked up.
    language = stub("triton.language", constexpr=object)
    descriptors = stub("triton.tools.tensor_descriptor", TensorDescriptor=TensorDescriptor)
    tools = stub("triton.tools", tensor_descriptor=descriptors)
    triton = stub("triton", jit=_jit, cdiv=_cdiv, language=language, tools=tools, __version__="0")
    return [triton, language, tools, descriptors]


def _cdiv(n: int, block: int) -> int:
    return -(-n // block)
