"""The weights of a small model at a step, with a number in them that is none if that is wanted."""

import torch

OLD, NEW = 10, 20


def weights(step, poison=None):
    """Tensors of the usual types; the poison is one number in the middle of the bf16 ones."""
    random = torch.Generator().manual_seed(step)
    state = {
        "model.embed_tokens.weight": torch.randn(64, 128, generator=random),
        "model.layers.0.mlp.weight": torch.randn(128, 128, generator=random).bfloat16(),
        "model.layers.1.mlp.weight": torch.randn(128, 128, generator=random).half(),
        "model.norm.weight": torch.ones(128),
        "lm_head.weight": torch.randn(64, 128, generator=random),
    }
    if poison is not None:
        state["model.layers.0.mlp.weight"][60, 60] = float(poison)
    return state


def optimizer(state):
    """What Adam keeps of them."""
    of = {at: {"step": torch.tensor(9.0), "exp_avg": value * 0.1, "exp_avg_sq": value * value} for at, value in enumerate(state.values())}
    return {"state": of, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": list(of)}]}
