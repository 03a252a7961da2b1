"""Builds the model of a script with the script's own sizes, and stops before it computes anything.

The script runs with its own settings up to the moment when it hands its parameters to an optimizer or a batch to its model. By then the
model is whole, and that costs no more than drawing its initial weights.
"""

from __future__ import annotations

import functools
import gc
import re
from typing import Any

import torch

_LARGE = 1000
"""Parameters from which on a module is taken for a model and no helper."""

_SMALL = 1 << 16
"""Elements up to which a tensor is small: scripts store those as they are."""

_CLASSES = (
    ("embedding", re.compile(r"(?i)(?:^|[._])(?:\w*emb\w*|wte|wpe|lm_head|head|bigram\w*|trigram\w*)(?:[._]|$)")),
    ("attention", re.compile(r"(?i)attn|attention|qkv|q_proj|k_proj|v_proj|o_proj|qo_bank|kv_bank|mamba|ssm|delta|lepe")),
    ("mlp", re.compile(r"(?i)mlp|ffn|feed_forward|swiglu|expert")),
)


class Built(BaseException):
    """The model is built. It is no Exception, so that no script takes it for an error of its own."""


class Model:
    """The model that was found when it was built."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []

    def built(self) -> None:
        # The model lives as long as the script's functions, which the error ends.
        self.tensors = self.tensors or _tensors()
        raise Built


def note(model: Model) -> None:
    """Notes the shapes of a toy's model when it is built, and lets the run go on."""
    begin = torch.optim.Optimizer.__init__

    @functools.wraps(begin)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        model.tensors = model.tensors or _tensors()
        begin(self, *args, **kwargs)

    torch.optim.Optimizer.__init__ = init  # type: ignore[method-assign]


def watch(model: Model) -> None:
    """Lets the script's process stop when the model is built."""

    def stop(*args: Any, **kwargs: Any) -> None:
        model.built()

    def stop_at_model(module: torch.nn.Module, args: Any) -> None:
        if sum(parameter.numel() for parameter in module.parameters()) >= _LARGE:
            model.built()

    torch.optim.Optimizer.__init__ = stop  # type: ignore[method-assign, assignment]
    torch.Tensor.backward = stop  # type: ignore[method-assign]
    torch.nn.modules.module.register_module_forward_pre_hook(stop_at_model)


def _tensors() -> list[dict[str, Any]]:
    """The parameters of the largest model that is alive, with their shapes and classes."""
    modules = [module for module in gc.get_objects() if isinstance(module, torch.nn.Module)]
    if not modules:
        return []
    inner = {id(child) for module in modules for child in module.children()}
    # A module that is part of another one is no whole model.
    whole = [module for module in modules if id(module) not in inner] or modules
    model = max(whole, key=lambda module: sum(parameter.numel() for parameter in module.parameters()))
    return [
        {"name": name, "shape": list(parameter.shape), "class": _class(name, parameter)}
        for name, parameter in model.named_parameters()
    ]


def _class(name: str, parameter: torch.Tensor) -> str:
    if parameter.ndim < 2 or parameter.numel() < _SMALL:
        return "small tensors"
    return next((kind for kind, names in _CLASSES if names.search(name)), "other matrices")
