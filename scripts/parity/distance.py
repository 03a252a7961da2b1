"""Says how far two runs are apart, file by file: two references, or a reference and what an engine wrote like one.

    python scripts/parity/distance.py REFERENCE OTHER

Only files that both folders have are compared. It judges nothing: README.md tells how far rounding alone leads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Iterator

import numpy as np
from safetensors.numpy import load_file

WORST = 3
"""How many tensors of a file are named, the furthest first."""


def tensors(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> Iterator[str]:
    """Floats: the largest difference in units of the largest value. Whole numbers: how many differ."""
    if one.keys() != other.keys():
        yield f"  names differ: {sorted(one.keys() ^ other.keys())[:WORST]}"
    far: list[tuple[float, str]] = []
    different = count = 0
    for name in one.keys() & other.keys():
        a, b = one[name], other[name]
        if a.shape != b.shape:
            yield f"  {name} has shape {a.shape} and {b.shape}"
        elif np.issubdtype(a.dtype, np.integer):
            different += int((a != b).sum())
            count += a.size
        else:
            a, b = a.astype(np.float64), b.astype(np.float64)
            far.append((float(np.abs(a - b).max() / (np.abs(a).max() or 1.0)), name))
    if count:
        yield f"  {different} of {count} whole numbers differ"
    for distance, name in sorted(far, reverse=True)[:WORST]:
        yield f"  {distance:.1e} {name}"


def steps(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> Iterator[str]:
    """The largest difference of the losses of steps, and of the schedules."""
    for name in ("loss", "gradient_norm", "lr_multiplier", "muon_momentum"):
        pairs = [(a[name], b.get(name)) for a, b in zip(one, other) if a[name] is not None]
        known = [abs(a - b) for a, b in pairs if b is not None]
        if known:
            yield f"  {max(known):.1e} {name}, over {len(known)} steps"


def documents(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> Iterator[str]:
    """The largest difference of a document's nats in units of its nats, and whether anything else differs."""
    distance = max(abs(a["nats"] - b["nats"]) / a["nats"] for a, b in zip(one, other))
    same = [[{key: d[key] for key in ("doc", "start", "tokens", "bytes")} for d in side] for side in (one, other)]
    yield f"  {distance:.1e} nats of a document; their places and sizes {'agree' if same[0] == same[1] else 'DIFFER'}"


def scores(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for name, score in one.items():
        if "val_loss" in score and name in other:
            yield f"  {abs(score['val_loss'] - other[name]['val_loss']):.1e} val_loss, {name}"


JSON = {"steps.json": steps, "documents.json": documents, "scores.json": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("other", type=Path)
    options = parser.parse_args()
    for path in sorted(options.reference.iterdir()):
        second = options.other / path.name
        if not second.exists():
            continue
        if path.suffix == ".safetensors":
            print(path.name, *tensors(load_file(path), load_file(second)), sep="\n")
        elif path.name in JSON:
            values = [json.loads(file.read_text(encoding="utf-8")) for file in (path, second)]
            print(path.name, *JSON[path.name](*values), sep="\n")


if __name__ == "__main__":
    main()
