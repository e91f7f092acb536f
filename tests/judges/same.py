"""Tells whether two values, with tensors anywhere in them, are exactly the same: bits, shapes, types and names."""

import numpy
import torch

from tool import need


def bits(value):
    """A tensor or an array as its type, shape and bytes."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().contiguous().flatten().view(torch.uint8) if value.numel() else torch.empty(0)
        return str(value.dtype).removeprefix("torch."), tuple(value.shape), bytes(raw.numpy())
    return str(value.dtype), tuple(value.shape), value.tobytes()


def parts(value, at=""):
    """Every part of a value with its place in it."""
    if isinstance(value, dict):
        names = sorted(value, key=repr)
        yield at, list(map(repr, names))
        for name in names:
            yield from parts(value[name], f"{at}/{name}")
    elif isinstance(value, (list, tuple)):
        yield at, len(value)
        for number, inner in enumerate(value):
            yield from parts(inner, f"{at}/{number}")
    elif isinstance(value, (torch.Tensor, numpy.ndarray, numpy.generic)):
        yield at, bits(value)
    else:
        yield at, repr(value)


def same(original, found, what):
    """Fails at the first part that differs; returns how many tensors were compared."""
    left, right = list(parts(original)), list(parts(found))
    need([at for at, _ in left] == [at for at, _ in right], f"{what}: names are {[at for at, _ in right]}")
    for (at, one), (_, two) in zip(left, right):
        need(one == two, f"{what}: {at} differs")
    return sum(isinstance(value, tuple) for _, value in left)
