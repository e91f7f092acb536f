"""The layouts of checkpoints, as their frameworks write them, and how each can be damaged.

A layout writes a step into a run. Its damages say for each column what breaks: several things if there are several ways,
each of which must be caught; or, as a text, why the column is not applicable.
"""

import json
import os
import shutil

import gguf
import numpy
import safetensors.torch
import torch

from breaks import (at, becomes, empty, half, lose, promise_dcp, promise_gguf, promise_safetensors, promise_shard,
                    promise_torch, says, unfinished, zero)
from weights import NEW, OLD, optimizer, weights

COLUMNS = ["half", "shard missing", "shard empty", "marker missing", "temporary name", "rank missing", "NaN", "Inf",
           "zeros", "promises more"]
ONE_FILE = "one file has no parts"
NO_RANKS = "one process writes it"
NO_MARKER = "the file is all there is"
POISONED = "poisoned"  # the weights themselves are


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content) if isinstance(content, str) else torch.save(content, path)


def shards(folder, state):
    """Three shards of safetensors and their index."""
    names = {f"model-{number:05}-of-00003.safetensors": list(state)[number - 1 :: 3] for number in (1, 2, 3)}
    folder.mkdir(parents=True, exist_ok=True)
    for shard, part in names.items():
        safetensors.torch.save_file({name: state[name] for name in part}, folder / shard, metadata={"format": "pt"})
    size = sum(value.nbytes for value in state.values())
    places = {name: shard for shard, part in names.items() for name in part}
    put(folder / "model.safetensors.index.json", json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
    put(folder / "config.json", '{"model_type": "llama"}')


def rng(rank):
    return {"python": (3, tuple(range(625)), None), "numpy": numpy.random.RandomState(rank).get_state(),
            "cpu": torch.get_rng_state(), "cuda": []}


def trainer_ends(folder, step, ranks=2):
    """What transformers writes after the model and the optimizer."""
    for rank in range(ranks):
        put(folder / (f"rng_state_{rank}.pth" if ranks > 1 else "rng_state.pth"), rng(rank))
    history = [{"loss": 2.5, "step": step - 1}, {"eval_loss": 2.25, "step": step}, {"loss": float("nan"), "step": step}]
    put(folder / "trainer_state.json", json.dumps({"global_step": step, "best_metric": None, "log_history": history}))


class Trainer:
    """HF Trainer: shards, an optimizer, two processes."""

    name = "HF Trainer"
    top = f"checkpoint-{NEW}/"

    def write(self, run, step, poison=None):
        folder, state = run / f"checkpoint-{step}", weights(step, poison)
        shards(folder, state)
        for name in ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]:
            put(folder / name, "{}")
        put(folder / "training_args.bin", {"lr": 1e-4})
        put(folder / "optimizer.pt", optimizer(state))
        put(folder / "scheduler.pt", {"last_epoch": step, "_last_lr": [1e-4]})
        trainer_ends(folder, step)

    def damages(self):
        one = lambda name, *how: at(self.top + name, *how)
        return {
            "half": [one(name, half) for name in
                     ["trainer_state.json", "model-00003*", "optimizer.pt", "scheduler.pt", "rng_state_1.pth", "*.index.json"]],
            "shard missing": [one("model-00002*", lose), one("model-00003*", lose)],
            "shard empty": [one("model-00002*", empty), one("optimizer.pt", empty), one("training_args.bin", empty)],
            "marker missing": [one("trainer_state.json", lose), one("*.index.json", lose)],
            "temporary name": [at(f"checkpoint-{NEW}", becomes(f"tmp-checkpoint-{NEW}")), one("model-00003*", unfinished(".tmp"))],
            # Of more than two, the last one cannot be missed: the run may have gone on with fewer processes.
            "rank missing": [one("rng_state_1.pth", lose), one("rng_state_0.pth", lose)],
            "NaN": POISONED, "Inf": POISONED,
            "zeros": [one(name, zero) for name in ["model-00002*", "optimizer.pt", "trainer_state.json", "*.index.json"]],
            "promises more": [one("model-00003*", promise_safetensors), one("optimizer.pt", promise_torch), one("*.index.json", promise_shard)],
        }


