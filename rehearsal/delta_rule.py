"""Stands in for `fla`: the gated delta rule and its short convolution in plain PyTorch.

The rule writes into a state what the state does not say yet: S(t) = a·S(t−1) + k·uᵀ with u = b·(v − a·S(t−1)ᵀk), and answers
S(t)ᵀq. The u of all times follow from one triangular system, because each depends only on those before it.
"""

from __future__ import annotations

import types
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .ledger import note
from .views import stub


def chunk_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The rule over q and k [batch, length, heads, n] and v [batch, length, heads, p]; g is the logarithm of the decay."""
    note("fla: gated delta rule -> PyTorch")
    if options.get("cu_seqlens") is not None:
        raise NotImplementedError("the gated delta rule over segments")
    queries, keys, values = (t.transpose(1, 2).float() for t in (q, k, v))
    if use_qk_l2norm_in_kernel:
        queries, keys = (F.normalize(t, dim=-1, eps=1e-6) for t in (queries, keys))
    total = g.transpose(1, 2).float().cumsum(-1)
    strength = beta.transpose(1, 2).float()[..., None]
    length = total.shape[-1]
    seen = torch.ones(length, length, dtype=torch.bool, device=q.device).tril()
    decay = (total[..., :, None] - total[..., None, :]).masked_fill(~seen, -torch.inf).exp()

    wanted = strength * values
    answered = torch.zeros_like(values)
    if initial_state is not None:
        kept = total.exp()[..., None]
        wanted = wanted - strength * kept * (keys @ initial_state.float())
        answered = kept * (queries @ initial_state.float())
    system = (strength * (keys @ keys.transpose(-1, -2)) * decay).tril(-1)
    written = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
    out = answered + (queries @ keys.transpose(-1, -2) * decay) @ written
    out = out * (keys.shape[-1] ** -0.5 if scale is None else scale)
    if not output_final_state:
        return out.transpose(1, 2).to(v.dtype), None
    state = (decay[..., -1, :, None] * keys).transpose(-1, -2) @ written
    if initial_state is not None:
        state = state + total[..., -1].exp()[..., None, None] * initial_state.float()
    return out.transpose(1, 2).to(v.dtype), state


def causal_conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None, **options: Any
) -> tuple[Tensor, None]:
    """A convolution of each channel of x [batch, length, channels] with what came before; weight is [channels, width]."""
    note("fla: causal_conv1d -> PyTorch")
    channels, width = weight.shape
    padded = F.pad(x.transpose(1, 2), (width - 1, 0))
    out = F.conv1d(padded, weight[:, None].to(x.dtype), bias, groups=channels).transpose(1, 2)
    return (F.silu(out) if activation in ("silu", "swish") else out), None


def packages() -> list[types.ModuleType]:
    """What the script finds as `fla` and its parts."""
    rule = stub(
        "fla.ops.gated_delta_rule",
        chunk_gated_delta_rule=chunk_gated_delta_rule,
        fused_recurrent_gated_delta_rule=chunk_gated_delta_rule,
    )
    ops = stub("fla.ops", gated_delta_rule=rule)
    convolution = stub("fla.modules.convolution", causal_conv1d=causal_conv1d)
    modules = stub("fla.modules", convolution=convolution)
    return [stub("fla", ops=ops, modules=modules), ops, rule, modules, convolution]
