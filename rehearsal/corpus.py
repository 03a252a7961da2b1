"""Makes a small corpus in the layout, the file format and the vocabulary that a script reads.

The text is no language: each token follows from the one before it half of the time, so a loss can fall. Documents begin
with the token 1 and differ in length, as scripts with documents need it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Mapping

import numpy as np

from . import tokenizer
from .toy import Number

MAGIC, VERSION, HEADER = 20240520, 1, 256
TRAIN_SHARDS, TRAIN_TOKENS = 3, 32_000
VALIDATION_TOKENS = 6_145
"""Six times 1,024 targets: a multiple of every length of sequence at toy size."""

_LONGEST, _SHORTEST = 600, 24


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What the numbers of a corpus stand for."""

    size: int
    operators: bool = False
    """Whether it has the operators of CaseOps, and validation data has the bytes of each token in a second file."""

    @property
    def of_bytes(self) -> bool:
        """Whether a token is a byte: 256 of them, or 260 with four special tokens before."""
        return self.size <= 260

    @property
    def name(self) -> str:
        """What the folder of the data is called after `fineweb10B_`."""
        if self.size == 256:
            return "bytes"
        if self.of_bytes:
            return f"byte{self.size}"
        return f"sp{self.size}"

    def usable(self) -> np.ndarray:
        """The numbers that text consists of."""
        if self.of_bytes:
            first = self.size - 256
            return first + np.frombuffer(b" etaoinshrdlucmfwypvbgkjqxzETAOINSH.,'-0123456789\n", dtype=np.uint8).astype(int)
        sizes = np.array(tokenizer.lengths(self.size, self.operators))
        return np.flatnonzero(sizes > 0)[256:]

    def lengths(self) -> np.ndarray:
        """The bytes of text of each token."""
        if self.of_bytes:
            return np.array([0] * (self.size - 256) + [1] * 256)
        return np.array(tokenizer.lengths(self.size, self.operators))


def vocabulary(defaults: Mapping[str, Number | None], settings: Mapping[str, str], sources: list[str]) -> Vocabulary:
    """The vocabulary of a script: from the settings, from its own default, or from the names of the files it reads."""
    text = "\n".join(sources)
    size = settings.get("VOCAB_SIZE") or defaults.get("VOCAB_SIZE")
    if not size:
        found = re.search(r"(?i)\bvocab_size\s*[:=]\s*(?:int\s*=\s*)?(\d{3,6})\b", text) or re.search(
            r"fineweb10B_(?:sp|byte)(\d{3,6})", text
        )
        size = found[1] if found else 1024
    operators = "fineweb_val_bytes" in text
    if "CASEOPS_ENABLED" in defaults:
        switch = settings.get("CASEOPS_ENABLED", defaults["CASEOPS_ENABLED"])
        operators = operators and str(switch) not in ("0", "None", "")
    return Vocabulary(int(size), operators)


def _documents(vocabulary: Vocabulary, tokens: int, dice: np.random.Generator) -> np.ndarray:
    """A stream of documents of altogether `tokens` tokens."""
    usable = vocabulary.usable()
    weights = 1.0 / np.arange(3, usable.size + 3)
    drawn = dice.choice(usable.size, size=tokens, p=weights / weights.sum())
    follows = np.random.default_rng(vocabulary.size).permutation(usable.size)
    repeated = dice.random(tokens) < 0.5
    stream = np.empty(tokens, dtype=np.int64)
    before = 0
    for at in range(tokens):
        before = int(follows[before]) if repeated[at] else int(drawn[at])
        stream[at] = usable[before]
    if vocabulary.operators:
        marks = dice.random(tokens) < 0.03
        stream[marks] = dice.integers(4, 4 + len(tokenizer.OPERATORS), size=int(marks.sum()))
    # Every third document is short, and the others differ.
    at = 0
    while at < tokens:
        stream[at] = tokenizer.BOS
        at += int(dice.integers(_SHORTEST, _LONGEST if at % 3 else 4 * _SHORTEST))
    return stream


