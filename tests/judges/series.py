"""A small training: the tensors of a model and of its optimizer at several steps, each a little different from the last."""

import torch

STEPS = [100, 200, 300]
# Of every type that models have, in usual and unusual shapes: large, small, without dimensions, without elements.
SHAPES = {
    "embed.weight": (torch.float32, (1500, 256)),
    "layers.0.weight": (torch.float16, (512, 512)),
    "layers.1.weight": (torch.bfloat16, (768, 512)),
    "layers.1.bias": (torch.float32, (512,)),
    "norm.running_var": (torch.float64, (300,)),
    "norm.batches": (torch.int64, ()),
    "mask": (torch.bool, (7, 9)),
    "codes": (torch.uint8, (4096,)),
    "empty": (torch.float32, (0, 4)),
}


def first(random):
    """The tensors before the training."""

    def tensor(kind, shape):
        if kind.is_floating_point:
            return (torch.randn(shape, generator=random) * 0.02).to(kind)
        return torch.randint(0, 2, shape, generator=random).to(kind)

    return {name: tensor(*shape) for name, shape in SHAPES.items()}


def later(state, random):
    """The tensors some steps later. What is whole-numbered stays, as masks do."""

    def moved(tensor):
        step = torch.randn(tensor.shape, generator=random) * 1e-4
        return (tensor.float() + step).to(tensor.dtype) if tensor.is_floating_point() else tensor.clone()

    return {name: moved(tensor) for name, tensor in state.items()}


def series():
    """Each step with its tensors."""
    random = torch.Generator().manual_seed(7)
    state = first(random)
    for step in STEPS:
        yield step, state
        state = later(state, random)


def trained():
    """Each step with a model and an optimizer that really train; the weights of the ends are tied."""
    torch.manual_seed(7)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 256))
    model.tied = torch.nn.Linear(256, 512)
    model.tied.weight = model[0].weight
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    for step in STEPS:
        for _ in range(3):
            optimizer.zero_grad()
            data = torch.randn(16, 256)
            (model[:3](data) - data).square().mean().backward()
            optimizer.step()
            scheduler.step()
        yield step, model, optimizer, scheduler
