"""The baseline's optimizer step in eager PyTorch: Muon for matrices, Adam for the rest (docs/spec/algorithms.md#training)."""

import statistics
import time

import torch
from torch import Tensor

from data import TrainStream
from model import CONTROL, Baseline

WARMUP = 2


def newton_schulz(g: Tensor, steps: int) -> Tensor:
    """The orthogonal factor of g, roughly; bf16 on CUDA as upstream, f32 on CPU."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16() if g.is_cuda else g
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(g.dtype)


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr: float, ns_steps: int):
        super().__init__(params, {"lr": lr, "momentum": 0.0, "ns_steps": ns_steps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"]
                momentum.mul_(group["momentum"]).add_(p.grad)
                update = newton_schulz(p.grad.add(momentum, alpha=group["momentum"]), group["ns_steps"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.size(0) / p.size(1)) ** 0.5)


def optimizers(model: Baseline, o: dict) -> tuple[Muon, list[torch.optim.Optimizer]]:
    matrices, scalars = [], []
    for name, p in model.named_parameters():
        if name != "tok_emb.weight":
            (scalars if p.ndim < 2 or any(part in name for part in CONTROL) else matrices).append(p)
    muon = Muon(matrices, o["matrix_lr"], o["muon_backend_steps"])
    adam = {"betas": (o["beta1"], o["beta2"]), "eps": o["adam_eps"], "fused": True}
    embedding = torch.optim.Adam([model.tok_emb.weight], lr=o["tied_embed_lr"], **adam)
    return muon, [muon, embedding, torch.optim.Adam(scalars, lr=o["scalar_lr"], **adam)]


def bench(model: Baseline, stream: TrainStream, recipe: dict, steps: int, device: torch.device, autocast) -> dict:
    """Times `steps` optimizer steps after a warm-up, at the constant learning rate."""
    t, o = recipe["train"], recipe["optim"]
    micro = t["train_batch_tokens"] // t["grad_accum_steps"]
    muon, all_optimizers = optimizers(model, o)
    seconds, losses = [], []
    for step in range(WARMUP + steps):
        synchronize(device)
        start = time.perf_counter()
        warm = min(step / max(o["muon_momentum_warmup_steps"], 1), 1.0)
        for group in muon.param_groups:
            group["momentum"] = (1 - warm) * o["muon_momentum_warmup_start"] + warm * o["muon_momentum"]
        total = torch.zeros((), device=device)
        for _ in range(t["grad_accum_steps"]):
            x, y = stream.take(micro, t["train_seq_len"], device)
            with autocast():
                loss = model.nll(model.hidden(x), y).mean()
            (loss / t["grad_accum_steps"]).backward()
            total += loss.detach() / t["grad_accum_steps"]
        if o["grad_clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), o["grad_clip_norm"])
        for optimizer in all_optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(total.item())
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[WARMUP:])
    return {
        "steps": steps,
        "warmup_steps": WARMUP,
        "step_seconds_median": median,
        "train_tokens_per_second": t["train_batch_tokens"] / median,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
