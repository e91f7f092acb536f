"""The layouts of TensorFlow and Orbax, written by themselves, and how each can be damaged."""

import os
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"

import orbax.checkpoint
import tensorflow

from breaks import at, becomes, empty, half, lose, unfinished, zero
from formats import arrays
from layouts import NO_RANKS
from weights import NEW, weights

ELSEWHERE = "the data have no header, and what they are is told by another file"
PACKED = "the numbers are compressed in a database"
RANDOM = "the names of data files are random, and only the database knows them"


class TensorFlow:
    """A checkpoint of TensorFlow, in two parts that were joined."""

    name = "TensorFlow"

    def write(self, run, step, poison=None):
        state = arrays(weights(step, poison))
        parts, temp = [list(state.items())[::2], list(state.items())[1::2]], run / f"ckpt-{step}_temp"
        self.save(run, f"ckpt-{step}", parts, temp)

    def save(self, run, name, parts, temp):
        prefixes = [f"{temp}/part-{number:05}-of-00002" for number in range(2)]
        temp.mkdir(parents=True)
        for prefix, part in zip(prefixes, parts):
            tensorflow.raw_ops.SaveV2(prefix=prefix, tensor_names=[name for name, _ in part],
                                      shape_and_slices=[""] * len(part), tensors=[value for _, value in part])
        tensorflow.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=str(run / name), delete_old_dirs=True)
        shutil.rmtree(temp, ignore_errors=True)
        tensorflow.compat.v1.train.update_checkpoint_state(str(run), name, all_model_checkpoint_paths=[name])

    def promise(self, path):
        """The index is of longer data."""
        run = path.parent
        longer = [[(name, value.repeat(2, 0))] for name, value in list(arrays(weights(NEW)).items())[:2]]
        self.save(run / "other", "longer", longer, run / "other/temp")
        shutil.move(run / "other/longer.index", path)
        shutil.rmtree(run / "other")

    def damages(self):
        one = lambda name, *how: at(f"ckpt-{NEW}.{name}", *how)
        last = "data-00001-of-00002"

        def in_parts(run):
            """Stopped before the parts were joined."""
            temp = run / f"ckpt-{NEW}_temp"
            temp.mkdir()
            (run / f"ckpt-{NEW}.index").unlink()
            for number in range(2):
                (run / f"ckpt-{NEW}.data-{number:05}-of-00002").rename(temp / f"part-{number:05}-of-00002.data-00000-of-00001")

        return {
            "half": [one(last, half), one("index", half)],
            "shard missing": [one("data-00000-of-00002", lose), one(last, lose)],
            "shard empty": [one(last, empty)],
            "marker missing": [one("index", lose)],
            "temporary name": [in_parts, one("index", unfinished(".tmp"))],
            "rank missing": NO_RANKS,
            "NaN": ELSEWHERE, "Inf": ELSEWHERE,
            "zeros": [one("index", zero)],  # not the data: ELSEWHERE
            "promises more": [one("index", self.promise)],
        }


class Orbax:
    """Checkpoints of Orbax's manager."""

    name = "Orbax"

    def write(self, run, step, poison=None):
        state = {name.replace(".", "_"): value for name, value in arrays(weights(step, poison)).items()}
        options = orbax.checkpoint.CheckpointManagerOptions(enable_async_checkpointing=False)
        with orbax.checkpoint.CheckpointManager(run.resolve(), options=options) as manager:
            manager.save(step, args=orbax.checkpoint.args.StandardSave(state), metrics={"loss": 2.5})

    def damages(self):
        one = lambda name, *how: at(f"{NEW}/{name}", *how)
        return {
            "half": [one("_CHECKPOINT_METADATA", half), one("default/_METADATA", half)],
            "shard missing": [one("default/manifest.ocdbt", lose), one("default/_METADATA", lose)],  # not data: RANDOM
            "shard empty": [one("default/manifest.ocdbt", empty), one("default/_METADATA", empty)],
            "marker missing": [one("_CHECKPOINT_METADATA", lose)],
            "temporary name": [at(f"{NEW}", becomes(f"{NEW}.orbax-checkpoint-tmp-17")),
                               one("default", becomes("default.orbax-checkpoint-tmp-17"))],
            "rank missing": RANDOM,
            "NaN": PACKED, "Inf": PACKED,
            "zeros": [one("_CHECKPOINT_METADATA", zero), one("default/_METADATA", zero), one("default/manifest.ocdbt", zero)],
            "promises more": RANDOM,
        }


def every():
    return [TensorFlow(), Orbax()]
