"""Makes the data set of a reference from one of `caddie fixture`: the same layout, with less validation data."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

HEADER = 256
MAGIC, VERSION = 20240520, 1
BOS = 1


def read_shard(path: Path) -> np.ndarray:
    """The tokens of a shard."""
    header = np.fromfile(path, dtype="<i4", count=HEADER)
    if header.size != HEADER or header[0] != MAGIC or header[1] != VERSION:
        raise SystemExit(f"{path} is not a shard of tokens")
    return np.fromfile(path, dtype="<u2", offset=4 * HEADER, count=int(header[2]))


def write_shard(path: Path, tokens: np.ndarray) -> None:
    """Writes tokens as a shard."""
    header = np.zeros(HEADER, dtype="<i4")
    header[:3] = MAGIC, VERSION, tokens.size
    path.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


def cut(tokens: np.ndarray, documents: int, sequence: int) -> np.ndarray:
    """The start of a validation stream: `documents` documents, less what makes the targets a multiple of `sequence`.

    A script drops the targets after the last full sequence. Here none are left over, so that every evaluator of the
    script sees the same tokens. The last document loses up to a sequence for it, and must keep two tokens.
    """
    starts = np.flatnonzero(tokens == BOS)
    if starts.size <= documents or starts[0] != 0:
        raise SystemExit(f"the validation data must begin with a document and have more than {documents} of them")
    targets = (int(starts[documents]) - 1) // sequence * sequence
    if targets - int(starts[documents - 1]) < 1:
        raise SystemExit(f"cutting {documents} documents to a multiple of {sequence} leaves nothing of the last one")
    return tokens[: targets + 1]


def build(source: Path, target: Path, vocabulary: int, documents: int, sequence: int, sidecar: bool = False) -> int:
    """Copies a data set with a cut validation shard and returns the number of validation targets.

    With `sidecar` the bytes of each token lie beside the shard, for a script that counts by them: one a token and none for a
    BOS. Losses do not depend on them.
    """
    shards = Path("datasets") / f"fineweb10B_sp{vocabulary}"
    tokenizer = Path("tokenizers") / f"fineweb_{vocabulary}_bpe.model"
    for folder in (shards, tokenizer.parent):
        (target / folder).mkdir(parents=True)
    shutil.copyfile(source / tokenizer, target / tokenizer)
    for shard in sorted((source / shards).glob("fineweb_train_*.bin")):
        shutil.copyfile(shard, target / shards / shard.name)
    validation = sorted((source / shards).glob("fineweb_val_*.bin"))
    if not validation:
        raise SystemExit(f"{source / shards} has no validation shard")
    tokens = cut(read_shard(validation[0]), documents, sequence)
    write_shard(target / shards / validation[0].name, tokens)
    if sidecar:
        write_shard(target / shards / "fineweb_val_bytes_000000.bin", (tokens != BOS).astype("<u2"))
    return tokens.size - 1
