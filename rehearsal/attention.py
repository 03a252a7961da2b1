"""Stands in for `flash_attn_interface` of flash-attention 3: the same attention, by PyTorch's own function."""

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


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float | None) -> torch.Tensor:
    """Attention over tensors of shape [batch, length, heads, width]; heads of k and v may be fewer than those of q."""
    group, rest = divmod(q.shape[2], k.shape[2])
    if rest:
        raise ValueError(f"{q.shape[2]} heads of queries cannot share {k.shape[2]} heads of keys")
    if causal and q.shape[1] != k.shape[1]:
        raise NotImplementedError("causal attention with more keys than queries")
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    if group > 1:
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale).transpose(1, 2)


def _check(window_size: tuple[int, int], others: dict[str, Any]) -> None:
    """Refuses what would change the result and is not done here, rather than computing something else."""
    asked = sorted(name for name, value in others.items() if value not in (None, False, 0, 0.0))
    if tuple(window_size) != _UNLIMITED or asked:
        raise NotImplementedError(f"flash attention with window_size={window_size} {' '.join(asked)}".strip())


def flash_attn_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each row of a batch."""
    note("flash_attn_func -> scaled_dot_product_attention")
    _check(window_size, others)
    return _attend(q, k, v, causal, softmax_scale)


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = _UNLIMITED,
    **others: Any,
) -> torch.Tensor:
    """Attention inside each segment of one long row."""
    note("flash_attn_varlen_func -> scaled_dot_product_attention by segment")
    _check(window_size, others)
    if cu_seqlens_k is not cu_seqlens_q:
        raise NotImplementedError("segments of keys that differ from those of queries")
    longest = min(max_seqlen_q, max_seqlen_k)
    if torch.compiler.is_compiling():
        if softmax_scale is not None:
            raise NotImplementedError("a softmax_scale in compiled attention")
        return segment_attention(q, k, v, cu_seqlens_q, longest, causal)[0]
    parts = [
        _attend(q[None, start:end], k[None, start:end], v[None, start:end], causal, softmax_scale)[0]
        for start, end in segments(cu_seqlens_q, q.shape[0], longest)
    ]
    return torch.cat(parts)


def package() -> types.ModuleType:
    """What the script finds as `flash_attn_interface`, also where the real package is installed."""
    return stub("flash_attn_interface", flash_attn_func=flash_attn_func, flash_attn_varlen_func=flash_attn_varlen_func)
