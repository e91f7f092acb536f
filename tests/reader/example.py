#!/usr/bin/env python3
"""Makes the repository of the section EXAMPLE in man/lastgood-repository.5 of the values there, and compares them.

Usage: example.py PAGE FOLDER, which must not exist; afterwards reader.py can read FOLDER with the password "last good".
"""

import re
import struct
import sys
from pathlib import Path

import reader
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REPOSITORY, MASTER = bytes(range(0x20)), bytes(range(0x20, 0x40))


class Example:
    """The section, and what is printed in it."""

    def __init__(self, page):
        text = page.replace("\\-", "-")
        self.text = text[text.index(".SH EXAMPLE") : text.index(".SS Cutter\nWith")]

    def words(self, label):
        """Every value with this label, its lines joined."""
        found = re.findall(rf"\n{re.escape(f'{label:17}')}(\S+(?:\n {{17}}\S+)*)", self.text)
        return [re.sub(r"\s", "", value) for value in found]

    def hex(self, label, number=0):
        return bytes.fromhex(self.words(label)[number])

    def same(self, label, value, number=0):
        reader.check(value == self.hex(label, number), f"{label} is {value.hex()}")

    def lines(self, first, last):
        return re.search(rf"\n({re.escape(first)}.*?{re.escape(last)})\n", self.text, re.S)[1].encode()


def keys(kind, salt):
    prefix = b"LASTGOOD" + bytes([1, kind, 1, 0]) + bytes(4) + REPOSITORY + salt
    okm = blake3(prefix, key=reader.derive(f"object {kind}", MASTER)).digest(64)
    return AESGCM(okm[:32]), prefix + okm[32:]


def whole(kind, salt, plaintext):
    key, start = keys(kind, salt)
    body = key.encrypt(bytes(12), plaintext, b"")
    return start + blake3(start).digest(8) + struct.pack("<Q", len(body)) + body


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def pack(kind, salt, chunks, size=65536):
    """Chunks are id, codec, raw length and coded bytes; gives the pack, its frames and its table."""
    key, start = keys(kind, salt)
    frames, table = [], bytes([len(chunks)])
    for number, (chunk_id, codec, raw, coded) in enumerate(chunks):
        associated = b"c" + struct.pack("<I", number) + chunk_id + struct.pack("<BI", codec, raw)
        frames.append(key.encrypt(b"\1" + bytes(7) + struct.pack("<I", number), coded, associated))
        table += chunk_id + bytes([codec]) + varint(len(frames[-1])) + (varint(raw) if codec else b"")
    footer = table + bytes(-len(table) % 1024)
    padding = bytes(size - 128 - sum(map(len, frames)) - 16 - len(footer) - 16 - 8)
    body = b"".join(frames) + key.encrypt(b"\3" + bytes(11), padding, b"p")
    body += key.encrypt(b"\2" + bytes(11), footer, b"f" + struct.pack("<Q", size))
    body += struct.pack("<I", len(footer) + 16) + b"LGPE"
    return start + blake3(start).digest(8) + struct.pack("<Q", len(body)) + body, frames, table


def differences(example, id_key):
    base, chunk = example.hex("base"), example.hex("chunk")
    example.same("id of the base", blake3(base, key=id_key).digest())
    example.same("id of the chunk", blake3(chunk, key=id_key).digest())
    example.same("chunk", reader.undifference(example.hex("coded chunk"), len(chunk), base))
    for name in ("f16_f32", "f32_f16", "f32_bf16"):
        rows = re.search(rf"\n{name} +((?:[0-9a-f]+\s+)+)", example.text)[1].split()
        for x, wanted in zip(rows[::2], rows[1::2]):
            found = getattr(reader, name)(int(x, 16))
            reader.check(found == int(wanted, 16), f"{name} of {x} is {found:x}")


def objects(example):
    """All objects of the repository, in the order of their names on the page."""
    for label in ("id data", "id manifest", "cutter", "salt", "slot note"):
        example.same(label, reader.derive(label, MASTER))
    id_keys = example.hex("id data"), example.hex("id manifest")
    yield example.hex("object")

    coded = b"hello, world\n", example.hex("coded chunk 1"), example.hex("coded chunk 2")
    plain = coded[0], reader.unzstd(coded[1], 200), reader.unplane(coded[2], 16)
    example.same("chunk 2", plain[2])
    ids = [blake3(chunk, key=id_keys[0]).digest() for chunk in plain]
    data, frames, table = pack(3, b"\x61" * 32, [(ids[i], i, len(plain[i]), coded[i]) for i in range(3)])
    for i in range(3):
        example.same(f"id {i}", ids[i])
        example.same(f"frame {i}", frames[i])
    example.same("header", data[:128])
    example.same("chunk table", table)
    yield data

    page = b"".join(example.hex(f'entry "{path}"') for path in ("", "d", "d/a", "d/b", "d/l"))
    chunks = page, example.hex("root")
    ids = [blake3(chunk, key=id_keys[1]).digest() for chunk in chunks]
    example.same("id of the page", ids[0])
    example.same("id of the root", ids[1])
    data, _, table = pack(4, b"\x62" * 32, [(ids[i], 0, len(chunks[i]), chunks[i]) for i in range(2)])
    example.same("chunk table", table, 1)
    yield data
    yield whole(5, b"\x63" * 32, example.hex("plaintext"))
    yield whole(6, b"\x64" * 32, example.lines('{"time"', '"summary": {}}'))
    differences(example, id_keys[0])


def main():
    example, folder = Example(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    config = whole(1, b"\x60" * 32, example.lines('{"version"', '"features_write": []}'))
    example.same("last 32 bytes", blake3(config).digest())
    made = {"config/0": config + blake3(config).digest()}
    for name, data in zip(example.words("name"), objects(example), strict=True):
        reader.check(name.endswith(blake3(data).hexdigest()), f"{name} is {blake3(data).hexdigest()}")
        made[name] = data
    for name, data in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    print(f"{len(made)} objects are as the page says")


if __name__ == "__main__":
    main()
