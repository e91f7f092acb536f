#!/usr/bin/env python3
"""Restores the newest snapshot of a lastgood repository, by man/lastgood-repository.5 alone: proof that the page suffices.

Usage: LASTGOOD_PASSWORD=... reader.py REPOSITORY TARGET, which must not exist; files, directories and symbolic links are
restored, and compared with the ids of their chunks; what the manifest says of files with tensors is checked for sense.
Needs blake3, argon2-cffi, cryptography, cbor2, zstandard, Python 3.11.
"""

import io
import json
import math
import os
import re
import struct
import sys
from collections import Counter, namedtuple
from datetime import datetime, timezone
from pathlib import Path

import cbor2
import zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CONFIG, SLOT, DATA, MANIFEST, INDEX, SNAPSHOT = range(1, 7)
FILE, DIRECTORY, SYMLINK = range(3)
HEADER, TAG, TRAILER, CHUNK_MAX = 128, 16, 8, 64 << 20
DIFFERENCE, DIFFERENCES_MAX, DTYPES = 3, 4, 18
DEFAULTS = {1: 0, 2: FILE, 3: False, 4: 0, 9: [0, 0], 12: 0, 14: b"", 17: [], 18: [], 19: False, 20: None, 21: 0}
DEFAULTS[22] = None
FORMAT = {1: None, 2: 0, 3: None, 4: 0, 5: 0, 6: 0, 7: 0}
Header = namedtuple("Header", "type epoch repository salt commitment")
Chunk = namedtuple("Chunk", "id codec stored raw base")
Pack = namedtuple("Pack", "id type epoch salt size chunks")
Tensor = namedtuple("Tensor", "name dtype shape offset length nan infinite constant zero")


class Refused(Exception):
    """The repository breaks a rule of the format, or needs a newer reader."""


def check(condition, what):
    if not condition:
        raise Refused(what)


