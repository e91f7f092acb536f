#!/usr/bin/env python3
"""Lets the libraries themselves judge what was restored: each writes a series of files, which are backed up, lost and
restored; then it opens them, and every tensor must be exactly what it was in memory.

Usage: loaders.py LASTGOOD [FORMAT...]
"""

import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import formats
import formats_jax
import series
from same import same
from tool import Failed, Repository, binary, need

# Of these nothing can be expected but that they come back: they are compressed already.
NOT_CODED = {"npz compressed", "Orbax"}
# Their data have no header, or one of columns: no tensor is known that a difference could be taken to.
NO_DIFFERENCES = {"torch before 1.6", "parquet", "onnx with data beside", "TensorFlow", "saved model"}


def steps_of(name):
    if name == "torch training":
        return ((step, rest) for step, *rest in series.trained())
    return series.series()


def written(name, form, run):
    """Writes step after step; each time, the folder of the step and the tensors of it."""
    for step, state in steps_of(name):
        folder = run / f"step-{step}"
        folder.mkdir(parents=True)
        yield folder, form.write(folder, state)


def judge(tool, name, form, work, delta):
    """One format, through all of it."""
    repo, run = Repository(tool, work / "repository"), work / "run"
    originals, planes, deltas = {}, 0, 0
    for folder, state in written(name, form, run):
        originals[folder.name] = state
        same(state, form.read(folder), "what was written")
        done = repo.backup(run, "--delta", delta)
        planes, deltas = planes + done["data_planes"], deltas + done["data_delta"]
        bad = [found for found in done["checkpoints"] if found["faults"] or found["not_finite"]]
        need(not bad and done["complete"], f"false alarm: {bad} {done['problems']}")
    coded = name not in NOT_CODED
    need(not coded or planes, "nothing was stored as byte planes")
    need(delta == "off" or not coded or name in NO_DIFFERENCES or deltas, "nothing was stored as a difference")
    need(delta == "auto" or not deltas, "differences were stored, but none were wanted")
    newest = len(originals) - 1
    for number, folder in enumerate(originals):
        target = work / f"back-{number}"
        repo.summary("restore", f"latest~{newest - number}:{run}", "--target", target)
        names = sorted(path.name for path in target.iterdir())
        need(names == sorted(originals)[: number + 1], f"{names} came back")
        for back in names:
            same(originals[back], form.read(target / back), f"{back} of snapshot {number}")
    shutil.rmtree(run)
    repo.summary("restore", "last-good", "--target", "/", "--include", run, "--verify")
    tensors = sum(same(state, form.read(run / back), f"{back}, in place") for back, state in originals.items())
    repo.summary("verify", "--read-data")
    return tensors, planes, deltas


def main(tool, *wanted):
    warnings.simplefilter("ignore")
    every, failed = formats.ALL | formats_jax.ALL, 0
    for name in wanted or every:
        for delta in ["auto", "off"]:
            with tempfile.TemporaryDirectory() as work:
                try:
                    found = judge(tool, name, every[name], Path(work), delta)
                    print("{:<24} --delta {:<4}  {:>3} tensors equal, planes {:>9}, differences {:>9}".format(name, delta, *found))
                except Exception as e:
                    failed += 1
                    print(f"{name:<24} --delta {delta:<4}  FAILED: {'' if isinstance(e, Failed) else type(e).__name__} {e}")
    print(f"{2 * len(wanted or every) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(binary(sys.argv[1]), *sys.argv[2:]))
