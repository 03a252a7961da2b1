"""Stands in for flash-attention 2 and 3: the same attention, by PyTorch's own function.

Both have a function for rows of equal length and one for segments of one long row. They differ in the order of their
arguments. Heads of keys may be fewer than heads of queries. A window of (l, r) lets a query see l keys before it and r
after it, where -1 means all; positions count from the end when there are more keys than queries.
"""

from __future__ import annotations

import types
from typing import Any

import torch
import torch.nn.functional as F

from .attention_op import segment_attention
from .ledger import note
from .segments import segments
from .views import stub

_UNLIMITED = (-1, -1)


def _mask(queries: int, keys: int, causal: bool, window: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Which key each query sees."""
    at = torch.arange(queries, device=device)[:, None] + (keys - queries)
    key = torch.arange(keys, device=device)[None]
    seen = torch.ones(queries, keys, dtype=torch.bool, device=device)
    before, after = window
    if causal:
        seen &= key <= at
    if before >= 0:
        seen &= key >= at - before
    if after >= 0:
        seen &= key <= at + after
    return seen


def _attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    scale: float | None,
    window: tuple[int, int] = _UNLIMITED,
) -> torch.Tensor:
    """Attention over tensors of shape [batch, length, heads, width]."""
    group, rest = divmod(q.shape[2], k.shape[2])
    if rest:
        raise ValueError(f"{q.shape[2]} heads of queries cannot share {k.shape[2]} heads of keys")
    queries, keys = q.shape[1], k.shape[1]
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    if group > 1:
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    if tuple(window) == _UNLIMITED and not (causal and queries != keys):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale).transpose(1, 2)
    seen = _mask(queries, keys, causal, window, q.device)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)
    # A query that sees no key gets zeros from flash-attention.
    return out.masked_fill(~seen.any(1)[:, None], 0.0).transpose(1, 2)


def _check(others: dict[str, Any]) -> None:
    """Refuses what would change the result and is not done here, rather than computing something else."""
    harmless = {"deterministic", "num_splits", "pack_gqa", "sm_margin", "return_attn_probs", "return_softmax_lse"}
    asked = sorted(
        name for name, value in others.items() if name not in harmless and value not in (None, False, 0, 0.0)
    )
    if asked:
        raise NotImplementedError(f"flash attention with {' '.join(asked)}")
    if others.get("return_attn_probs") or others.get("return_softmax_lse"):
        raise NotImplementedError("flash attention that returns the sums of its softmax")


def flash_attn_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: torch.Tensor | None = None,
    q_descale: torch.Tensor | None = None,
    k_descale: torch.Tensor | None = None,
    v_descale: torch.Tensor | None = None,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each row of a batch, with the arguments of flash-attention 3."""
    note("flash_attn_func -> scaled_dot_product_attention")
    _check({"qv": qv is not None, "descale": q_descale is not None, **others})
    return _attend(q, k, v, causal, softmax_scale, tuple(window_size))


def flash_attn_2_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each row of a batch, with the arguments of flash-attention 2."""
    return flash_attn_func(
        q, k, v, softmax_scale=softmax_scale, causal=causal, window_size=window_size, dropout_p=dropout_p, **others
    )


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    seqused_q: torch.Tensor | None = None,
    seqused_k: torch.Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each segment of one long row, with the arguments of flash-attention 3."""
    note("flash_attn_varlen_func -> scaled_dot_product_attention by segment")
    _check({"seqused": seqused_q is not None or seqused_k is not None, **others})
    window = tuple(window_size)
    if torch.compiler.is_compiling():
        if softmax_scale is not None or window != _UNLIMITED or cu_seqlens_k is not cu_seqlens_q:
            raise NotImplementedError("a scale, a window or other segments of keys in compiled attention")
        return segment_attention(q, k, v, cu_seqlens_q, min(max_seqlen_q, max_seqlen_k), causal)[0]
    if cu_seqlens_k is not cu_seqlens_q and not torch.equal(cu_seqlens_k, cu_seqlens_q):
        return _unequal(q, k, v, (cu_seqlens_q, cu_seqlens_k), (max_seqlen_q, max_seqlen_k), causal, softmax_scale, window)
    longest = min(max_seqlen_q, max_seqlen_k)
    parts = [
        _attend(q[None, start:end], k[None, start:end], v[None, start:end], causal, softmax_scale, window)[0]
        for start, end in segments(cu_seqlens_q, q.shape[0], longest)
    ]
    return torch.cat(parts)


def _unequal(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bounds: tuple[torch.Tensor, torch.Tensor],
    longest: tuple[int, int],
    causal: bool,
    scale: float | None,
    window: tuple[int, int],
) -> torch.Tensor:
    """Attention where the segments of keys are not those of queries; each pair of them must not be empty."""
    queries, keys = (segments(b, t.shape[0], most) for b, t, most in zip(bounds, (q, k), longest, strict=True))
    if len(queries) != len(keys):
        raise NotImplementedError("an empty segment of queries or keys beside one that is not")
    parts = [
        _attend(q[None, a:b], k[None, c:d], v[None, c:d], causal, scale, window)[0]
        for (a, b), (c, d) in zip(queries, keys, strict=True)
    ]
    return torch.cat(parts)


def flash_attn_varlen_2_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each segment of one long row, with the arguments of flash-attention 2."""
    bounds = (cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    return flash_attn_varlen_func(
        q, k, v, *bounds, softmax_scale=softmax_scale, causal=causal, window_size=window_size, dropout_p=dropout_p, **others
    )


def _packed(function: Any) -> Any:
    """A function that takes queries, keys and values in one tensor."""

    def attend(qkv: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return function(*qkv.unbind(-3), *args, **kwargs)

    return attend


def package() -> types.ModuleType:
    """What the script finds as `flash_attn_interface`, also where the real package is installed."""
    return stub("flash_attn_interface", flash_attn_func=flash_attn_func, flash_attn_varlen_func=flash_attn_varlen_func)


def packages() -> list[types.ModuleType]:
    """What the script finds under every name that flash-attention has been installed by: versions 2, 3 and 4."""
    three = {"flash_attn_func": flash_attn_func, "flash_attn_varlen_func": flash_attn_varlen_func}
    two = {
        "flash_attn_func": flash_attn_2_func,
        "flash_attn_varlen_func": flash_attn_varlen_2_func,
        "flash_attn_qkvpacked_func": _packed(flash_attn_2_func),
        "__version__": "2.8.3",
    }
    interface = package()
    cute_interface = stub("flash_attn.cute.interface", **three)
    cute = stub("flash_attn.cute", interface=cute_interface, **three)
    inner = stub("flash_attn.flash_attn_interface", **two)
    flash = stub("flash_attn", flash_attn_interface=inner, cute=cute, **two)
    third = stub("flash_attn_3.flash_attn_interface", **three)
    package_three = stub("flash_attn_3", flash_attn_interface=third, __version__="3.0.0", **three)
    hopper = stub("hopper", flash_attn_interface=stub("hopper.flash_attn_interface", **three))
    return [interface, flash, inner, cute, cute_interface, package_three, third, hopper, hopper.flash_attn_interface]