def derive(context, key):
    return blake3(key, derive_key_context="lastgood 2026 v1 " + context).digest()


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        check(length <= len(self.data) - self.at, "cut short")
        self.at += length
        return self.data[self.at - length : self.at]

    def fields(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def varint(self):
        value, shift, byte = 0, 0, 0x80
        while byte & 0x80:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
        check(value < 1 << 64 and (byte or shift == 7), "a varint has not its shortest form")
        return value

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
        (chunk_id, codec), stored = cursor.fields("<32sB"), cursor.varint()
        check(codec <= DIFFERENCE, f"codec {codec} needs a newer reader")
        raw = cursor.varint() if codec else stored - TAG
        check(TAG <= stored <= CHUNK_MAX + TAG and raw <= CHUNK_MAX, "a chunk is out of bounds")
        base = cursor.take(32) if codec == DIFFERENCE else None
        chunks.append(Chunk(chunk_id, codec, stored, raw, base))
    return chunks


def unzstd(frame, length):
    kind = zstandard.get_frame_parameters(frame)
    check(not kind.dict_id and not kind.has_checksum and kind.window_size <= 1 << 27, "a zstd frame of another kind")
    check(kind.content_size == length > 0, "a zstd frame has another length")
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    data = decoder.decompress(frame)
    check(decoder.eof and not decoder.unused_data and len(data) == length, "not exactly one zstd frame")
    return data


def rotate_upper(elements, width, bits):
    """Rotates the upper 16 bits of every element right, all at once in one long number."""
    pairs = bytearray(len(elements) // width * 2)
    pairs[0::2], pairs[1::2] = elements[width - 2 :: width], elements[width - 1 :: width]
    mask, number = 0xFFFF >> bits, int.from_bytes(pairs, "little")
    low, high = (int.from_bytes(struct.pack("<H", m) * (len(pairs) // 2), "little") for m in (mask, 0xFFFF ^ mask))
    pairs = (number >> bits & low | number << 16 - bits & high).to_bytes(len(pairs), "little")
    elements[width - 2 :: width], elements[width - 1 :: width] = pairs[0::2], pairs[1::2]


def unplane(frame, length):
    cursor = Cursor(frame)
    rotation, width, phase, map_kind, coded = cursor.take(5)
    check(rotation < 16 and width in (2, 4, 8) and phase < width and phase <= length, "planes of an unknown shape")
    check(map_kind < 3 and not coded >> width and cursor.take(3) == bytes(3), "planes with an unknown flag")
    lengths = cursor.fields(f"<{1 + width}I")
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
        rest = (elements[at : at + width] for at in range(0, len(elements), width))
        elements = b"".join(next(rest) if one == "1" else bytes(width) for one in format(bits, f"0{count}b")[::-1])
    return head + elements + tail


def same(x):
    return x


def bf16_f32(x):
    return x << 16


def f32_bf16(x):
    return ((x + 0x7FFF + (x >> 16 & 1)) & 0xFFFF_FFFF) >> 16


def f16_f32(x):
    sign, rest = (x & 0x8000) << 16, x & 0x7FFF
    if rest == 0:
        return sign
    if rest < 0x400:
        highest = rest.bit_length() - 1
        return sign | highest + 103 << 23 | rest << 23 - highest & 0x7FFFFF
    return sign | (rest << 13) + (0x3800_0000 if rest < 0x7C00 else 0x7000_0000)


def f32_f16(x):
    sign, rest = x >> 16 & 0x8000, x & 0x7FFF_FFFF
    if rest < 0x3880_0000:
        m, k = (rest, 125) if rest < 0x80_0000 else ((rest & 0x7F_FFFF) + 0x80_0000, 126 - (rest >> 23))
        return sign | m + 2 ** (k - 1) - 1 + (m >> k & 1) >> k
    if rest < 0x4780_0000:
        return sign | rest - 0x3800_0000 + 0xFFF + (rest >> 13 & 1) >> 13
    return sign | 0x7C00


RELATIONS = [
    ("H", "H", same),
    ("I", "I", same),
    ("Q", "Q", same),
    ("H", "I", bf16_f32),
    ("I", "H", f32_bf16),
    ("H", "I", f16_f32),
    ("I", "H", f32_f16),
    ("H", "H", lambda x: f32_f16(bf16_f32(x))),
    ("H", "H", lambda x: f32_bf16(f16_f32(x))),
]


def undifference(frame, length, base):
    check(frame and frame[0] < len(RELATIONS), "a difference of an unknown relation")
    base_form, form, predict = RELATIONS[frame[0]]
    base_width, width = struct.calcsize("<" + base_form), struct.calcsize("<" + form)
    count, mask = length // width, (1 << 8 * width) - 1
    check((length, len(base)) == (count * width, count * base_width), "a base has other elements")
    check(frame[1:4] == bytes([0, width, 0]), "distances of another shape")
    distances = struct.unpack(f"<{count}{form}", unplane(frame[1:], length))
    elements = struct.unpack(f"<{count}{base_form}", base)
    pairs = zip(elements, distances)
    return struct.pack(f"<{count}{form}", *(predict(x) + (-(z + 1) // 2 if z & 1 else z // 2) & mask for x, z in pairs))


class Repository:
    def __init__(self, root, password):
        self.root = Path(root)
        config = (self.root / "config/0").read_bytes()
        check(blake3(config[:-32]).digest() == config[-32:], "config/0 was changed")
        self.id = read_header(config, len(config) - 32).repository
        self.masters = self.unlock(password)
        self.id_keys = {DATA: derive("id data", self.masters[0]), MANIFEST: derive("id manifest", self.masters[0])}
        config = json.loads(self.open_whole(CONFIG, config[:-32]))
        check(config["version"] == 1 and not config.get("features_read"), "needs a newer reader")
        check(config["id"] == self.id.hex(), "config/0 belongs to another repository")
        self.codecs, self.relations = Counter(), Counter()
        self.load_index()

    def names(self, prefix, form=r"[0-9a-f]{64}"):
        found = (str(path.relative_to(self.root)) for path in (self.root / prefix).rglob("*") if path.is_file())
        return sorted(name for name in found if re.fullmatch(prefix + "/" + form, name))

    def read_named(self, name):
        data = (self.root / name).read_bytes()
        check(blake3(data).hexdigest() == name[-64:], f"{name} is not what its name says")
        return data

    def unlock(self, password):
        tried = 0
        for name in self.names("keys"):
            try:
                data = self.read_named(name)
                header = read_header(data, len(data))
                check(header.type == SLOT, "not a slot")
                if (header.repository, data[HEADER : HEADER + 1]) != (self.id, b"\1") or tried == 20:
                    continue
                tried += 1
                if masters := self.try_slot(header, data, password):
                    return masters
            except (Refused, InvalidTag) as refusal:
                print(f"{name}: {refusal!r}", file=sys.stderr)
        raise Refused("no slot opens with this password")

    def try_slot(self, header, data, password):
        cursor = Cursor(data)
        clear = cursor.take(HEADER + 24)
        kind, memory, passes, lanes, keyring_length, note_length = struct.unpack("<6I", clear[HEADER:])
        sane = 8 << 10 <= memory <= 4 << 20 and 1 <= passes <= 64 and 1 <= lanes <= 16
        check(kind == 1 and sane, "a bad slot")
        secret = hash_secret_raw(password, header.salt, passes, memory, lanes, 32, Type.ID, 0x13)
        if derive("slot commit", secret) != header.commitment:
            return {}
        keyring = AESGCM(derive("slot key", secret)).decrypt(bytes(12), cursor.take(keyring_length), clear)
        check(len(keyring) == 4 + 44 * int.from_bytes(keyring[:4], "little"), "a bad keyring")
        masters = {epoch: master for epoch, master, _ in struct.iter_unpack("<I32sq", keyring[4:])}
        note_key = blake3(header.salt, key=derive("slot note", masters[0])).digest()
        note = json.loads(AESGCM(note_key).decrypt(bytes(12), cursor.take(note_length), b""))
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
        check((header.type, header.repository) == (object_type, self.id), "an object of another type or repository")
        key, commitment = self.object_key(header.type, header.epoch, header.salt)
        check(commitment == header.commitment, "sealed with another key")
        return header, key

    def open_whole(self, object_type, data):
        return AESGCM(self.open_header(object_type, data, len(data))[1]).decrypt(bytes(12), data[HEADER:], b"")

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
                check(chunk.codec != DIFFERENCE or pack.type == DATA, f"{name} has differences")
                self.places.setdefault((pack.type, chunk.id), []).append((name, key, number, at, chunk))
                at += chunk.stored
        print(f"{len(packs)} packs, {len(tables)} of them indexed, {len(self.places)} chunks")

    def check_pack(self, name):
        data = self.read_named(name)
        header, key = self.open_header(data[9], data, len(data))
        footer_length, mark = struct.unpack("<I4s", data[-TRAILER:])
        footer_at, end = len(data) - TRAILER - footer_length, len(data) - TRAILER
        check(header.type in (DATA, MANIFEST) and mark == b"LGPE" and len(data) <= 1 << 30, f"{name} is no pack")
        check(HEADER + TAG <= footer_at <= end - TAG, f"{name} has wrong lengths")
        footer = AESGCM(key).decrypt(b"\2" + bytes(11), data[footer_at:end], b"f" + struct.pack("<Q", len(data)))
        chunks = read_table(cursor := Cursor(footer))
        padding_at = HEADER + sum(chunk.stored for chunk in chunks)
        check(padding_at + TAG <= footer_at and len(footer) == -cursor.at % 1024 + cursor.at, f"{name} has wrong lengths")
        padding = AESGCM(key).decrypt(b"\3" + bytes(11), data[padding_at:footer_at], b"p")
        check(not any(padding + footer[cursor.at :]), f"{name} has a wrong footer or padding")
        return Pack(bytes.fromhex(name[-64:]), header.type, header.epoch, header.salt, len(data), chunks)

    def chunk(self, realm, chunk_id, differences=DIFFERENCES_MAX):
        """The plaintext of a chunk, from the first copy that is good: those that are no differences come first."""
        copies = sorted(self.places.get((realm, chunk_id), ()), key=lambda place: place[-1].codec == DIFFERENCE)
        refusal = Refused(f"no pack has chunk {chunk_id.hex()}")
        for place in copies:
            try:
                return self.copy(realm, place, differences)
            except (Refused, InvalidTag) as why:
                refusal = why
                print(f"chunk {chunk_id.hex()} in {place[0]}: {why!r}", file=sys.stderr)
        raise refusal

    def copy(self, realm, place, differences):
        name, key, number, at, chunk = place
        chunk_id, base = chunk.id, b""
        if chunk.codec == DIFFERENCE:
            check(differences > 0, "too many differences in a row")
            base = self.chunk(realm, chunk.base, differences - 1)
        with open(self.root / name, "rb") as pack:
            frame = os.pread(pack.fileno(), chunk.stored, at)
        place = struct.pack("<I", number)
        associated = b"c" + place + chunk_id + bytes([chunk.codec]) + struct.pack("<I", chunk.raw)
        coded = AESGCM(key).decrypt(b"\1" + bytes(7) + place, frame, associated)
        if chunk.codec == DIFFERENCE:
            data = undifference(coded, chunk.raw, base)
            self.relations[coded[0]] += 1
        else:
            data = coded if chunk.codec == 0 else (unzstd, unplane)[chunk.codec - 1](coded, chunk.raw)
        check(len(data) == chunk.raw and self.chunk_id(realm, data) == chunk_id, f"chunk {chunk_id.hex()} is damaged")
        self.codecs[chunk.codec] += 1
        return data

    def chunk_id(self, realm, data):
        return blake3(data, key=self.id_keys[realm]).digest()

    def snapshots(self):
        found = {}
        for name in self.names("snapshots", r"[0-9]{8}T[0-9]{12}Z-[0-9a-f]{64}"):
            snapshot = json.loads(self.open_whole(SNAPSHOT, self.read_named(name)))
            time = datetime.fromisoformat(snapshot["time"]).astimezone(timezone.utc)
            check(name.startswith(f"snapshots/{time:%Y%m%dT%H%M%S%f}Z-"), f"{name} has another time than its name says")
            found[name[-64:]] = snapshot
        return found

    def array(self, chunk_id):
        """The one CBOR array that a chunk of the realm manifest is."""
        data = self.chunk(MANIFEST, chunk_id)
        array = cbor2.load(stream := io.BytesIO(data))
        check(isinstance(array, list) and stream.tell() == len(data), f"{chunk_id.hex()} is not one array")
        return array

    def pages(self, tree):
        return self.array(bytes.fromhex(tree))

    def entries(self, tree):
        last = None
        for page_id, first, count, *_ in self.pages(tree):
            page, path, entries = self.chunk(MANIFEST, page_id), b"", []
            stream = io.BytesIO(page)
            while stream.tell() < len(page):
                entry = DEFAULTS | cbor2.load(stream)
                check(entry[1] <= len(path), "an entry shares more than there is")
                path = path[: entry[1]] + entry[0]
                names = path.split(b"/") if path else []
                check(not any(name in (b"", b".", b"..") or b"\0" in name for name in names), f"a bad path: {path}")
                check(last is None or last < names, f"{path} is out of order")
                last = names
                entries.append((path, entry))
            check(entries and (entries[0][0], len(entries)) == (first, count), "a page is not as the root says")
            yield from entries

    def content(self, entry):
        ids = entry[18]
        if entry[19]:
            lists = b"".join(self.chunk(MANIFEST, list_id) for list_id in ids)
            ids = [lists[at : at + 32] for at in range(0, len(lists), 32)]
        return ((chunk_id, self.chunk(DATA, chunk_id)) for chunk_id in ids)


def product(shape):
    return min(math.prod(shape), 2**64 - 1)


def kind_of(tensors):
    largest = min(tensors, key=lambda tensor: (-product(tensor.shape), tensor.name.encode()))
    return int.from_bytes(blake3(f"{largest.name} {largest.shape}".encode()).digest()[:8], "little")


def check_format(repository, path, entry):
    """What key 22 and the details chunk say of a file must fit together; gives what the models list has of it."""
    about = FORMAT | entry[22]
    check(isinstance(about[0], str) and about[0] and entry[2] == FILE, f"{path}: no format of a file")
    check(about[1] is None or isinstance(about[1], str) and not about[2], f"{path}: broken, but has tensors")
    if about[3] is None:
        check(not about[2] or about[2] >= 1 << 18, f"{path}: tensors without details")
        return None
    tensors, end = [Tensor(*fields[:9]) for fields in repository.array(about[3])], 0
    for tensor in tensors:
        name, dtype, shape, offset, length, nan, infinite, constant, zero = tensor
        check(isinstance(name, str) and all(isinstance(side, int) for side in shape), f"{path}: a strange tensor")
        check(0 <= dtype < DTYPES and end <= offset, f"{path}: {name} overlaps, or its dtype needs a newer reader")
        check(nan + infinite <= length and isinstance(constant, bool) and isinstance(zero, bool), f"{path}: {name}")
        check(not zero or nan == infinite == 0 < length, f"{path}: {name} is zero, and is not")
        check(not constant or dtype in (*range(1, 7), 16, 17), f"{path}: {name} is constant, and no float")
        end = offset + length
    check(tensors and end <= entry[12], f"{path} is shorter than its tensors, or has none")
    sums = [len(tensors), sum(t.nan + t.infinite for t in tensors if t.shape or t.nan), sum(t.constant for t in tensors)]
    check(sums == [about[2], about[4], about[5]], f"{path}: its sums are wrong")
    check(min(sum(product(t.shape) for t in tensors), 2**64 - 1) == about[6], f"{path}: other elements")
    check(kind_of(tensors) == about[7], f"{path}: of another kind")
    return [path, about[3], entry[9][0], about[7]]


def check_models(repository, snapshot):
    entries = repository.entries(snapshot["tree"])
    models = [check_format(repository, path, entry) for path, entry in entries if entry[22] is not None]
    found = [model for model in models if model]
    listed = repository.array(bytes.fromhex(snapshot["models"])) if snapshot.get("models") else []
    check([list(model[:4]) for model in listed] == found, "the models list is not what the entries say")
    checkpoints = snapshot.get("checkpoints", [])
    fields = {"path": str, "framework": str, "complete": bool, "faults": list, "metrics": dict, "newest": bool}
    for checkpoint in checkpoints:
        for field, sort in fields.items():
            check(isinstance(checkpoint.get(field, sort()), sort), f"a checkpoint with a strange {field}")
    print(f"{len(models)} files of known formats, {len(found)} with tensors, {len(checkpoints)} checkpoints")


def write_file(repository, entry, path):
    size, at, written = entry[12], 0, []
    chunks = repository.content(entry)
    with open(path, "x+b") as file:
        for offset, length in entry[17] + [[size, 0]]:
            while at < offset:
                chunk_id, data = next(chunks, (None, b""))
                check(data, f"{path} has too few chunks")
                os.pwrite(file.fileno(), data, at)
                written.append((at, len(data), chunk_id))
                at += len(data)
            check(at == offset and at + length <= size, f"{path}: its holes and chunks do not fit")
            at += length
        check(next(chunks, None) is None, f"{path} has too many chunks")
        file.truncate(size)
        for at, length, chunk_id in written:
            data = os.pread(file.fileno(), length, at)
            check(repository.chunk_id(DATA, data) == chunk_id, f"{path} is not what was written")


def restore(repository, tree, target):
    target, directories, done, counts = os.fsencode(target), set(), [], Counter()
    os.mkdir(target)
    for name, entry in repository.entries(tree):
        kind, path, fault = entry[2], os.path.join(target, name), entry[20]
        if entry[21] == 1:
            continue
        check(not name or name.rpartition(b"/")[0] in directories, f"{name} is below something else than a directory")
        if kind == DIRECTORY:
            directories.add(name)
            os.makedirs(path, exist_ok=not name)
        elif kind == SYMLINK:
            os.symlink(entry[14], path)
        elif kind == FILE and not (fault and fault[0]):
            write_file(repository, entry, path)
        else:
            check(kind <= 6, f"entries of kind {kind} need a newer reader")
            print(f"not restored: {name} (kind {kind})")
            continue
        counts += Counter({("files", "directories", "symbolic links")[kind]: 1, "bytes": entry[12]})
        done += [(path, entry)] if kind != SYMLINK and not entry[3] else []
    for path, entry in reversed(done):
        os.chmod(path, entry[4])
        os.utime(path, ns=(entry[9][0] * 10**9 + entry[9][1],) * 2)
    return counts


def main():
    if len(sys.argv) != 3 or "LASTGOOD_PASSWORD" not in os.environ:
        sys.exit(__doc__)
    try:
        repository = Repository(sys.argv[1], os.environb[b"LASTGOOD_PASSWORD"])
        check(snapshots := repository.snapshots(), "there is no snapshot")
        for snapshot_id, snapshot in snapshots.items():
            print(snapshot_id[:8], snapshot["time"], snapshot["hostname"], *snapshot["paths"])
        check_models(repository, snapshot)
        print("restored and compared:", dict(restore(repository, snapshot["tree"], sys.argv[2])))
        print("chunks read of codecs", *sorted(repository.codecs))
        print("differences read of relations", *sorted(repository.relations))
    except (Refused, InvalidTag) as refusal:
        sys.exit(f"reader: {refusal!r}")


if __name__ == "__main__":
    main()
