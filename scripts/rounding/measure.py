"""How far rounding moves the nats of a document: one model scored by the same program with other kernels, threads and precision.

    python3 scripts/rounding/measure.py target/debug/examples/rounding DATA MODEL [MODEL ...]

`rounding` is the engine's example of that name (cargo build -p caddie-engine --example rounding). A libtorch that is told to use less
than this processor can takes the kernels that it has for an older one, so one machine stands in for several. src/runner/tolerance.rs
has the figures that this prints.
"""

import argparse
import csv
import math
import os
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

OLD = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
WAYS = [
    ("again", "f32", {}),
    ("1 thread", "f32", {"OMP_NUM_THREADS": "1"}),
    ("libtorch for AVX2", "f32", {"ATEN_CPU_CAPABILITY": "avx2"}),
    ("libtorch without vectors", "f32", {"ATEN_CPU_CAPABILITY": "default"}),
    ("MKL for AVX2", "f32", {"MKL_CBWR": "AVX2"}),
    ("MKL for any processor", "f32", {"MKL_CBWR": "COMPATIBLE"}),
    ("all for any processor", "f32", OLD),
    ("bf16", "bf16", {}),
    ("bf16, all for any processor", "bf16", OLD),
]


def score(program, model, data, precision, settings):
    """Nats of every target of each document."""
    documents = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "nats.tsv"
        environment = {**os.environ, **settings}
        subprocess.run([program, model, data, out, precision], check=True, env=environment)
        with open(out) as file:
            for row in csv.DictReader(file, delimiter="\t"):
                documents[int(row["doc"])].append(float(row["nats"]))
    return documents


def compare(base, other):
    """Differences of a document in nats a token, with its number of tokens, and the root mean square of those of single targets."""
    documents, squares, count = [], 0.0, 0
    for doc, nats in base.items():
        moved = [b - a for a, b in zip(nats, other[doc], strict=True)]
        documents.append((len(nats), sum(moved) / len(nats)))
        squares += sum(one * one for one in moved)
        count += len(nats)
    return documents, math.sqrt(squares / count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    for model in args.models:
        base = score(args.program, model, args.data, "f32", {})
        print(f"{model}: {len(base)} documents of {min(map(len, base.values()))} to {max(map(len, base.values()))} tokens", flush=True)
        print("| against f32 as it is | identical | largest, nats a token | largest × √tokens | mean | one target, root mean square |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, precision, settings in WAYS:
            documents, target = compare(base, score(args.program, model, args.data, precision, settings))
            identical = sum(moved == 0.0 for _, moved in documents)
            largest = max(abs(moved) for _, moved in documents)
            scaled = max(abs(moved) * math.sqrt(tokens) for tokens, moved in documents)
            mean = sum(moved * tokens for tokens, moved in documents) / sum(tokens for tokens, _ in documents)
            print(f"| {name} | {identical} | {largest:.1e} | {scaled:.1e} | {mean:+.1e} | {target:.1e} |", flush=True)


if __name__ == "__main__":
    main()
