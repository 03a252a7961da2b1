"""Attention inside segments as one operator of PyTorch, for `torch.compile`.

A compiler sees shapes but not values, and where segments begin is a value. An operator hides its inside from the
compiler. It calls the same kernel that `scaled_dot_product_attention` calls on a CPU.
"""

from __future__ import annotations

import torch

from .segments import segments

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _heads_first(t: torch.Tensor, start: int, end: int, group: int = 1) -> torch.Tensor:
    """A segment as [1, heads, length, width], with each head of keys repeated for its group of queries."""
    return t[start:end].transpose(0, 1).repeat_interleave(group, dim=0)[None]


def _tokens_first(t: torch.Tensor, group: int = 1) -> torch.Tensor:
    """The reverse of `_heads_first` for a gradient: what a repeated head was used for is summed."""
    heads, length, width = t.shape[1:]
    return t[0].reshape(heads // group, group, length, width).sum(1).transpose(0, 1)


@torch.library.custom_op("rehearsal::segment_attention", mutates_args=())
def segment_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: torch.Tensor, longest: int, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention over [tokens, heads, width], and the logarithm of each query's sum as [heads, tokens]."""
    group = q.shape[1] // k.shape[1]
    outputs, sums = [], []
    for start, end in segments(bounds, q.shape[0], longest):
        inputs = (_heads_first(q, start, end), _heads_first(k, start, end, group), _heads_first(v, start, end, group))
        output, total = _forward(*inputs, 0.0, causal)
        outputs.append(output[0].transpose(0, 1))
        sums.append(total[0])
    return torch.cat(outputs), torch.cat(sums, dim=1)


@segment_attention.register_fake
def _(q, k, v, bounds, longest, causal):  # type: ignore[no-untyped-def]
    return q.new_empty(q.shape), q.new_empty((q.shape[1], q.shape[0]), dtype=torch.float32)


@torch.library.custom_op("rehearsal::segment_attention_backward", mutates_args=())
def segment_attention_backward(
    gradient: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    output: torch.Tensor,
    sums: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    causal: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of q, k and v."""
    group = q.shape[1] // k.shape[1]
    parts = []
    for start, end in segments(bounds, q.shape[0], longest):
        inputs = (_heads_first(q, start, end), _heads_first(k, start, end, group), _heads_first(v, start, end, group))
        gradients = _backward(
            _heads_first(gradient, start, end),
            *inputs,
            _heads_first(output, start, end),
            sums[None, :, start:end].contiguous(),
            0.0,
            causal,
        )
        parts.append([_tokens_first(t, g) for t, g in zip(gradients, (1, group, group), strict=True)])
    dq, dk, dv = (torch.cat(part) for part in zip(*parts, strict=True))
    return dq, dk, dv


@segment_attention_backward.register_fake
def _(gradient, q, k, v, output, sums, bounds, longest, causal):  # type: ignore[no-untyped-def]
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]
    q, k, v, bounds, longest, causal = inputs
    ctx.save_for_backward(q, k, v, bounds, *output)
    ctx.longest, ctx.causal = longest, causal


def _differentiate(ctx, gradient, gradient_of_sums):  # type: ignore[no-untyped-def]
    q, k, v, bounds, output, sums = ctx.saved_tensors
    found = segment_attention_backward(gradient, q, k, v, output, sums, bounds, ctx.longest, ctx.causal)
    return *found, None, None, None


segment_attention.register_autograd(_differentiate, setup_context=_keep)
