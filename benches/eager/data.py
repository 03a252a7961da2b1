"""FineWeb-format shards (docs/spec/algorithms.md#shards): 256 little-endian i32 of header, then u16 token ids."""

from pathlib import Path

import numpy
import torch
from torch import Tensor

BOS = 1


def tokens(folder: Path, pattern: str) -> numpy.ndarray:
    """All shards of a split, in lexicographic order, as one array."""
    paths = sorted(folder.glob(pattern)) or sorted(folder.glob(f"datasets/*/{pattern}"))
    if not paths:
        raise SystemExit(f"bench_eager: no {pattern} in {folder} or {folder}/datasets/*; give --data the shards' folder")
    shards = []
    for path in paths:
        header = numpy.fromfile(path, dtype="<i4", count=256)
        ids = numpy.fromfile(path, dtype="<u2", offset=1024)
        if header.size < 256 or header[0] != 20240520 or header[1] != 1 or header[2] != ids.size:
            raise SystemExit(f"bench_eager: {path} is not a whole version 1 token shard")
        shards.append(ids)
    return numpy.concatenate(shards)


class TrainStream:
    """The training tokens in order, from the start again at the end."""

    def __init__(self, ids: numpy.ndarray):
        self.ids, self.position = ids, 0

    def take(self, count: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Inputs and targets [count / length, length] from the next count + 1 tokens."""
        at = numpy.arange(self.position, self.position + count + 1) % self.ids.size
        self.position = (self.position + count + 1) % self.ids.size
        chunk = torch.from_numpy(self.ids[at].astype(numpy.int64)).to(device)
        return chunk[:-1].view(-1, length), chunk[1:].view(-1, length)


def documents(ids: numpy.ndarray) -> list[numpy.ndarray]:
    """Each document with the next one's BOS as its last target."""
    starts = numpy.flatnonzero(ids == BOS)
    if starts.size == 0:
        raise SystemExit("bench_eager: the validation shards hold no BOS (id 1), so there are no documents")
    ends = numpy.append(starts[1:] + 1, ids.size)
    return [ids[start:end].astype(numpy.int64) for start, end in zip(starts, ends) if end - start > 1]
