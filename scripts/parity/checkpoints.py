"""Converts checkpoints between the contest scripts and safetensors, in both directions.

    python scripts/parity/checkpoints.py to-safetensors final_model.pt model.safetensors
    python scripts/parity/checkpoints.py to-torch model.safetensors final_model.pt [--banked]
    python scripts/parity/checkpoints.py prove UPSTREAM REFERENCE

Some scripts keep the matrices of all layers in a few banks, so that an optimizer handles them at once. In safetensors
every layer has its own matrices, under the names that those scripts use when they export a model; all weights are
f32, which holds every bfloat16 exactly. `prove` converts the checkpoint of a reference there and back, loads it strictly into
the script's own model and compares weights and a loss bit for bit.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

BANKS = {
    "qo_bank": ("attn.c_q.weight", "attn.proj.weight"),
    "kv_bank": ("attn.c_k.weight", "attn.c_v.weight"),
    "mlp_up_bank": ("mlp.fc.weight",),
    "mlp_down_bank": ("mlp.proj.weight",),
}
"""What each bank holds: for every part in turn, the matrices of all layers."""

_LAYER = re.compile(r"blocks\.(\d+)\.(.+)")

State = dict[str, torch.Tensor]


def unbank(state: State) -> State:
    """One matrix per layer and name. A state without banks stays as it is."""
    result: State = {}
    for name, tensor in state.items():
        if name not in BANKS:
            result[name] = tensor
            continue
        for part, layers in zip(BANKS[name], tensor.chunk(len(BANKS[name])), strict=True):
            result |= {f"blocks.{layer}.{part}": matrix for layer, matrix in enumerate(layers)}
    return result


def bank(state: State) -> State:
    """The reverse of `unbank`, for a state of a script that has banks."""
    home = {part: name for name, parts in BANKS.items() for part in parts}
    result: State = {}
    layers: dict[str, dict[int, torch.Tensor]] = {part: {} for part in home}
    for name, tensor in state.items():
        found = _LAYER.fullmatch(name)
        if found and found[2] in home:
            layers[found[2]][int(found[1])] = tensor
        else:
            result[name] = tensor
    for name, parts in BANKS.items():
        matrices = []
        for part in parts:
            numbers = sorted(layers[part])
            if not numbers or numbers != list(range(len(numbers))):
                raise SystemExit(f"blocks.*.{part} has layers {numbers}, but a bank needs all of them")
            matrices += [layers[part][number] for number in numbers]
        result[name] = torch.stack(matrices)
    return result


def to_safetensors(source: Path, target: Path) -> None:
    """Converts what a script wrote by `torch.save`."""
    state = torch.load(source, map_location="cpu", weights_only=True)
    save_file({name: t.float().contiguous().clone() for name, t in unbank(state).items()}, target)


def to_torch(source: Path, target: Path, banked: bool) -> None:
    """Converts to what a script reads by `torch.load`."""
    state = load_file(source)
    torch.save(bank(state) if banked else state, target)


def _model(script: Any) -> torch.nn.Module:
    """The script's own model with the script's own settings: from one object, or from values by name."""
    names = list(inspect.signature(script.GPT.__init__).parameters)[1:]
    settings = script.Hyperparameters()
    return script.GPT(settings) if names == ["h"] else script.GPT(**{name: getattr(settings, name) for name in names})


def _loss(model: torch.nn.Module, batch: State, sequence: int) -> torch.Tensor:
    """The loss of the first recorded micro-step."""
    x, y = batch["x.0.0"], batch["y.0.0"]
    model.eval()
    with torch.no_grad():
        if "cu.0.0" in batch:
            return model(x[None], y[None], cu_seqlens=batch["cu.0.0"], max_seqlen=sequence)
        return model(x, y)


def prove(upstream: Path, reference: Path) -> bool:
    """Converts the checkpoint of a reference there and back. True when nothing changed on the way."""
    root = Path(__file__).resolve().parent.parent.parent
    sys.path.insert(0, str(root))
    from rehearsal import runner
    from rehearsal.emulation import emulate

    settings = json.loads((reference / "settings.json").read_text(encoding="utf-8"))
    checkpoint = reference / "final_model.pt"
    banked = any(name in BANKS for name in torch.load(checkpoint, weights_only=True))
    batch = load_file(reference / "batches.safetensors")
    recorded = load_file(reference / ("ema.safetensors" if banked else "trained.safetensors"))
    with tempfile.TemporaryDirectory() as folder:
        plain, again = Path(folder) / "model.safetensors", Path(folder) / "model.pt"
        to_safetensors(checkpoint, plain)
        to_torch(plain, again, banked)
        converted = load_file(plain)
        states = [torch.load(path, weights_only=True) for path in (checkpoint, again)]

    os.environ.update(settings["environment"])
    script, _ = runner.load((upstream / settings["script"]).resolve(), emulate(), name="upstream")
    losses = []
    for state in states:
        model = _model(script)
        model.load_state_dict(state, strict=True)
        losses.append(_loss(model, batch, int(settings["environment"]["TRAIN_SEQ_LEN"])))

    def same(one: State, other: State) -> bool:
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    checks = {
        "the checkpoint in safetensors equals the recorded weights": same(converted, recorded),
        "there and back, the checkpoint is the same": same(*states),
        f"the script's model loads both strictly and gives one loss ({losses[0].item():.6f})": torch.equal(*losses),
    }
    if banked:
        checks["the names are those of the script's own export"] = same(
            converted, script._unbank_state_dict(states[0], script.Hyperparameters.num_layers)
        )
    for text, good in checks.items():
        print("ok  " if good else "FAIL", text)
    return all(checks.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("to-safetensors", "to-torch"):
        command = commands.add_parser(name)
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
        if name == "to-torch":
            command.add_argument("--banked", action="store_true", help="for a script that keeps its matrices in banks")
    command = commands.add_parser("prove")
    command.add_argument("upstream", type=Path)
    command.add_argument("reference", type=Path)
    options = parser.parse_args()
    if options.command == "to-safetensors":
        to_safetensors(options.source, options.target)
    elif options.command == "to-torch":
        to_torch(options.source, options.target, options.banked)
    else:
        sys.exit(not prove(options.upstream, options.reference))


if __name__ == "__main__":
    main()
