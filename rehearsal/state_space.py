"""Stands in for `mamba_ssm`: the state-space models Mamba-2 and Mamba-3 (one input, one output) in plain PyTorch.

A state space reads a sequence into a state that decays: h(t) = a(t)·h(t−1) + w(t)·v(t)k(t)ᵀ, and answers y(t) = h(t)q(t). Over
a whole sequence that is attention without a softmax, whose score of t on s is q(t)·k(s) times the decay between them. It
takes memory by the square of the length, which does at toy size. The names and shapes of the parameters are those of
the package, because scripts initialize, quantize and split them by name.
"""

from __future__ import annotations

import math
import types
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ledger import note
from .views import stub


def _decays(log_decay: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the logarithms up to each time, and the decay from each time s to each time t, as [..., t, s]."""
    total = log_decay.cumsum(-1)
    between = total[..., :, None] - total[..., None, :]
    later = torch.ones(between.shape[-2:], dtype=torch.bool, device=between.device).tril()
    return total, between.masked_fill(~later, -torch.inf).exp()


def _by_head(grouped: Tensor, heads: int) -> Tensor:
    """[batch, length, groups, n] as [batch, heads, length, n]: the heads of a group share it."""
    return grouped.repeat_interleave(heads // grouped.shape[2], dim=2).transpose(1, 2).float()


class GatedNorm(nn.Module):
    """The root-mean-square norm of groups of channels, times a gate where one is given."""

    def __init__(self, size: int, eps: float = 1e-5, norm_before_gate: bool = True, group_size: int | None = None) -> None:
        super().__init__()
        self.eps, self.norm_before_gate, self.group_size = eps, norm_before_gate, group_size or size
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        if z is not None and not self.norm_before_gate:
            x = x * F.silu(z)
        groups = x.float().reshape(*x.shape[:-1], -1, self.group_size)
        normed = groups * torch.rsqrt(groups.square().mean(-1, keepdim=True) + self.eps)
        out = normed.reshape(x.shape) * self.weight
        if z is not None and self.norm_before_gate:
            out = out * F.silu(z)
        return out.to(x.dtype)


def _time_bias(heads: int, smallest: float, largest: float, floor: float) -> nn.Parameter:
    """Biases whose softplus is spread evenly between two time steps on a logarithmic scale."""
    step = torch.exp(torch.empty(heads).uniform_(math.log(smallest), math.log(largest))).clamp(min=floor)
    bias = nn.Parameter(torch.log(torch.expm1(step)))
    bias._no_weight_decay = True  # type: ignore[attr-defined]
    return bias


def mamba2_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Mamba-2 over x [batch, length, heads, p], steps dt [batch, length, heads], and B and C [batch, length, groups, n]."""
    note("mamba_ssm: Mamba-2 -> PyTorch")
    heads = x.shape[2]
    steps = dt.transpose(1, 2).float()
    _, decay = _decays(steps * A.float()[:, None])
    scores = _by_head(C, heads) @ _by_head(B, heads).transpose(-1, -2)
    values = x.transpose(1, 2).float()
    y = (scores * decay * steps[..., None, :]) @ values + D.float()[:, None, None] * values
    return y.transpose(1, 2).to(x.dtype)


class Mamba2(nn.Module):
    """The block of Mamba-2: a projection, a short convolution, the state space, a gated norm and a projection."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        d_conv: int = 4,
        conv_init: float | None = None,
        expand: int = 2,
        headdim: int = 64,
        ngroups: int = 1,
        A_init_range: tuple[float, float] = (1, 16),
        rmsnorm: bool = True,
        norm_before_gate: bool = False,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        bias: bool = False,
        conv_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self.headdim, self.ngroups, self.rmsnorm = headdim, ngroups, rmsnorm
        self.d_inner = self.d_ssm = int(expand * d_model)
        if self.d_inner % headdim:
            raise ValueError(f"{self.d_inner} channels cannot be split into heads of {headdim}")
        self.nheads = self.d_inner // headdim
        mixed = self.d_inner + 2 * ngroups * d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + mixed + self.nheads, bias=bias)
        self.conv1d = nn.Conv1d(mixed, mixed, d_conv, groups=mixed, padding=d_conv - 1, bias=conv_bias)
        if conv_init is not None:
            nn.init.uniform_(self.conv1d.weight, -conv_init, conv_init)
        self.dt_bias = _time_bias(self.nheads, dt_min, dt_max, dt_init_floor)
        self.A_log = nn.Parameter(torch.empty(self.nheads).uniform_(*A_init_range).log())
        self.D = nn.Parameter(torch.ones(self.nheads))
        for parameter in (self.A_log, self.D):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]
        if rmsnorm:
            self.norm = GatedNorm(self.d_inner, norm_before_gate=norm_before_gate, group_size=self.d_inner // ngroups)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)

    def forward(self, u: Tensor, **options: Any) -> Tensor:
        batch, length, _ = u.shape
        narrow = self.ngroups * self.d_state
        z, mixed, dt = self.in_proj(u).split([self.d_inner, self.d_inner + 2 * narrow, self.nheads], dim=-1)
        mixed = F.silu(self.conv1d(mixed.transpose(1, 2))[..., :length].transpose(1, 2))
        x, B, C = mixed.split([self.d_inner, narrow, narrow], dim=-1)
        grouped = (batch, length, self.ngroups, self.d_state)
        y = mamba2_scan(
            x.reshape(batch, length, self.nheads, self.headdim),
            F.softplus(dt + self.dt_bias),
            -torch.exp(self.A_log.float()),
            B.reshape(grouped),
            C.reshape(grouped),
            self.D,
        ).reshape(batch, length, self.d_inner)
        y = self.norm(y, z) if self.rmsnorm else y * F.silu(z)
        return self.out_proj(y.to(u.dtype))


def _rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Turns neighboring pairs of the first channels; channels for which there is no angle stay."""
    turned = 2 * angles.shape[-1]
    even, odd = x[..., 0:turned:2], x[..., 1:turned:2]
    cosine, sine = angles.cos(), angles.sin()
    pairs = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2)
    return torch.cat((pairs, x[..., turned:]), dim=-1)


