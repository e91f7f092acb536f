"""TensorFlow, Keras and Orbax: write the tensors of one step into a folder, and read them from there."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["JAX_PLATFORMS"] = "cpu"

import keras
import numpy
import orbax.checkpoint
import tensorflow

from formats import arrays


class TensorFlow:
    """A checkpoint of TensorFlow: an index and data."""

    def named(self, state):
        return {name.replace(".", "_"): value for name, value in arrays(state).items()}

    def write(self, folder, state):
        variables = {name: tensorflow.Variable(value) for name, value in self.named(state).items()}
        tensorflow.train.Checkpoint(**variables).write(str(folder / "ckpt"))
        return self.named(state)

    def read(self, folder):
        reader = tensorflow.train.load_checkpoint(str(folder / "ckpt"))
        ending = "/.ATTRIBUTES/VARIABLE_VALUE"
        names = [name.removesuffix(ending) for name in reader.get_variable_to_shape_map() if name.endswith(ending)]
        return {name: numpy.asarray(reader.get_tensor(name + ending)) for name in names}


class SavedModel:
    """A saved model of TensorFlow."""

    def write(self, folder, state):
        module = tensorflow.Module()
        module.weights = {name: tensorflow.Variable(value) for name, value in arrays(state).items()}
        tensorflow.saved_model.save(module, str(folder / "saved"))
        return arrays(state)

    def read(self, folder):
        module = tensorflow.saved_model.load(str(folder / "saved"))
        return {name: value.numpy() for name, value in module.weights.items()}


class Keras:
    """The .keras archive of a model, and a file with its weights only."""

    def write(self, folder, state):
        weight, bias = state["layers.0.weight"].float().numpy(), state["layers.1.bias"].numpy()
        model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512)])
        model.set_weights([weight, bias])
        model.save(folder / "model.keras")
        model.save_weights(folder / "model.weights.h5")
        return {"archive": [weight, bias], "weights": [weight, bias]}

    def read(self, folder):
        model = keras.models.load_model(folder / "model.keras")
        found = {"archive": model.get_weights()}
        model.set_weights([value * 0 for value in model.get_weights()])
        model.load_weights(folder / "model.weights.h5")
        return found | {"weights": model.get_weights()}


class Orbax:
    """A checkpoint of Orbax, which compresses what it stores."""

    def write(self, folder, state):
        kinds = {"float16", "float32", "uint8"}  # jax has no 64 bits unless it is told to
        state = {name.replace(".", "_"): value for name, value in arrays(state, kinds).items() if value.size}
        with orbax.checkpoint.StandardCheckpointer() as checkpointer:
            checkpointer.save(folder / "orbax", state)
        return state

    def read(self, folder):
        with orbax.checkpoint.PyTreeCheckpointer() as checkpointer:
            found = checkpointer.restore(folder / "orbax")
        return {name: numpy.asarray(value) for name, value in found.items()}


ALL = {"TensorFlow": TensorFlow(), "saved model": SavedModel(), "Keras": Keras(), "Orbax": Orbax()}
