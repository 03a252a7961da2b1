"""Checks a reference: that its numbers agree with each other, and that a second run gave the same ones.

    python scripts/parity/verify.py REFERENCE [SECOND]
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from pathlib import Path
from typing import Any, Iterator

import numpy as np
from safetensors.numpy import load_file

TIMED = {"log.txt", "output.txt"}
"""Files that tell the time and so differ between runs."""


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def consistency(folder: Path) -> Iterator[tuple[str, bool]]:
    """Every check of one reference, with its outcome."""
    settings = read(folder / "settings.json")["environment"]
    losses = [step["loss"] for step in read(folder / "steps.json")]
    yield "as many steps as were asked for", len(losses) == int(settings["ITERATIONS"])
    yield "every loss is finite", all(map(math.isfinite, losses))
    yield f"the loss falls ({losses[0]:.4f} to {losses[-1]:.4f})", losses[-1] < losses[0]

    log = (folder / "log.txt").read_text(encoding="utf-8")
    printed = re.findall(r"(?m)^(?:step:)?\d+/\d+ train_loss: ?(\d+\.\d+)", log)
    yield "the script's log has these losses", printed == [f"{loss:.4f}" for loss in losses]

    initial, trained = (load_file(folder / f"{name}.safetensors") for name in ("initial", "trained"))
    shapes = {name: tensor.shape for name, tensor in initial.items()}
    yield "weights keep names and shapes", shapes == {name: tensor.shape for name, tensor in trained.items()}
    yield "weights are f32", {tensor.dtype for tensor in initial.values()} == {np.dtype("float32")}
    # The first weights of the output projections are zero and some tensors have no use without loops.
    moved = sum(not np.array_equal(initial[name], trained[name]) for name in initial)
    yield f"{moved} of {len(initial)} tensors moved", moved > len(initial) // 2

    batches = load_file(folder / "batches.safetensors")
    flat = {name: tensor.reshape(-1) for name, tensor in batches.items()}
    follows = all(np.array_equal(flat[n][1:], flat["y" + n[1:]][:-1]) for n in flat if n.startswith("x."))
    yield "targets are inputs, one on", follows

    quantized = load_file(folder / "quantized.safetensors")
    codes = {name.removesuffix(".q") for name in quantized if name.endswith(".q")}
    matrices = {name for name, tensor in initial.items() if tensor.ndim == 2 and name.endswith(".weight")}
    yield f"all {len(matrices)} matrices are quantized, and nothing else", codes == matrices

    if (folder / "documents.json").exists():
        yield from adaptation(folder)


def adaptation(folder: Path) -> Iterator[tuple[str, bool]]:
    """The checks of test-time training."""
    documents, scores = read(folder / "documents.json"), read(folder / "scores.json")["ttt"]
    tokens, nats, size = (sum(document[key] for document in documents) for key in ("tokens", "nats", "bytes"))
    loss = nats / tokens
    yield f"documents add up to the script's loss (off by {abs(loss - scores['val_loss']):.1e})", math.isclose(
        loss, scores["val_loss"], rel_tol=0, abs_tol=1e-9
    )
    bits = loss / math.log(2) * tokens / size
    yield f"and to its bits per byte (off by {abs(bits - scores['val_bpb']):.1e})", math.isclose(
        bits, scores["val_bpb"], rel_tol=0, abs_tol=1e-9
    )
    ends = [document["start"] + document["tokens"] for document in documents]
    yield "documents follow each other without a gap", ends[:-1] == [d["start"] for d in documents[1:]]
    adapters = load_file(folder / "adapters.safetensors")
    per_document = {sum(name.startswith(f"doc{d['doc']}.") for name in adapters) for d in documents}
    yield "every document has the same adapters", len(per_document) == 1 and 0 not in per_document


def repetition(first: Path, second: Path) -> Iterator[tuple[str, bool]]:
    """Whether both folders hold the same files, byte for byte; of scores.json, all but the timing."""
    names = [
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} for folder in (first, second)
    ]
    yield "both runs wrote the same files", names[0] == names[1]
    for name in sorted(names[0] & names[1] - TIMED):
        one, other = (folder / name for folder in (first, second))
        if name == "scores.json":
            values = [{key: value for key, value in read(path).items() if key != "timing"} for path in (one, other)]
            yield f"{name} repeats, but for its timing", values[0] == values[1]
        else:
            yield f"{name} repeats to the last bit", one.read_bytes() == other.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("second", type=Path, nargs="?")
    options = parser.parse_args()
    checks = list(consistency(options.reference))
    if options.second:
        checks += repetition(options.reference, options.second)
    for text, good in checks:
        print("ok  " if good else "FAIL", text)
    sys.exit(not all(good for _, good in checks))


if __name__ == "__main__":
    main()