def mamba3_siso_combined(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    ADT: Tensor,
    DT: Tensor,
    Trap: Tensor,
    Q_bias: Tensor,
    K_bias: Tensor,
    Angles: Tensor,
    D: Tensor | None = None,
    Z: Tensor | None = None,
    chunk_size: int = 64,
    Input_States: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
    return_final_states: bool = False,
    **options: Any,
) -> Any:
    """Mamba-3 with one input and one output.

    Q and K are [batch, length, groups, n], V and Z [batch, length, heads, p], the angles [batch, length, heads, r]; decays,
    steps and the weights of the trapezoid [batch, heads, length]. The trapezoidal rule gives each value its weight
    λ·dt when it comes, and (1 − λ)·dt of the step after as soon as that begins.
    """
    if any(value is not None and value is not False for value in options.values()):
        raise NotImplementedError(f"mamba3_siso_combined with {' '.join(sorted(options))}")
    note("mamba_ssm: Mamba-3 -> PyTorch")
    heads = V.shape[2]
    steps, share = DT.float(), torch.sigmoid(Trap.float())
    turns = (torch.tanh(Angles.float()) * math.pi).transpose(1, 2) * steps[..., None]
    angles = turns.cumsum(2)
    if Input_States is not None:
        angles = angles + Input_States[0].float()[:, :, None]
    queries = _rotated(_by_head(Q, heads) + Q_bias.float()[:, None], angles)
    keys = _rotated(_by_head(K, heads) + K_bias.float()[:, None], angles)
    values = V.transpose(1, 2).float()

    total, decay = _decays(ADT.float())
    at_once, after = share * steps, (1.0 - share) * steps
    following = F.pad(after[..., 1:], (0, 1))
    length = values.shape[2]
    later = torch.ones(length, length, device=values.device).tril(-1)
    weights = decay * (at_once[..., None, :] + following[..., None, :] * later)
    y = (queries @ keys.transpose(-1, -2) * weights) @ values
    state = ((weights[..., -1, :, None] * values).transpose(-1, -2)) @ keys
    if Input_States is not None:
        _, before, key, value = (part.float() for part in Input_States)
        before = before + after[..., :1, None] * value[..., :, None] * key[..., None, :]
        y = y + total.exp()[..., None] * (queries @ before.transpose(-1, -2))
        state = state + total[..., -1].exp()[..., None, None] * before
    if D is not None:
        y = y + D.float()[:, None, None] * values
    y = y.transpose(1, 2)
    if Z is not None:
        y = y * F.silu(Z.float())
    y = y.to(V.dtype)
    return (y, angles[:, :, -1], state, keys[:, :, -1], values[:, :, -1]) if return_final_states else y


