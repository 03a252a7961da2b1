"""Reads where the segments of a packed row begin and end."""

from __future__ import annotations

import torch


def segments(bounds: torch.Tensor, tokens: int, longest: int) -> list[tuple[int, int]]:
    """The segments that are not empty, as start and end. `bounds` holds where each begins, and the end at last.

    Scripts pad the bounds with the end, to keep their number constant, which makes empty segments.
    """
    numbers = bounds.tolist()
    found = [(start, end) for start, end in zip(numbers, numbers[1:]) if end > start]
    if not found or found[0][0] != 0 or found[-1][1] != tokens:
        raise ValueError(f"segments from {numbers[0]} to {numbers[-1]} do not cover {tokens} tokens")
    most = max(end - start for start, end in found)
    if most > longest:
        # On a GPU the tokens after that are left unwritten, without a word.
        raise ValueError(f"a segment has {most} tokens, but max_seqlen is {longest}")
    return found
