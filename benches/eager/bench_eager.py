"""Eager PyTorch's side of the benchmark: the same model, optimizer and test-time training as caddie's engine.

    python bench_eager.py --data DIR --recipe FILE --what train --steps 20
    python bench_eager.py --data DIR --recipe FILE --what ttt --docs 64 --projection window
    python bench_eager.py --data DIR --recipe FILE --what ttt --docs 64 --projection chunk --model checkpoint.safetensors

Prints one JSON object. FILE is a resolved recipe, as TOML or JSON, or the log.txt of a run, which starts with one.
`--projection window` sends the whole window through the vocabulary projection, as upstream does; `chunk` gathers the
scored positions first, as caddie does. The scores are the same.
"""

import argparse
import contextlib
import functools
import json
import re
import resource
import tomllib
from pathlib import Path

import torch

import data
import training
import ttt
from model import Baseline, load_safetensors



def read_recipe(path: Path) -> dict:
    """A resolved recipe with each section's keys in one table: what has sections of its own here belongs to NaiveBaseline."""
    text = path.read_text()
    if path.suffix == ".json":
        recipe = json.loads(text)
    else:
        recipe = tomllib.loads(text.split("=" * 100, 1)[0])
    missing = [name for name in ("model", "optim", "train", "eval") if name not in recipe]
    if missing:
        raise SystemExit(f"bench_eager: {path} has no {missing[0]} section; give a resolved recipe or a run's log.txt")
    m = recipe["model"]
    layers = re.fullmatch(r"(\w)\*(\d+)", m["layout"])
    block = m["block"].get(layers[1], {}) if layers else {}
    parts = {"embedding", "head", "unet", "block", "vocab_size", "model_dim", "layout"}
    extra = [name for name in m if name not in parts] + [name for name in block if name not in ("gqa", "mlp", "ln_scale")]
    if not layers or extra or block.get("ln_scale") or m["unet"]["skip_gates"] or block["gqa"]["xsa"]:
        raise SystemExit(f"bench_eager: only NaiveBaseline is written here; {path} has {extra or 'other blocks'}")
    model = m | m["embedding"] | m["head"] | block["gqa"] | block["mlp"] | {"num_layers": int(layers[2])}
    optim = recipe["optim"] | recipe["optim"]["muon"] | recipe["optim"]["adam"]
    return recipe | {"model": model, "optim": optim, "eval": recipe["eval"] | recipe["eval"].get("ttt", {})}


def peak_memory_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of fineweb_train_*.bin and fineweb_val_*.bin")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--what", choices=("train", "ttt"), required=True)
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps that are timed")
    parser.add_argument("--docs", type=int, default=0, help="first documents of the validation stream; 0: all")
    parser.add_argument("--projection", choices=("window", "chunk"), default="window")
    parser.add_argument("--model", help="safetensors checkpoint; without it the initial weights are used")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1337)
    args = parser.parse_args()
    if args.steps < 1 or args.docs < 0 or args.threads < 1:
        parser.error("--steps and --threads must be at least 1, --docs at least 0")

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    recipe = read_recipe(args.recipe)
    model = Baseline(recipe["model"])
    if args.model:
        model.load_state_dict(load_safetensors(args.model))
    model.to(device)
    autocast = contextlib.nullcontext
    if device.type == "cuda":
        # As upstream: matrices f32, cast for each product; the embedding is held in bf16.
        model.tok_emb.to(torch.bfloat16)
        autocast = functools.partial(torch.autocast, "cuda", dtype=torch.bfloat16)

    started_mib = peak_memory_mib(device)
    if args.what == "train":
        stream = data.TrainStream(data.tokens(args.data, "fineweb_train_*.bin"))
        result = training.bench(model, stream, recipe, args.steps, device, autocast)
    else:
        documents = data.documents(data.tokens(args.data, "fineweb_val_*.bin"))
        result = ttt.bench(model, documents[: args.docs or None], recipe, args.projection, device, autocast)
    print(json.dumps({
        "what": args.what,
        **result,
        "parameters": sum(p.numel() for p in model.parameters()),
        "peak_memory_mib": round(peak_memory_mib(device), 1),
        "memory_before_mib": round(started_mib, 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": args.threads,
        "torch": torch.__version__,
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
