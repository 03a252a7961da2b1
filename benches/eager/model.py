"""NaiveBaseline in eager PyTorch, with optional low-rank adapters (docs/spec/algorithms.md#model, #adapters).

Parameter names and shapes are upstream's state dict, so caddie's checkpoints load as they are.
"""

import json
import math
import struct

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONTROL = ("attn_scale", "mlp_scale", "resid_mix", "q_gain", "skip_weight")


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),), eps=1.1920929e-7)


class Rotary:
    """Half-split rotation; the tables for a length are kept."""

    def __init__(self, head_dim: int, base: float):
        self.frequencies = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
        self.tables: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:  # [B, H, T, d]
        length = x.size(2)
        if self.tables is None or self.tables[0].size(0) < length or self.tables[0].device != x.device:
            angles = torch.outer(torch.arange(length, dtype=torch.float32), self.frequencies).to(x.device)
            self.tables = angles.cos(), angles.sin()
        cos, sin = (table[:length].to(x.dtype) for table in self.tables)
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, m: dict, rotary: Rotary):
        super().__init__()
        dim, self.heads, self.kv_heads = m["model_dim"], m["num_heads"], m["num_kv_heads"]
        kv_dim = dim // self.heads * self.kv_heads
        self.c_q = nn.Linear(dim, dim, bias=False)
        self.c_k = nn.Linear(dim, kv_dim, bias=False)
        self.c_v = nn.Linear(dim, kv_dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.proj.weight)
        self.q_gain = nn.Parameter(torch.full((self.heads,), float(m["qk_gain_init"])))
        self.rotary = rotary

    def forward(self, n: Tensor, lora: "dict | None") -> Tensor:
        batch, length, dim = n.shape
        q, k, v = self.c_q(n), self.c_k(n), self.c_v(n)
        if lora is not None:
            q, k, v = q + delta(n, lora["q"]), k + delta(n, lora["k"]), v + delta(n, lora["v"])
        q, k, v = (x.view(batch, length, -1, dim // self.heads).transpose(1, 2) for x in (q, k, v))
        q, k = self.rotary(rms_norm(q)), self.rotary(rms_norm(k))
        q = q * self.q_gain.to(q.dtype)[:, None, None]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        out = self.proj(y.transpose(1, 2).reshape(batch, length, dim))
        # The adapter of the output projection reads the block's input, not the attention's output.
        return out if lora is None else out + delta(n, lora["o"])


class Mlp(nn.Module):
    def __init__(self, m: dict):
        super().__init__()
        hidden = int(m["model_dim"] * m["mlp_mult"])
        self.fc = nn.Linear(m["model_dim"], hidden, bias=False)
        self.proj = nn.Linear(hidden, m["model_dim"], bias=False)
        nn.init.zeros_(self.proj.weight)

    def forward(self, n: Tensor, lora: "dict | None") -> Tensor:
        out = self.proj(F.relu(self.fc(n)).square())
        return out if lora is None else out + delta(n, lora["mlp"])


class Block(nn.Module):
    def __init__(self, m: dict, rotary: Rotary):
        super().__init__()
        dim = m["model_dim"]
        self.attn, self.mlp = Attention(m, rotary), Mlp(m)
        self.attn_scale, self.mlp_scale = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.resid_mix = nn.Parameter(torch.stack((torch.ones(dim), torch.zeros(dim))))

    def forward(self, x: Tensor, x0: Tensor, lora: "dict | None") -> Tensor:
        mix = self.resid_mix.to(x.dtype)
        x = mix[0] * x + mix[1] * x0
        x = x + self.attn_scale.to(x.dtype) * self.attn(rms_norm(x), lora)
        return x + self.mlp_scale.to(x.dtype) * self.mlp(rms_norm(x), lora)


class Baseline(nn.Module):
    """Tied embeddings; the first half of the layers feeds the second half in reverse order."""

    def __init__(self, m: dict):
        super().__init__()
        if not m["tie_embeddings"]:
            raise SystemExit("bench_eager: only the tied baseline is written here; set model.tie_embeddings = true")
        self.softcap = m["logit_softcap"]
        self.tok_emb = nn.Embedding(m["vocab_size"], m["model_dim"])
        nn.init.normal_(self.tok_emb.weight, std=m["tied_embed_init_std"])
        rotary = Rotary(m["model_dim"] // m["num_heads"], m["rope_base"])
        self.blocks = nn.ModuleList(Block(m, rotary) for _ in range(m["num_layers"]))
        self.encoders = m["num_layers"] // 2
        self.skip_weights = nn.Parameter(torch.ones(self.encoders, m["model_dim"]))

    def hidden(self, ids: Tensor, lora: "dict | None" = None) -> Tensor:
        """Ids [B, T] to the normalized last hidden state [B, T, D]."""
        x = x0 = rms_norm(self.tok_emb(ids))
        skips = []
        for i, block in enumerate(self.blocks):
            if i >= self.encoders and skips:
                x = x + self.skip_weights[i - self.encoders].to(x.dtype) * skips.pop()
            x = block(x, x0, None if lora is None else lora["blocks"][i])
            if i < self.encoders:
                skips.append(x)
        return rms_norm(x)

    def nll(self, hidden: Tensor, targets: Tensor, lora: "dict | None" = None) -> Tensor:
        """Nats of each target, in the targets' shape; the softmax is f32."""
        logits = F.linear(hidden, self.tok_emb.weight.to(hidden.dtype))
        if lora is not None:
            logits = logits + delta(hidden, lora["lm_head"])
        logits = self.softcap * torch.tanh(logits / self.softcap)
        return F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none").view_as(targets)


def delta(x: Tensor, adapter: "tuple[Tensor, Tensor]") -> Tensor:
    """x [B, T, in] through A [B, r, in] and B [B, out, r]: one adapter a document."""
    a, b = adapter
    return torch.bmm(torch.bmm(x, a.to(x.dtype).transpose(1, 2)), b.to(x.dtype).transpose(1, 2))


def load_safetensors(path: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint, without a dependency for twelve lines of format."""
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    state = {}
    for name, info in header.items():
        start, end = info["data_offsets"]
        count = math.prod(info["shape"])
        flat = torch.frombuffer(data, dtype=kinds[info["dtype"]], count=count, offset=start) if end > start else torch.empty(0)
        state[name] = flat.view(info["shape"]).float()
    return state
