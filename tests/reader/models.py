#!/usr/bin/env python3
"""Writes safetensors files by hand, for a repository that has a difference of every relation of codec 3.

Usage: models.py FOLDER writes the files of the first backup, models.py FOLDER later those of the second one, each to be
stored as the difference to one of the first. Conversions are Python's own, not those of the specification.
"""

import json
import math
import random
import struct
import sys
from pathlib import Path

COUNT = 300_000  # a piece of 2^18 elements and a rest
EVERY_HALF = range(30_000, 30_000 + (1 << 16))  # here are all 16-bit patterns, NaN and infinities too


def bits(value, wide, narrow):
    return struct.unpack("<" + narrow, struct.pack("<" + wide, value))[0]


def half(single):
    """The f16 nearest to the bits of an f32."""
    value = bits(single, "I", "f")
    try:
        return bits(value, "e", "H")
    except OverflowError:
        return bits(math.copysign(math.inf, value), "e", "H")


def single(half):
    """The bits of an f16 as f32."""
    return bits(bits(half, "H", "e"), "f", "I")


def brain(single):
    """The bf16 nearest to the bits of an f32, ties to even; a NaN stays one."""
    below, above = single >> 16, (single >> 16) + 1 & 0xFFFF
    if bits(single, "I", "f") != bits(single, "I", "f"):
        return below | 1
    rest = single & 0xFFFF
    return above if rest > 0x8000 or rest == 0x8000 and below & 1 else below


def random_singles(random):
    """Bits of f32 as weights have them, among them every sort of f32."""
    values = [bits(random.gauss(0, 0.02), "f", "I") for _ in range(COUNT)]
    for at in EVERY_HALF:
        tie = values[at] & 0xFFFF_E000 | 0x1000
        values[at] = random.choice([random.getrandbits(32), random.getrandbits(16) << 16, tie])
    for at in EVERY_HALF[::3]:  # around the smallest f16, and the largest
        least, most = (0x3200_0000, 0x3900_0000) if at % 2 else (0x4700_0000, 0x4800_0000)
        values[at] = random.randrange(least, most)
    return values


def halves(random, convert):
    values = [convert(bits(random.gauss(0, 0.02), "f", "I")) for _ in range(COUNT)]
    values[EVERY_HALF.start : EVERY_HALF.stop] = range(1 << 16)
    return values


def near(random, values, width, reach):
    """The next step of a training: every element a little further, some not at all."""
    return [value + random.randint(-reach, reach) * random.getrandbits(1) & (1 << 8 * width) - 1 for value in values]


def pairs():
    """Name, dtype and elements of a tensor, then dtype and elements of the one that follows from it."""
    r = random.Random(7)
    values = halves(r, brain)
    yield "a", "BF16", values, "BF16", near(r, values, 2, 2)
    values = random_singles(r)
    yield "b", "F32", values, "F32", near(r, values, 4, 300)
    values = [bits(r.gauss(0, 0.02), "d", "Q") for _ in range(COUNT)]
    yield "c", "F64", values, "F64", near(r, values, 8, 1 << 20)
    values = random_singles(r)
    yield "d", "BF16", [brain(x) for x in values], "F32", values
    values = random_singles(r)
    yield "e", "F32", values, "BF16", [brain(x) for x in values]
    values = random_singles(r)
    yield "f", "F16", [half(x) for x in values], "F32", values
    values = random_singles(r)
    yield "g", "F32", values, "F16", [half(x) for x in values]
    values = halves(r, brain)
    yield "h", "BF16", values, "F16", [half(x << 16) for x in values]
    values = halves(r, half)
    yield "i", "F16", values, "BF16", [brain(single(x)) for x in values]
    values = [r.getrandbits(40) for _ in range(COUNT)]
    yield "j", "I64", values, "I64", near(r, values, 8, 9)


def write(path, name, dtype, values):
    """One large tensor, with a small one before it and a scalar behind it."""
    form = {2: "H", 4: "I", 8: "Q"}[width := {"F64": 8, "I64": 8, "F32": 4}.get(dtype, 2)]
    data = struct.pack(f"<{len(values)}{form}", *values)
    ends = [12, 12 + len(data), 12 + len(data) + 8]
    header = {
        "__metadata__": {"format": "pt"},
        "bias": {"dtype": "F32", "shape": [3], "data_offsets": [0, ends[0]]},
        name: {"dtype": dtype, "shape": [COUNT // 100, 100], "data_offsets": ends[:2]},
        "step": {"dtype": "I64", "shape": [], "data_offsets": ends[1:]},
    }
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    bias = struct.pack("<3f", 1, math.inf, math.nan)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bias + data + struct.pack("<q", 1000))
    assert len(data) == COUNT * width


def main():
    folder, later = Path(sys.argv[1]), sys.argv[2:] == ["later"]
    folder.mkdir(exist_ok=True)
    for name, dtype, values, later_dtype, later_values in pairs():
        file = folder / f"{name}-{2 if later else 1}.safetensors"
        write(file, f"layer.{name}", *((later_dtype, later_values) if later else (dtype, values)))
    if later:
        (folder / "cut.safetensors").write_bytes((folder / "a-1.safetensors").read_bytes()[:-1])


if __name__ == "__main__":
    main()
