"""Every library: writes the tensors of one step into a folder, and reads them from there."""

import json

import gguf
import h5py
import numpy
import onnx
import pyarrow
import pyarrow.parquet
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp

# Libraries without bf16, bool or the like get what they can hold.
PLAIN = {"float16", "float32", "float64", "int64", "uint8"}


def arrays(state, kinds=PLAIN):
    return {name: value.numpy() for name, value in state.items() if str(value.dtype).removeprefix("torch.") in kinds}


class Safetensors:
    """One file of safetensors."""

    def write(self, folder, state):
        safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return state

    def read(self, folder):
        return safetensors.torch.load_file(folder / "model.safetensors")


class Sharded:
    """Two shards of safetensors, and the index that names them."""

    def write(self, folder, state):
        names = sorted(state)
        halves = [names[::2], names[1::2]]
        shards = {f"model-{number:05}-of-00002.safetensors": half for number, half in enumerate(halves, 1)}
        for shard, half in shards.items():
            safetensors.torch.save_file({name: state[name] for name in half}, folder / shard, metadata={"format": "pt"})
        size = sum(value.nbytes for value in state.values())
        places = {name: shard for shard, half in shards.items() for name in half}
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True))
        (folder / "config.json").write_text('{"model_type": "llama"}')
        return state

    def read(self, folder):
        index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
        shards = {shard: safetensors.torch.load_file(folder / shard) for shard in set(index.values())}
        return {name: shards[shard][name] for name, shard in index.items()}


class Torch:
    """torch.save of all types, nested, with tensors that share storage."""

    def write(self, folder, state):
        whole = state["embed.weight"]
        views = {"head": whole, "rows": whole[10:20], "turned": whole.t()}
        state = {"module": state, "tied": views, "list": [state["layers.1.weight"], (1, "a", None)], "step": 7}
        torch.save(state, folder / "model.pt")
        return state

    def read(self, folder):
        found = torch.load(folder / "model.pt", weights_only=True)
        if found["tied"]["head"].data_ptr() != found["tied"]["turned"].data_ptr():
            raise ValueError("tied tensors came back apart")
        return found


class TorchOld:
    """torch.save as before version 1.6: no archive."""

    def write(self, folder, state):
        torch.save(state, folder / "model.bin", _use_new_zipfile_serialization=False)
        return state

    def read(self, folder):
        return torch.load(folder / "model.bin", weights_only=True)


class Distributed:
    """torch.distributed.checkpoint of one process."""

    def write(self, folder, state):
        self.like = {name: torch.zeros_like(value) for name, value in state.items()}
        dcp.save({"model": state, "step": 7}, checkpoint_id=folder / "dcp", no_dist=True)
        return {"model": state, "step": 7}

    def read(self, folder):
        found = {"model": self.like, "step": 0}
        dcp.load(found, checkpoint_id=folder / "dcp", no_dist=True)
        return found


class Gguf:
    """GGUF with plain, bf16 and quantized tensors."""

    QUANTIZED = {"Q8_0", "Q4_0"}

    def write(self, folder, state):
        plain = {name: value for name, value in arrays(state, {"float16", "float32"}).items() if value.size}
        writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
        writer.add_uint32("llama.block_count", 2)
        for name, value in plain.items():
            writer.add_tensor(name, value)
        written = dict(plain)
        for kind in [gguf.GGMLQuantizationType.BF16, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0]:
            packed = gguf.quants.quantize(plain["embed.weight"], kind)
            writer.add_tensor(f"embed.{kind.name}", packed, raw_dtype=kind)
            written[f"embed.{kind.name}"] = packed
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return written

    def read(self, folder):
        return {str(found.name): numpy.array(found.data) for found in gguf.GGUFReader(folder / "model.gguf").tensors}


class Npy:
    """A .npy file for each tensor, one of them in the order of Fortran."""

    def write(self, folder, state):
        state = arrays(state) | {"fortran": numpy.asfortranarray(state["embed.weight"].numpy())}
        for name, value in state.items():
            numpy.save(folder / f"{name}.npy", value)
        return state

    def read(self, folder):
        return {path.name.removesuffix(".npy"): numpy.load(path) for path in sorted(folder.glob("*.npy"))}


