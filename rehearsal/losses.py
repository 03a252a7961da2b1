"""Catches the losses of single targets where a script leaves them to PyTorch's cross-entropy, and says which target each is of.

A loss is kept when it is asked for target by target, or without gradients: those of a training step are neither. What a script
computes in another way (a mixture with a cache, a logarithm of its own) is not seen, so whoever reads this compares the sum with
the score that the script prints.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import corpus, progress

_MOST = 4 << 20
"""Losses that are kept."""
_GRAM = 6
"""Targets in a row by which a place in the stream is recognized."""
_PASSES = 4
"""Passes over the stream that are reported, the last ones."""


class Losses:
    """The losses of a run, call by call, and where the run printed a score between them."""

    def __init__(self) -> None:
        self.passes: list[list[tuple[np.ndarray, np.ndarray]]] = [[]]
        self.kept = 0

    def watch(self) -> None:
        """Starts watching."""
        compute = torch.nn.functional.cross_entropy

        @functools.wraps(compute)
        def cross_entropy(input: Any, target: Any, *args: Any, **options: Any) -> Any:
            result = compute(input, target, *args, **options)
            single = options.get("reduction") == "none"
            plain = not args and set(options) <= {"reduction"} and not target.is_floating_point()
            if plain and (single or not torch.is_grad_enabled()) and self.kept + target.numel() <= _MOST:
                each = result if single else compute(input, target, reduction="none")
                self._keep(target, each)
            return result

        torch.nn.functional.cross_entropy = cross_entropy

    def _keep(self, target: torch.Tensor, each: torch.Tensor) -> None:
        self.kept += target.numel()
        flat = target.detach().reshape(-1).cpu().numpy(), each.detach().reshape(-1).double().cpu().numpy()
        self.passes[-1].append(flat)

    def printed(self, line: str) -> None:
        """The script printed a line: behind a score another pass begins."""
        if progress.is_score(line) and self.passes[-1]:
            self.passes.append([])

    def report(self, tokens: np.ndarray) -> list[dict[str, list[Any]]]:
        """For each pass, the last first: the first and the last loss of every target, and the calls that they came from."""
        places = _places(tokens)
        passes = [found for found in self.passes if found][-_PASSES:]
        return [_by_target(found, places, tokens.size - 1) for found in reversed(passes)]


def _grams(targets: np.ndarray) -> list[bytes]:
    """Every run of targets, as bytes that can be looked up."""
    if targets.size < _GRAM:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(targets.astype("<i8"), _GRAM)
    return [window.tobytes() for window in windows]


def _places(tokens: np.ndarray) -> dict[bytes, int]:
    """Where in the stream's targets each run of them begins; those that come more than once are left out."""
    found: dict[bytes, int] = {}
    for place, gram in enumerate(_grams(tokens[1:])):
        found[gram] = -1 if gram in found else place
    return {gram: place for gram, place in found.items() if place >= 0}


def _by_target(calls: list[tuple[np.ndarray, np.ndarray]], places: dict[bytes, int], targets: int) -> dict[str, list[Any]]:
    first, last = np.full(targets, np.nan), np.full(targets, np.nan)
    first_call, last_call = np.full(targets, -1), np.full(targets, -1)
    for number, (wanted, nats) in enumerate(calls):
        for start, place in _runs(wanted, places):
            span = slice(place, place + _GRAM)
            losses = nats[start : start + _GRAM]
            new = first_call[span] < 0
            first[span] = np.where(new, losses, first[span])
            first_call[span] = np.where(new, number, first_call[span])
            last[span], last_call[span] = losses, number
    return {
        "first": [None if np.isnan(loss) else float(loss) for loss in first],
        "last": [None if np.isnan(loss) else float(loss) for loss in last],
        "first_call": first_call.tolist(),
        "last_call": last_call.tolist(),
    }


def _runs(wanted: np.ndarray, places: dict[bytes, int]) -> list[tuple[int, int]]:
    """Where runs of a call's targets begin, in the call and in the stream."""
    found = ((start, places.get(gram, -1)) for start, gram in enumerate(_grams(wanted)))
    return [(start, place) for start, place in found if place >= 0]


def read_tokens(folder: Path) -> np.ndarray:
    """The validation tokens of a corpus."""
    path = sorted(folder.glob("fineweb_val_0*.bin"))[0]
    return np.fromfile(path, dtype="<u2", offset=4 * corpus.HEADER).astype(np.int64)
