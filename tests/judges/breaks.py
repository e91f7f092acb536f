"""Ways to damage a file, as crashes, full disks and torn copies do."""

import json
import pickle
import struct
import zipfile
from pathlib import Path


def lose(path):
    path.unlink()


def half(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path):
    with open(path, "r+b") as file:
        file.truncate(0)


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def unfinished(ending):
    """Leaves the file under the name that it has while it is written."""
    return lambda path: path.rename(path.with_name(path.name + ending))


def becomes(name):
    return lambda path: path.rename(path.with_name(name))


def says(text):
    return lambda path: path.write_text(text)


def promise_safetensors(path):
    """The last tensor is said to be twice as long."""
    data = path.read_bytes()
    [length] = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    last = max((value for name, value in header.items() if name != "__metadata__"), key=lambda value: value["data_offsets"])
    begin, end = last["data_offsets"]
    last["shape"][0] *= 2
    last["data_offsets"] = [begin, end + end - begin]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def promise_torch(path):
    """The archive is sound, but a storage in it is shorter than its tensor."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    name = max((name for name in parts if "/data/" in name), key=lambda name: len(parts[name]))
    parts[name] = parts[name][: len(parts[name]) // 2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def promise_gguf(path):
    """The last tensor is said to have four times as many rows."""
    data = bytearray(path.read_bytes())
    at = data.index(b"lm_head.weight") + len(b"lm_head.weight") + 4 + 8
    data[at : at + 8] = struct.pack("<Q", 4 * struct.unpack("<Q", data[at : at + 8])[0])
    path.write_bytes(data)


def promise_shard(path):
    """The index names one more shard."""
    index = json.loads(path.read_text())
    index["weight_map"]["more.weight"] = "model-00004-of-00004.safetensors"
    path.write_text(json.dumps(index))


def promise_dcp(path):
    """The metadata say that a tensor is longer than its file."""
    metadata = pickle.loads(path.read_bytes())
    max(metadata.storage_data.values(), key=lambda place: place.offset).length += 1 << 20
    path.write_bytes(pickle.dumps(metadata))


def at(name, *breaks):
    """Breaks a file of the run."""

    def go(run):
        found = sorted(run.glob(name))
        if len(found) != 1:
            raise ValueError(f"{name} is {found}")
        for one in breaks:
            one(Path(found[0]))

    return go
