#!/usr/bin/env python3
"""Restores the newest snapshot of a lastgood repository, written from man/lastgood-repository.5 alone: proof that the page suffices.

Usage: LASTGOOD_PASSWORD=... reader.py REPOSITORY TARGET
Needs the packages blake3, argon2-cffi, cryptography, cbor2 and zstandard. Checks every object and chunk, and reads what it
wrote to TARGET again to compare it. Restores files, directories and symbolic links with modes and times; names the rest.
"""

import io
import json
import os
import re
import struct
import sys
from collections import namedtuple
from datetime import datetime, timezone
from pathlib import Path

import argon2.low_level
import cbor2
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CONFIG, SLOT, DATA, MANIFEST, INDEX, SNAPSHOT = range(1, 7)
FILE, DIRECTORY, SYMLINK = range(3)
HEADER, TAG, CHUNK_MAX = 128, 16, 64 << 20

DEFAULTS = {1: 0, 2: FILE, 3: False, 4: 0, 9: [0, 0], 12: 0, 14: b"", 17: [], 18: [], 19: False, 20: None}

Header = namedtuple("Header", "type epoch repository salt commitment")
Chunk = namedtuple("Chunk", "id codec stored raw")
Pack = namedtuple("Pack", "id type epoch salt size chunks")


class Refused(Exception):
    """The repository breaks a rule of the format, or needs a newer reader."""


def check(condition, what):
    if not condition:
        raise Refused(what)


def derive(context, key):
    return blake3(key, derive_key_context="lastgood 2026 v1 " + context).digest()


def unseal(key, nonce, associated, sealed):
    try:
        return AESGCM(key).decrypt(nonce, bytes(sealed), associated)
    except InvalidTag:
        raise Refused("sealed bytes were changed") from None