class Mamba3(nn.Module):
    """The block of Mamba-3 with one input and one output: a projection, norms of keys and queries, the state space."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        expand: float = 2,
        headdim: int = 64,
        ngroups: int = 1,
        rope_fraction: float = 0.5,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        A_floor: float = 1e-4,
        is_outproj_norm: bool = False,
        is_mimo: bool = False,
        chunk_size: int = 64,
        **options: Any,
    ) -> None:
        super().__init__()
        if is_mimo:
            raise NotImplementedError("Mamba-3 with several inputs and outputs")
        self.d_model, self.d_state, self.expand, self.headdim = d_model, d_state, expand, headdim
        self.chunk_size, self.A_floor, self.is_outproj_norm = chunk_size, A_floor, is_outproj_norm
        self.is_mimo, self.mimo_rank, self.num_bc_heads = False, 1, ngroups
        self.d_inner = int(expand * d_model)
        self.nheads = self.d_inner // headdim
        self.num_rope_angles = int(d_state * rope_fraction) // 2
        narrow = 2 * d_state * ngroups
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner + narrow + 3 * self.nheads + self.num_rope_angles, bias=False)
        self.dt_bias = _time_bias(self.nheads, dt_min, dt_max, dt_init_floor)
        self.B_bias = nn.Parameter(torch.ones(self.nheads, 1, d_state))
        self.C_bias = nn.Parameter(torch.ones(self.nheads, 1, d_state))
        self.B_norm, self.C_norm = GatedNorm(d_state), GatedNorm(d_state)
        self.D = nn.Parameter(torch.ones(self.nheads))
        self.D._no_weight_decay = True  # type: ignore[attr-defined]
        if is_outproj_norm:
            self.norm = GatedNorm(self.d_inner, group_size=headdim)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, u: Tensor, **options: Any) -> Tensor:
        batch, length, _ = u.shape
        narrow, heads = self.d_state * self.num_bc_heads, self.nheads
        widths = [self.d_inner, self.d_inner, narrow, narrow, heads, heads, heads, self.num_rope_angles]
        z, x, B, C, dt, decay, trap, angles = self.in_proj(u).split(widths, dim=-1)
        by_head, grouped = (batch, length, heads, self.headdim), (batch, length, self.num_bc_heads, self.d_state)
        steps = F.softplus(dt + self.dt_bias)
        rate = (-F.softplus(decay.float())).clamp(max=-self.A_floor)
        y = mamba3_siso_combined(
            self.C_norm(C.reshape(grouped)),
            self.B_norm(B.reshape(grouped)),
            x.reshape(by_head),
            (rate * steps).transpose(1, 2),
            steps.transpose(1, 2),
            trap.transpose(1, 2),
            self.C_bias.squeeze(1),
            self.B_bias.squeeze(1),
            angles[:, :, None].expand(-1, -1, heads, -1),
            self.D,
            None if self.is_outproj_norm else z.reshape(by_head),
        ).reshape(batch, length, self.d_inner)
        if self.is_outproj_norm:
            y = self.norm(y, z)
        return self.out_proj(y.to(u.dtype))


def packages() -> list[types.ModuleType]:
    """What the script finds as `mamba_ssm` and its parts."""
    siso = stub("mamba_ssm.ops.triton.mamba3.mamba3_siso_combined", mamba3_siso_combined=mamba3_siso_combined)
    norm = stub("mamba_ssm.ops.triton.layernorm_gated", RMSNorm=GatedNorm)
    third = stub("mamba_ssm.ops.triton.mamba3", mamba3_siso_combined=siso)
    triton = stub("mamba_ssm.ops.triton", mamba3=third, layernorm_gated=norm)
    ops = stub("mamba_ssm.ops", triton=triton)
    two = stub("mamba_ssm.modules.mamba2", Mamba2=Mamba2)
    three = stub("mamba_ssm.modules.mamba3", Mamba3=Mamba3)
    modules = stub("mamba_ssm.modules", mamba2=two, mamba3=three)
    whole = stub("mamba_ssm", ops=ops, modules=modules, Mamba2=Mamba2, Mamba3=Mamba3, __version__="2")
    return [whole, ops, triton, third, siso, norm, modules, two, three]
