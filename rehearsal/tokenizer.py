"""Writes SentencePiece models of any size, without training one on a text.

The pieces are made of two letters, then three, and so on, each of them a join of two earlier ones, which is all that
byte-pair encoding asks for. The order of the special pieces is that of the contest's tokenizers: padding, beginning, end
and unknown, then the operators of CaseOps where it is used, then one piece for each byte.
"""

from __future__ import annotations

import itertools
import struct
from typing import Iterator

SPACE = "\u2581"
OPERATORS = ("\ue001", "\ue002", "\ue003", "\ue004")
"""The marks by which CaseOps writes capital letters: they stand for no bytes of the text."""

BOS = 1
_NORMAL, _UNKNOWN, _CONTROL, _OWN, _BYTE = 1, 2, 3, 4, 6
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
_SINGLE = _LETTERS + _LETTERS.upper() + "0123456789.,:;!?'\"()-%$/" + SPACE


def _joined() -> Iterator[str]:
    """Pieces of more than one character, each a join of two that came before or of single characters."""
    pairs = ["".join(pair) for pair in itertools.product(_LETTERS, repeat=2)]
    yield from (SPACE + letter for letter in _LETTERS)
    yield from pairs
    yield from (SPACE + pair for pair in pairs)
    yield from (pair + letter for pair, letter in itertools.product(pairs, _LETTERS))
    yield from (one + other for one, other in itertools.product(pairs, pairs))


def pieces(size: int, operators: bool = False) -> list[tuple[str, int]]:
    """The pieces of a vocabulary in the order of their numbers, each with its kind."""
    made = [("<pad>", _CONTROL), ("<s>", _CONTROL), ("</s>", _CONTROL), ("<unk>", _UNKNOWN)]
    if operators:
        made += [(operator, _OWN) for operator in OPERATORS]
    made += [(f"<0x{byte:02X}>", _BYTE) for byte in range(256)]
    room = size - len(made)
    if room < 0:
        raise ValueError(f"a vocabulary of {size} has no room for {len(made)} special pieces and bytes")
    single = list(_SINGLE)[: max(0, min(len(_SINGLE), room // 2))]
    made += [(piece, _NORMAL) for piece in itertools.islice(_joined(), room - len(single))]
    return made + [(piece, _NORMAL) for piece in single]


def lengths(size: int, operators: bool = False) -> list[int]:
    """The bytes of text that each piece stands for, with the space before it."""
    sizes = {_NORMAL: lambda piece: len(piece.replace(SPACE, " ").encode("utf-8")), _BYTE: lambda piece: 1}
    return [sizes.get(kind, lambda piece: 0)(piece) for piece, kind in pieces(size, operators)]


def _number(value: int) -> bytes:
    """A number in the variable length of protocol buffers; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, value: "int | float | str | bytes") -> bytes:
    """One field of a message."""
    if isinstance(value, float):
        return _number(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    data = value.encode("utf-8") if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def model(size: int, operators: bool = False) -> bytes:
    """A SentencePiece model of `size` pieces, as the file holds it."""
    out = bytearray()
    for number, (piece, kind) in enumerate(pieces(size, operators)):
        score = -float(number) if kind == _NORMAL else 0.0
        out += _field(1, _field(1, piece) + _field(2, score) + _field(3, kind))
    byte_pair_encoding, byte_fallback = _field(3, 2), _field(35, 1)
    ids = _field(40, 3) + _field(41, BOS) + _field(42, 2) + _field(43, 0)
    names = _field(45, "<unk>") + _field(46, "<s>") + _field(47, "</s>") + _field(48, "<pad>")
    out += _field(2, byte_pair_encoding + _field(4, size) + byte_fallback + ids + names)
    # The text as it is, with a space put before it and spaces written as a sign.
    out += _field(3, _field(1, "identity") + _field(3, 1) + _field(4, 0) + _field(5, 1))
    return bytes(out)