def write_shard(path: Path, tokens: np.ndarray) -> None:
    """Writes tokens in the contest's format: 256 32-bit numbers, of which three say something, and 16 bits a token."""
    header = np.zeros(HEADER, dtype="<i4")
    header[:3] = MAGIC, VERSION, tokens.size
    path.write_bytes(header.tobytes() + tokens.astype("<u2").tobytes())


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Where the parts of a corpus lie."""

    root: Path
    data: Path
    tokenizer: Path

    def environment(self, reads: Mapping[str, Number | None]) -> dict[str, str]:
        """The settings that lead a script, which reads these variables, to the corpus."""
        own = {
            "DATA_PATH": str(self.data),
            "DATASETS_DIR": str(self.data),
            "TOKENIZER_PATH": str(self.tokenizer),
            "TOKENIZER_MODEL": str(self.tokenizer),
            "DATA_DIR": f"{self.root}/",
            "TRAIN_FILES": f"{self.data}/fineweb_train_*.bin",
            "VAL_FILES": f"{self.data}/fineweb_val_[0-9]*.bin",
        }
        return {name: value for name, value in own.items() if name in reads}


def _link(link: Path, target: Path) -> None:
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        # Relative, so that a corpus may be moved as a whole.
        link.symlink_to(os.path.relpath(target, link.parent))


def _layout(root: Path, vocabulary: Vocabulary) -> Corpus:
    if not vocabulary.operators:
        data = root / "datasets" / f"fineweb10B_{vocabulary.name}"
        return Corpus(root, data, root / "tokenizers" / f"fineweb_{vocabulary.size}_bpe.model")
    # The folders in which the data of CaseOps was published.
    inside = root / "datasets" / f"fineweb10B_sp{vocabulary.size}_caseops" / "datasets"
    name = "lossless_caps_caseops_v1_reserved"
    data = inside / "datasets" / f"fineweb10B_sp{vocabulary.size}_{name}"
    return Corpus(root, data, inside / "tokenizers" / f"fineweb_{vocabulary.size}_bpe_{name}.model")


def find(root: Path, vocabulary: Vocabulary) -> Corpus:
    """A corpus that is there already, in the layout of this module or as `caddie fixture` makes it."""
    corpus = _layout(root, vocabulary)
    if not list(corpus.data.glob("fineweb_val_*.bin")):
        raise FileNotFoundError(f"{corpus.data} has no fineweb_val_*.bin")
    return corpus


def build(root: Path, vocabulary: Vocabulary, seed: int = 1) -> Corpus:
    """Makes a corpus under `root`."""
    corpus = _layout(root, vocabulary)
    dice = np.random.default_rng([seed, vocabulary.size])
    corpus.data.mkdir(parents=True)
    for shard in range(TRAIN_SHARDS):
        tokens = _documents(vocabulary, TRAIN_TOKENS, dice)
        write_shard(corpus.data / f"fineweb_train_{shard:06d}.bin", tokens)
    validation = _documents(vocabulary, VALIDATION_TOKENS, dice)
    write_shard(corpus.data / "fineweb_val_000000.bin", validation)
    if vocabulary.operators:
        write_shard(corpus.data / "fineweb_val_bytes_000000.bin", vocabulary.lengths()[validation])
    if not vocabulary.of_bytes:
        corpus.tokenizer.parent.mkdir(parents=True, exist_ok=True)
        corpus.tokenizer.write_bytes(tokenizer.model(vocabulary.size, vocabulary.operators))
        plain = root / "tokenizers" / f"fineweb_{vocabulary.size}_bpe.model"
        _link(plain, corpus.tokenizer)
        _link(root / "datasets" / f"fineweb10B_sp{vocabulary.size}", corpus.data)
    # Some scripts read one file of each split, in the folder itself.
    _link(root / f"fineweb_train_{vocabulary.name}.bin", corpus.data / "fineweb_train_000000.bin")
    _link(root / f"fineweb_val_{vocabulary.name}.bin", corpus.data / "fineweb_val_000000.bin")
    return corpus