class DeepSpeed:
    """DeepSpeed: a tag with a file a rank, and `latest` beside it. Stage 3 has model states by rank, too."""

    def __init__(self, stage):
        self.stage, self.name = stage, f"DeepSpeed ZeRO-{stage}"

    def write(self, run, step, poison=None):
        folder, state = run / f"global_step{step}", weights(step, poison)
        for rank in range(4):
            part = {name: value[rank::4].clone() for name, value in state.items()}
            put(folder / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt",
                {"optimizer_state_dict": {"zero_stage": self.stage, "partition_count": 4, "state": optimizer(part)}})
            if self.stage == 3:
                put(folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt", {"module": part, "global_steps": step})
        if self.stage != 3:
            put(folder / "mp_rank_00_model_states.pt", {"module": state, "global_steps": step, "dp_world_size": 4})
        put(run / "latest", f"global_step{step}")
        put(run / "zero_to_fp32.py", "#!/usr/bin/env python\n")

    def damages(self):
        one = lambda name, *how: at(f"global_step{NEW}/{name}", *how)
        model = "zero_pp_rank_2_mp_rank_00_model_states.pt" if self.stage == 3 else "mp_rank_00_model_states.pt"
        last = "bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt"
        return {
            "half": [one(model, half), one(last, half)],
            "shard missing": [one(model, lose)],
            "shard empty": [one(model, empty), one(last, empty)],
            # Not written yet; gone with the only tag; empty. Without it, two tags are what a program saves without it.
            "marker missing": [still("latest", f"global_step{OLD}"), only(f"global_step{OLD}", "latest"), at("latest", empty)],
            "temporary name": [one(model, unfinished(".tmp"))],
            "rank missing": [one(last.replace("rank_3", f"rank_{rank}", 1), lose) for rank in range(4)],
            "NaN": POISONED, "Inf": POISONED,
            "zeros": [one(model, zero), one(last, zero)],
            "promises more": [one(model, promise_torch), at("latest", says("global_step30"))],
        }


def still(name, text):
    """The marker was not written for the new step: it says what it said, and is as old as it was."""

    def go(run):
        (run / name).write_text(text)
        old = next(run.glob(f"*{OLD}")).stat().st_mtime
        os.utime(run / name, (old, old))

    return go


def only(old, marker):
    """The first of a run, without its marker."""

    def go(run):
        shutil.rmtree(run / old)
        (run / marker).unlink()

    return go


class Megatron:
    """Megatron: a directory for each model parallel rank."""

    name = "Megatron"
    tracker = "latest_checkpointed_iteration.txt"

    def write(self, run, step, poison=None):
        folder, state = run / f"iter_{step:07}", weights(step, poison)
        for number, rank in enumerate(["00_000", "00_001", "01_000", "01_001"]):
            part = {name: value[number::4].clone() for name, value in state.items()}
            put(folder / f"mp_rank_{rank}/model_optim_rng.pt",
                {"model": part, "optimizer": optimizer(part), "iteration": step, "rng_state": [rng(number)]})
            put(folder / f"mp_rank_{rank}/distrib_optim.pt", optimizer(part))
        put(run / self.tracker, str(step))

    def damages(self):
        one = lambda name, *how: at(f"iter_{NEW:07}/{name}", *how)
        last = "mp_rank_01_001/distrib_optim.pt"
        return {
            "half": [one(last, half), one("mp_rank_00_001/model_optim_rng.pt", half)],
            "shard missing": [one(last, lose), one("mp_rank_00_000/model_optim_rng.pt", lose)],
            "shard empty": [one(last, empty)],
            "marker missing": [still(self.tracker, str(OLD)), only(f"iter_{OLD:07}", self.tracker)],
            "temporary name": [one(last, unfinished(".tmp"))],
            "rank missing": [one("mp_rank_01_001", shutil.rmtree), one("mp_rank_00_000", shutil.rmtree)],
            "NaN": POISONED, "Inf": POISONED,
            "zeros": [one(last, zero)],
            "promises more": [one(last, promise_torch), at(self.tracker, says("30"))],
        }


class Distributed:
    """PyTorch DCP of two processes."""

    name, last = "PyTorch DCP", ".metadata"
    after = []

    def __init__(self, saved):
        self.saved = saved

    def folder(self, step):
        return f"step-{step}"

    def write(self, run, step, poison=None):
        shutil.copytree(self.saved / ("old" if step == OLD else f"new-{poison}" if poison else "new"), run / self.folder(step))
        for path in (run / self.folder(step)).iterdir():
            path.touch()
        for name in self.after:
            put(run / self.folder(step) / name, '{"sharded_backend": "torch_dist"}' if name.endswith("json") else {"step": step})

    def damages(self):
        one = lambda name, *how: at(f"{self.folder(NEW)}/{name}", *how)
        return {
            "half": [one("__1_0.distcp", half), one(".metadata", half)],
            "shard missing": [one("__0_0.distcp", lose)],
            "shard empty": [one("__0_0.distcp", empty)],
            "marker missing": [one(name, lose) for name in [".metadata", *self.after]],
            "temporary name": [one(".metadata", unfinished(".tmp")), one("__0_0.distcp", unfinished(".tmp"))],
            "rank missing": [one("__1_0.distcp", lose)],
            "NaN": POISONED, "Inf": POISONED,
            "zeros": [one("__1_0.distcp", zero), one(".metadata", zero)],
            "promises more": [one(".metadata", promise_dcp)],
        }


class MegatronDistributed(Distributed):
    """Megatron's distributed checkpoints: the same, and more beside it."""

    name, after = "Megatron dist", ["common.pt", "metadata.json"]

    def folder(self, step):
        return f"iter_{step:07}"

    def write(self, run, step, poison=None):
        super().write(run, step, poison)
        put(run / Megatron.tracker, str(step))

    def damages(self):
        found = super().damages()
        found["marker missing"] += [still(Megatron.tracker, str(OLD)), only(self.folder(OLD), Megatron.tracker)]
        return found


class LightningSharded(Distributed):
    """Lightning with FSDP: a directory that ends in .ckpt."""

    name, after = "Lightning sharded", ["meta.pt"]

    def folder(self, step):
        return f"epoch=0-step={step}.ckpt"


class Lightning:
    """Lightning: one file, with what callbacks keep; and a link to the last one."""

    name = "Lightning"

    def write(self, run, step, poison=None):
        state, name = weights(step, poison), f"epoch=0-step={step}.ckpt"
        # Callbacks start with the worst score there is: that is no damage.
        callbacks = {
            "EarlyStopping{'monitor': 'val_loss', 'mode': 'min'}": {"wait_count": 0, "best_score": torch.tensor(torch.inf)},
            "ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(2.5), "kth_value": torch.tensor(torch.inf)},
        }
        put(run / name, {"epoch": 0, "global_step": step, "pytorch-lightning_version": "2.5.0", "state_dict": state,
                         "callbacks": callbacks, "optimizer_states": [optimizer(state)], "lr_schedulers": [], "loops": {}})
        (run / "last.ckpt").unlink(missing_ok=True)
        (run / "last.ckpt").symlink_to(name)

    def damages(self):
        one = lambda *how: at(f"epoch=0-step={NEW}.ckpt", *how)
        return {
            "half": [one(half)], "shard missing": ONE_FILE, "shard empty": [one(empty)], "marker missing": NO_MARKER,
            "temporary name": [one(unfinished(".part"))], "rank missing": NO_RANKS, "NaN": POISONED, "Inf": POISONED,
            "zeros": [one(zero)], "promises more": [one(promise_torch)],
        }


class Hub:
    """Cache of the HF hub: links to blobs, a revision a step."""

    name = "HF hub cache"

    def write(self, run, step, poison=None):
        repo, names = run / "models--org--name", {}
        made = run / "made"
        shards(made, weights(step, poison))
        for number, path in enumerate(sorted(made.iterdir())):
            blob = f"{step * 100 + number:040x}" if path.suffix == ".json" else f"{step * 100 + number:064x}"
            (repo / "blobs").mkdir(parents=True, exist_ok=True)
            path.rename(repo / "blobs" / blob)
            names[path.name] = blob
        made.rmdir()
        revision = f"{step:040x}"
        put(repo / "refs/main", revision)
        for name, blob in names.items():
            link = repo / "snapshots" / revision / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../blobs/{blob}")

    def damages(self):
        # The blobs by what they are: config, two of three shards, index.
        [config, first, third, index] = [f"models--org--name/blobs/{'?' * wide}{NEW * 100 + number:04x}"
                                         for number, wide in [(0, 36), (1, 60), (3, 60), (4, 36)]]
        link = f"models--org--name/snapshots/{NEW:040x}/"
        return {
            "half": [at(third, half), at(index, half)],
            "shard missing": [at(first, lose), at(link + "model-00002*", lose)],
            "shard empty": [at(third, empty)],
            "marker missing": [at(index, lose), at(link + "*.index.json", lose)],
            "temporary name": [at(third, unfinished(".incomplete")), at(first, unfinished(".1a2b3c4d.incomplete"))],
            "rank missing": NO_RANKS, "NaN": POISONED, "Inf": POISONED,
            # Not a blob of weights: its name is a hash, its first bytes tell no format, and only the link knows what it was.
            "zeros": [at(index, zero)],
            "promises more": [at(third, promise_safetensors), at(index, promise_shard)],
        }


class Lone:
    """One file that is overwritten at every step."""

    def __init__(self, kind, save, promise):
        self.name, self.file, self.save, self.promise = f"lone .{kind}", f"model.{kind}", save, promise

    def write(self, run, step, poison=None):
        run.mkdir(parents=True, exist_ok=True)
        (run / self.file).unlink(missing_ok=True)
        self.save(weights(step, poison), run / self.file)

    def damages(self):
        one = lambda *how: at(self.file, *how)
        return {
            "half": [one(half)], "shard missing": ONE_FILE, "shard empty": [one(empty)], "marker missing": NO_MARKER,
            "temporary name": [one(unfinished(".tmp"))], "rank missing": NO_RANKS, "NaN": POISONED, "Inf": POISONED,
            "zeros": [one(zero)], "promises more": [one(self.promise)],
        }


def save_gguf(state, path):
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in state.items():
        half = value.dtype != torch.float32
        writer.add_tensor(name, value.half().numpy() if half else value.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def every(saved):
    """All of them; `saved` is where real processes saved what one alone cannot."""
    return [
        Trainer(), DeepSpeed(2), DeepSpeed(3), Megatron(), MegatronDistributed(saved), Distributed(saved), Lightning(),
        LightningSharded(saved), Hub(), Lone("safetensors", safetensors.torch.save_file, promise_safetensors),
        Lone("pt", torch.save, promise_torch), Lone("gguf", save_gguf, promise_gguf),
    ]
