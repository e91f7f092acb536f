"""Saves distributed checkpoints of PyTorch with two real processes.

Usage: ranks.py FOLDER writes FOLDER/old, and FOLDER/new, new-nan and new-inf of a later step.
"""

import sys
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp

from weights import NEW, OLD, weights

ALL = {"old": (OLD, None), "new": (NEW, None), "new-nan": (NEW, "nan"), "new-inf": (NEW, "inf")}


def save(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name, what in ALL.items():
        dcp.save({"model": weights(*what)}, checkpoint_id=folder / name)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(save, (Path(sys.argv[1]).resolve(),), nprocs=2)
