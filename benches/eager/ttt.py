"""Document-independent, score-first LoRA test-time training in eager PyTorch (docs/spec/algorithms.md#test-time-training)."""

import math
import time

import numpy
import torch
from torch import Tensor, nn

from model import Baseline
from training import synchronize


def adapters(model: Baseline, docs: list[int], rank: int, seed: int, device: torch.device) -> tuple[dict, list[Tensor]]:
    """Fresh adapters for a batch: A [B, r, in] drawn for each document by its own seed, B [B, out, r] zero."""
    generators = [torch.Generator().manual_seed(seed * 1_000_003 + doc) for doc in docs]
    params = []

    def pair(width_in: int, width_out: int) -> tuple[Tensor, Tensor]:
        bound = 1 / math.sqrt(width_in)
        draws = [torch.rand(rank, width_in, generator=g).mul_(2 * bound).sub_(bound) for g in generators]
        a = nn.Parameter(torch.stack(draws).to(device))
        b = nn.Parameter(torch.zeros(len(docs), width_out, rank, device=device))
        params.extend((a, b))
        return a, b

    vocab, dim = model.tok_emb.weight.shape
    blocks = []
    for block in model.blocks:
        kv = block.attn.c_k.weight.size(0)
        blocks.append({"q": pair(dim, dim), "k": pair(dim, kv), "v": pair(dim, kv), "o": pair(dim, dim), "mlp": pair(dim, dim)})
    return {"blocks": blocks, "lm_head": pair(dim, vocab)}, params


def window(documents: list[numpy.ndarray], chunk_index: int, chunk: int, context: int) -> tuple:
    """Inputs and targets [B, W] right-padded with 0, and for each row the scored offset and length (0: no such chunk)."""
    start = chunk * chunk_index
    width = min(start + chunk, context)
    x = torch.zeros(len(documents), width, dtype=torch.int64)
    y, offsets, lengths = torch.zeros_like(x), [], []
    for row, ids in enumerate(documents):
        targets = ids.size - 1
        end = min(start + chunk, targets)
        if end <= start:
            offsets.append(0)
            lengths.append(0)
            continue
        first = max(0, end - context)
        x[row, : end - first] = torch.from_numpy(ids[first:end])
        y[row, : end - first] = torch.from_numpy(ids[first + 1 : end + 1])
        offsets.append(start - first)
        lengths.append(end - start)
    return x, y, torch.tensor(offsets), torch.tensor(lengths)


def score_batch(model: Baseline, batch: list[tuple[int, numpy.ndarray]], e: dict, projection: str, device, autocast) -> Tensor:
    """Nats of each document of the batch, f64 [B]: every chunk is scored before it is learnt from."""
    docs = [ids for _, ids in batch]
    chunk = e["ttt_chunk_size"]
    lora, params = adapters(model, [doc for doc, _ in batch], e["ttt_lora_rank"], e["ttt_seed"], device)
    optimizer = torch.optim.AdamW(
        params, lr=e["ttt_lora_lr"], betas=(e["ttt_beta1"], e["ttt_beta2"]), eps=e["ttt_eps"],
        weight_decay=e["ttt_weight_decay"], fused=True,
    )  # fmt: skip
    chunks = torch.tensor([math.ceil((ids.size - 1) / chunk) for ids in docs])
    nats = torch.zeros(len(docs), dtype=torch.float64, device=device)
    for c in range(int(chunks.max())):
        x, y, offsets, lengths = (t.to(device) for t in window(docs, c, chunk, e["ttt_eval_seq_len"]))
        trains = (chunks > c + 1).to(device)
        learn = bool((chunks > c + 1).any())
        for pass_index in range(e["ttt_grad_steps"] if learn else 1):
            with torch.set_grad_enabled(learn), autocast():
                hidden = model.hidden(x, lora)
                at = (offsets[:, None] + torch.arange(chunk, device=device)).clamp_(max=x.size(1) - 1)
                if projection == "chunk":
                    hidden = hidden.gather(1, at[:, :, None].expand(-1, -1, hidden.size(2)))
                    nll = model.nll(hidden, y.gather(1, at), lora)
                else:
                    nll = model.nll(hidden, y, lora).gather(1, at)
            if pass_index == 0:
                scored = torch.arange(chunk, device=device) < lengths[:, None]
                nats += (nll.detach().double() * scored).sum(1)
            if learn:
                optimizer.zero_grad(set_to_none=True)
                (nll.mean(1) * trains).sum().backward()
                optimizer.step()
    return nats


def bench(model: Baseline, documents: list[numpy.ndarray], recipe: dict, projection: str, device, autocast) -> dict:
    """Scores the documents in batches of similar length, longest first."""
    e = recipe["eval"]
    model.requires_grad_(False)
    order = sorted(enumerate(documents), key=lambda pair: pair[1].size)
    size = e["ttt_batch_size"]
    batches = [order[i : i + size] for i in range(0, len(order), size)][::-1]
    # Two short synthetic documents, so that the clock does not see the first call's set-up.
    synthetic = numpy.arange(2, 2 + e["ttt_chunk_size"] + 8, dtype=numpy.int64) % model.tok_emb.weight.size(0)
    score_batch(model, [(0, synthetic), (1, synthetic)], e, projection, device, autocast)
    synchronize(device)
    start = time.perf_counter()
    nats = sum(score_batch(model, batch, e, projection, device, autocast).sum().item() for batch in batches)
    synchronize(device)
    seconds = time.perf_counter() - start
    targets = sum(ids.size - 1 for ids in documents)
    return {
        "projection": projection,
        "documents": len(documents),
        "tokens": targets,
        "seconds": seconds,
        "documents_per_second": len(documents) / seconds,
        "tokens_per_second": targets / seconds,
        "val_loss": nats / targets,
    }