class Npz:
    """An archive of .npy files."""

    def write(self, folder, state):
        numpy.savez(folder / "model.npz", **arrays(state))
        return arrays(state)

    def read(self, folder):
        with numpy.load(folder / "model.npz") as found:
            return dict(found)


class NpzPacked(Npz):
    """The same, compressed: nothing can be gained, and nothing must be lost."""

    def write(self, folder, state):
        numpy.savez_compressed(folder / "model.npz", **arrays(state))
        return arrays(state)


class Hdf5:
    """HDF5 with groups; one data set is in compressed pieces."""

    def write(self, folder, state):
        with h5py.File(folder / "model.h5", "w") as file:
            for name, value in arrays(state).items():
                file.create_dataset(name.replace(".", "/"), data=value)
            file.create_dataset("packed", data=state["embed.weight"].numpy(), chunks=(100, 256), compression="gzip")
        return {name.replace(".", "/"): value for name, value in arrays(state).items()} | {
            "packed": state["embed.weight"].numpy()
        }

    def read(self, folder):
        found = {}
        with h5py.File(folder / "model.h5") as file:
            file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
        return found


class Parquet:
    """Parquet with a column of numbers and one of lists."""

    def write(self, folder, state):
        rows = state["embed.weight"].numpy()
        lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), rows.shape[1])
        table = pyarrow.table({"id": pyarrow.array(range(len(rows))), "vector": lists})
        pyarrow.parquet.write_table(table, folder / "train.parquet", compression="none", use_dictionary=False)
        return {"vector": rows}

    def read(self, folder):
        table = pyarrow.parquet.read_table(folder / "train.parquet")
        return {"vector": numpy.stack(table["vector"].combine_chunks().flatten().to_numpy().reshape(len(table), -1))}


class Onnx:
    """ONNX with the weights in the model."""

    def model(self, state):
        weights = [onnx.numpy_helper.from_array(value, name) for name, value in arrays(state).items()]
        ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [256]) for name in "xy"]
        node = onnx.helper.make_node("Identity", ["x"], ["y"])
        return onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:], initializer=weights))

    def write(self, folder, state):
        onnx.save(self.model(state), folder / "model.onnx")
        return arrays(state)

    def read(self, folder):
        model = onnx.load(folder / "model.onnx")
        onnx.checker.check_model(model)
        return {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}


class OnnxBeside(Onnx):
    """ONNX with the weights in a file beside it."""

    def write(self, folder, state):
        onnx.save(self.model(state), folder / "model.onnx", save_as_external_data=True, location="model.onnx.data")
        return arrays(state)


class Training:
    """The states of a model with tied weights, of its optimizer and of the random numbers, as programs save them."""

    def write(self, folder, step):
        model, optimizer, scheduler = step
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "rng": torch.get_rng_state(),
        }
        torch.save(state, folder / "last.ckpt")
        # What is compared later must not go on training.
        return torch.load(folder / "last.ckpt", weights_only=False)

    def read(self, folder):
        found = torch.load(folder / "last.ckpt", weights_only=True)
        if found["model"]["0.weight"].data_ptr() != found["model"]["tied.weight"].data_ptr():
            raise ValueError("tied weights came back apart")
        model = torch.nn.Linear(1, 1)
        model.weight, model.bias = (torch.nn.Parameter(found["model"][f"0.{name}"]) for name in ("weight", "bias"))
        return found


ALL = {
    "safetensors": Safetensors(),
    "safetensors in shards": Sharded(),
    "torch": Torch(),
    "torch before 1.6": TorchOld(),
    "torch training": Training(),
    "torch distributed": Distributed(),
    "gguf": Gguf(),
    "npy": Npy(),
    "npz": Npz(),
    "npz compressed": NpzPacked(),
    "hdf5": Hdf5(),
    "parquet": Parquet(),
    "onnx": Onnx(),
    "onnx with data beside": OnnxBeside(),
}
