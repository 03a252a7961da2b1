"""Reads a Q2BN file of version 3 with an uncompressed body, by the layout alone, and prints each tensor's weights."""
import struct
import sys
from statistics import NormalDist

MID = [-1.5, -0.5, 0.5, 1.5]


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def centroids(n):
    normal, unit = NormalDist(), NormalDist().inv_cdf(0.75)
    z = [-9.0] + [normal.inv_cdf(k / n) for k in range(1, n)] + [9.0]
    return [n * (normal.pdf(z[s]) - normal.pdf(z[s + 1])) / unit for s in range(n)]


def row_symbols(data, cols, n):
    bits = "".join(f"{byte:08b}" for byte in data)
    if n == 12:
        widths, out, at = {1: 4, 2: 8, 3: 11, 4: 15, 5: 18}, [], 0
        while len(out) < cols:
            count = min(5, cols - len(out))
            value = int(bits[at : at + widths[count]], 2)
            out += [value // 12**i % 12 for i in reversed(range(count))]
            at += widths[count]
        return out
    width = n.bit_length() - 1
    codes = [int(bits[i * width : (i + 1) * width], 2) for i in range(cols)]
    return [code ^ code >> 1 for code in codes] if n == 4 else codes


data = open(sys.argv[1], "rb").read()
magic, version, flags, codec, count, config = struct.unpack_from(">4sBBHII", data)
assert (magic, version, codec) == (b"Q2BN", 3, 0)
at = 16 + config + 4
for _ in range(count):
    (length,) = struct.unpack_from(">H", data, at)
    name = data[at + 2 : at + 2 + length].decode()
    at += 2 + length + 1
    rows, cols, kind, n, table, _, scales = struct.unpack_from(">IIBBBBI", data, at)
    at += 16
    tau = struct.unpack_from(f">{scales}e", data, at)
    (size,) = struct.unpack_from(">Q", data, at + 2 * scales)
    at += 2 * scales + 8
    levels = [f32(level) for level in (MID if table == 0 else centroids(n))]
    out = []
    for row in range(rows):
        part = data[at + row * size // rows : at + (row + 1) * size // rows]
        out += [repr(f32(levels[s] * tau[row])) for s in row_symbols(part, cols, n)]
    print(name, *out)
    at += size + 4
assert at == len(data) and kind == 1