class Cursor:
    """Takes fields from the front of a byte string."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        check(length <= len(self.data) - self.at, "cut short")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = 0
        for shift in range(0, 64, 7):
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                check(value < 1 << 64 and (byte or not shift), "a varint has not its shortest form")
                return value
        raise Refused("a varint is too long")

    def ended(self):
        return self.at == len(self.data)


def read_header(data, size):
    check(data[:8] == b"LASTGOOD", "not an object of lastgood")
    check(blake3(data[:112]).digest(8) == data[112:120], "a header was changed")
    fields = struct.unpack("<8s4BI32s32s32s8sQ", data[:HEADER])
    check(fields[1] == 1 and fields[3:5] == (1, 0), "needs a newer reader")
    check(fields[-1] == size - HEADER, "an object has another length than it says")
    return Header(fields[2], *fields[5:9])


def read_table(cursor):
    chunks, count = [], cursor.varint()
    check(count <= 1 << 20, "too many chunks in a pack")
    for _ in range(count):
        chunk_id, codec, stored = cursor.take(32), cursor.number("B"), cursor.varint()
        check(codec <= 2, f"codec {codec} needs a newer reader")
        raw = cursor.varint() if codec else stored - TAG
        check(TAG <= stored <= CHUNK_MAX + TAG and raw <= CHUNK_MAX, "a chunk is out of bounds")
        chunks.append(Chunk(chunk_id, codec, stored, raw))
    return chunks


# ---- codecs


def unzstd(frame, length):
    kind = zstandard.get_frame_parameters(frame)
    plain = kind.content_size == length > 0 and not kind.dict_id and not kind.has_checksum and kind.window_size <= 1 << 27
    check(plain, "a zstd frame of another kind than the format has")
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    data = decoder.decompress(frame)
    check(decoder.eof and not decoder.unused_data and len(data) == length, "not exactly one zstd frame")
    return data


def rotate_upper(elements, width, bits):
    """Rotates the upper 16 bits of every element right, all at once in one long number."""
    pairs = bytearray(len(elements) // width * 2)
    pairs[0::2], pairs[1::2] = elements[width - 2 :: width], elements[width - 1 :: width]
    low = int.from_bytes(struct.pack("<H", 0xFFFF >> bits) * (len(pairs) // 2), "little")
    high = int.from_bytes(struct.pack("<H", 0xFFFF << 16 - bits & 0xFFFF) * (len(pairs) // 2), "little")
    number = int.from_bytes(pairs, "little")
    pairs = (number >> bits & low | number << 16 - bits & high).to_bytes(len(pairs), "little")
    elements[width - 2 :: width], elements[width - 1 :: width] = pairs[0::2], pairs[1::2]


def unplane(frame, length):
    cursor = Cursor(frame)
    rotation, width, phase, map_kind, coded = cursor.take(5)
    check(rotation < 16 and width in (2, 4, 8) and phase < width and phase <= length, "planes of an unknown shape")
    check(map_kind < 3 and not coded >> width and cursor.take(3) == bytes(3), "planes with an unknown flag")
    lengths = [cursor.number("I") for _ in range(1 + width)]
    count, tail_length = divmod(length - phase, width)
    head, tail = cursor.take(phase), cursor.take(tail_length)

    def section(which, is_coded, raw):
        data = cursor.take(lengths[which])
        data = unzstd(data, raw) if is_coded else data
        check(len(data) == raw, "a plane has a wrong length")
        return data

    bits = int.from_bytes(section(0, map_kind == 2, (count + 7) // 8 if map_kind else 0), "little")
    check(not map_kind or count and not bits >> count, "a zero map has bits beyond its elements")
    kept = bits.bit_count() if map_kind else count
    elements = bytearray(kept * width)
    for j in range(width):
        elements[j::width] = section(1 + j, coded >> j & 1, kept)
    check(cursor.ended(), "something follows the planes")
    rotate_upper(elements, width, rotation)
    if map_kind:
        parts, at, zero = [], 0, bytes(width)
        for flag in format(bits, f"0{count}b")[::-1]:
            parts.append(elements[at : at + width] if flag == "1" else zero)
            at += width * (flag == "1")
        elements = b"".join(parts)
    return head + elements + tail


DECODERS = [lambda coded, length: coded, unzstd, unplane]


# ---- repository


class Repository:
    def __init__(self, root, password):
        self.root = Path(root)
        config = (self.root / "config/0").read_bytes()
        check(blake3(config[:-32]).digest() == config[-32:], "config/0 was changed")
        self.id = read_header(config, len(config) - 32).repository
        self.masters = self.unlock(password)
        first = self.masters[0]
        self.id_keys = {DATA: derive("id data", first), MANIFEST: derive("id manifest", first)}
        self.config = json.loads(self.open_whole(CONFIG, config[:-32]))
        check(self.config["version"] == 1 and self.config["cut"]["version"] == 1, "needs a newer reader")
        check(not self.config["features_read"], f"needs a newer reader: {self.config['features_read']}")
        check(self.config["id"] == self.id.hex(), "config/0 belongs to another repository")
        self.load_index()

    def names(self, prefix, form=r"[0-9a-f]{64}"):
        found = (str(path.relative_to(self.root)) for path in (self.root / prefix).rglob("*") if path.is_file())
        return sorted(name for name in found if re.fullmatch(prefix + "/" + form, name))

    def read_named(self, name):
        data = (self.root / name).read_bytes()
        check(blake3(data).hexdigest() == name[-64:], f"{name} is not what its name says")
        return data

    def unlock(self, password):
        for name in self.names("keys")[:20]:
            try:
                if masters := self.try_slot(self.read_named(name), password):
                    return masters
            except Refused as refusal:
                print(f"{name}: {refusal}", file=sys.stderr)
        raise Refused("no slot opens with this password")

    def try_slot(self, data, password):
        header, cursor = read_header(data, len(data)), Cursor(data)
        clear = cursor.take(HEADER + 24)
        kind, zero, memory, passes, lanes, keyring_length, note_length = struct.unpack("<B3s5I", clear[HEADER:])
        if header.repository != self.id or kind != 1:
            return {}
        sane = 8 << 10 <= memory <= 4 << 20 and 1 <= passes <= 64 and 1 <= lanes <= 16
        check(header.type == SLOT and sane and not any(zero), "a bad slot")
        argon2id = argon2.low_level.Type.ID
        secret = argon2.low_level.hash_secret_raw(password, header.salt, passes, memory, lanes, 32, argon2id, 0x13)
        if derive("slot commit", secret) != header.commitment:
            return {}
        keyring = Cursor(unseal(derive("slot key", secret), bytes(12), clear, cursor.take(keyring_length)))
        epochs = [(keyring.number("I"), keyring.take(32), keyring.number("q")) for _ in range(keyring.number("I"))]
        masters = {number: key for number, key, _ in epochs}
        check(keyring.ended() and 0 in masters, "a bad keyring")
        note_key = blake3(header.salt, key=derive("slot note", masters[0])).digest()
        note = json.loads(unseal(note_key, bytes(12), b"", cursor.take(note_length)))
        check(cursor.ended(), "something follows a slot")
        print(f"opened with the key of {note['username']}@{note['hostname']}")
        return masters

    def object_key(self, object_type, epoch, salt):
        check(epoch in self.masters, "sealed with another master key")
        prefix = b"LASTGOOD" + bytes([1, object_type, 1, 0]) + struct.pack("<I", epoch) + self.id + salt
        okm = blake3(prefix, key=derive(f"object {object_type}", self.masters[epoch])).digest(64)
        return okm[:32], okm[32:]

    def open_header(self, object_type, data, size):
        header = read_header(data, size)
        check(header.type == object_type, "an object of another type")
        check(header.repository == self.id, "an object of another repository")
        key, commitment = self.object_key(header.type, header.epoch, header.salt)
        check(commitment == header.commitment, "sealed with another key")
        return header, key

    def open_whole(self, object_type, data):
        return unseal(self.open_header(object_type, data, len(data))[1], bytes(12), b"", data[HEADER:])

    def load_index(self):
        tables, self.places = {}, {}
        for name in self.names("index"):
            cursor = Cursor(self.open_whole(INDEX, self.read_named(name)))
            for _ in range(cursor.varint()):
                pack = Pack(*cursor.fields("<32sBI32s"), cursor.varint(), read_table(cursor))
                check(tables.setdefault(pack.id, pack) == pack, "two index pages do not agree")
            check(cursor.ended(), "something follows an index page")
        packs = self.names("packs", r"([0-9a-f]{2})/\1[0-9a-f]{62}")
        for name in packs:
            pack = self.check_pack(name)
            check(tables.get(pack.id, pack) == pack, "an index page and a footer do not agree")
            key, at = self.object_key(pack.type, pack.epoch, pack.salt)[0], HEADER
            for number, chunk in enumerate(pack.chunks):
                self.places.setdefault((pack.type, chunk.id), (name, key, number, at, chunk))
                at += chunk.stored
        print(f"{len(packs)} packs, {len(tables)} of them indexed, {len(self.places)} chunks")

    def check_pack(self, name):
        """Checks the hash, header, padding and footer of a pack, and gives what its footer says."""
        data = self.read_named(name)
        header, key = self.open_header(data[9], data, len(data))
        check(header.type in (DATA, MANIFEST) and data[-4:] == b"LGPE", f"{name} is no pack")
        footer_length, frames = struct.unpack("<IQ", data[-16:-4])
        footer_at = len(data) - 16 - footer_length
        check(footer_at >= HEADER + frames + TAG, f"{name} has wrong lengths")
        check(not any(unseal(key, b"\3" + bytes(11), b"p", data[HEADER + frames : footer_at])), "padding is not zero")
        footer = unseal(key, b"\2" + bytes(11), b"f" + struct.pack("<Q", frames), data[footer_at:-16])
        cursor = Cursor(footer)
        chunks = read_table(cursor)
        check(not any(footer[cursor.at :]) and sum(chunk.stored for chunk in chunks) == frames, f"{name} has a wrong footer")
        return Pack(bytes.fromhex(name[-64:]), header.type, header.epoch, header.salt, len(data), chunks)

    def chunk(self, realm, chunk_id):
        check((realm, chunk_id) in self.places, f"no pack has chunk {chunk_id.hex()}")
        name, key, number, at, chunk = self.places[realm, chunk_id]
        with open(self.root / name, "rb") as pack:
            pack.seek(at)
            frame = pack.read(chunk.stored)
        place = struct.pack("<I", number)
        associated = b"c" + place + chunk_id + bytes([chunk.codec]) + struct.pack("<I", chunk.raw)
        data = DECODERS[chunk.codec](unseal(key, b"\1" + bytes(7) + place, associated, frame), chunk.raw)
        check((len(data), self.chunk_id(realm, data)) == (chunk.raw, chunk_id), f"chunk {chunk_id.hex()} has other bytes")
        return data

    def chunk_id(self, realm, data):
        return blake3(data, key=self.id_keys[realm]).digest()

    def snapshots(self):
        """All snapshots by their ids, oldest first, as their names sort."""
        found = {}
        for name in self.names("snapshots", r"[0-9]{8}T[0-9]{12}Z-[0-9a-f]{64}"):
            snapshot = json.loads(self.open_whole(SNAPSHOT, self.read_named(name)))
            time = datetime.fromisoformat(snapshot["time"]).astimezone(timezone.utc)
            check(name.startswith(f"snapshots/{time:%Y%m%dT%H%M%S%f}Z-"), f"{name} has another time than its name says")
            found[name[-64:]] = snapshot
        return found

    def entries(self, tree):
        last_order, number = None, 0
        for page_id, first, count in cbor2.loads(self.chunk(MANIFEST, bytes.fromhex(tree))):
            page, path, before = self.chunk(MANIFEST, page_id), b"", number
            stream = io.BytesIO(page)
            while stream.tell() < len(page):
                entry = DEFAULTS | cbor2.load(stream)
                check(entry[1] <= len(path), "an entry shares more than there is")
                path = path[: entry[1]] + entry[0]
                check(number > before or path == first, "a page begins with another entry than the root says")
                names = path.split(b"/") if path else []
                check(not any(name in (b"", b".", b"..") or b"\0" in name for name in names), f"a bad path: {path}")
                check(last_order is None or last_order < names, f"{path} is out of order")
                last_order, number = names, number + 1
                yield path, entry
            check(number - before == count, "a page has another number of entries than the root says")

    def file_chunks(self, entry):
        if not entry[19]:
            return entry[18]
        lists = b"".join(self.chunk(MANIFEST, list_id) for list_id in entry[18])
        return [lists[at : at + 32] for at in range(0, len(lists), 32)]


# ---- restoring


def write_file(repository, entry, path):
    size, at, written = entry[12], 0, []
    ids = iter(repository.file_chunks(entry))
    with open(path, "x+b") as file:
        for offset, length in entry[17] + [[size, 0]]:
            while at < offset:
                chunk_id = next(ids, None)
                check(chunk_id, f"{path} has too few chunks")
                data = repository.chunk(DATA, chunk_id)
                file.seek(at)
                file.write(data)
                written.append((at, len(data), chunk_id))
                at += len(data)
            check(at == offset and at + length <= size, f"{path}: holes and chunks do not fit")
            at += length
        check(next(ids, None) is None, f"{path} has too many chunks")
        file.truncate(size)
        for at, length, chunk_id in written:
            file.seek(at)
            check(repository.chunk_id(DATA, file.read(length)) == chunk_id, f"{path} is not what was written")


def set_metadata(path, entry):
    os.chmod(path, entry[4])
    nanos = entry[9][0] * 10**9 + entry[9][1]
    os.utime(path, ns=(nanos, nanos))


def restore(repository, snapshot, target):
    target, directories, counts = os.fsencode(target), {}, {"files": 0, "links": 0, "others": 0, "bytes": 0}
    os.makedirs(target, exist_ok=True)
    check(not os.listdir(target), "the target is not empty")
    for name, entry in repository.entries(snapshot["tree"]):
        kind, path, lost = entry[2], os.path.join(target, name), entry[20] and entry[20][0]
        # What is below a symbolic link is refused here too.
        check(not name or name.rpartition(b"/")[0] in directories, f"{name} has no directory")
        check(kind <= 6, f"entries of kind {kind} need a newer reader")
        if kind == DIRECTORY:
            directories[name] = entry
            os.makedirs(path, exist_ok=not name)
        elif kind == SYMLINK:
            os.symlink(entry[14], path)
            counts["links"] += 1
        elif kind == FILE and not lost:
            write_file(repository, entry, path)
            set_metadata(path, entry)
            counts["files"] += 1
            counts["bytes"] += entry[12]
        else:
            print(f"not restored: {name} (kind {kind})")
            counts["others"] += 1
    for name, entry in reversed(directories.items()):
        if not entry[3]:
            set_metadata(os.path.join(target, name), entry)
    return counts | {"directories": len(directories)}


def main():
    if len(sys.argv) != 3 or "LASTGOOD_PASSWORD" not in os.environ:
        sys.exit(__doc__)
    try:
        repository = Repository(sys.argv[1], os.environb[b"LASTGOOD_PASSWORD"])
        snapshots = repository.snapshots()
        for snapshot_id, snapshot in snapshots.items():
            print(snapshot_id[:8], snapshot["time"], snapshot["hostname"], *snapshot["paths"])
        check(snapshots, "there is no snapshot")
        counts = restore(repository, snapshot, sys.argv[2])
        print("restored and compared:", ", ".join(f"{count} {what}" for what, count in counts.items()))
    except Refused as refusal:
        sys.exit(f"reader: {refusal}")


if __name__ == "__main__":
    main()
