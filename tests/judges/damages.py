#!/usr/bin/env python3
"""Damages checkpoints of every framework in every way, and looks whether lastgood tells; whole ones it must leave in peace.

Usage: damages.py LASTGOOD [FRAMEWORK...] prints a table; it ends with 1 if anything was missed, or said of a whole one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import layouts
import layouts_jax
from layouts import COLUMNS, POISONED
from tool import Failed, Repository, binary, need
from weights import NEW, OLD

LONG_AGO = 1_700_000_000


def written(layout, run, step, poison=None):
    """Writes a step, and dates what was written: files of one step are a day younger than those of the one before."""
    layout.write(run, step, poison)
    date = LONG_AGO + step * 8640
    for path in run.rglob("*"):
        if path.lstat().st_mtime > LONG_AGO * 1.02:
            os.utime(path, (date, date), follow_symlinks=False)


def copied(template, run):
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(template, run, symlinks=True)


class Bench:
    """A layout on the bench: what it looks like when it is whole, and a repository with the older step."""

    def __init__(self, tool, layout, work):
        self.layout, self.run, self.work = layout, work / "run", work
        for name, poison in [("whole", None), ("NaN", "nan"), ("Inf", "inf")]:
            written(layout, work / name, OLD)
            if name == "whole":
                copied(work / name, work / "older")
            written(layout, work / name, NEW, poison)
        self.repo = Repository(tool, work / "repository")
        self.older = self.whole("older", "the first of a run")

    def whole(self, template, what):
        """A whole one must be taken, without a fault, and be the last good one."""
        copied(self.work / template, self.run)
        done = self.repo.backup(self.run, "--require-complete")
        faults = self.repo.snapshots("--latest", "1")[0]["faults"]
        bad = [found for found in done["checkpoints"] if found["faults"] or found["not_finite"]]
        need(not faults and not bad, f"{what}: {faults} {bad}")
        need(done["checkpoints"], f"{what}: no checkpoint was seen")
        need(self.last_good(template) == done["snapshot_id"], f"{what}: it is not the last good one")
        return done["snapshot_id"]

    def last_good(self, template):
        """Restores the last good one, which must be what that was; returns which it is."""
        target = self.work / "back"
        shutil.rmtree(target, ignore_errors=True)
        done = self.repo.summary("restore", f"last-good:{self.run}", "--target", target)
        differs = subprocess.run(["diff", "-r", "--no-dereference", self.work / template, target], capture_output=True, text=True)
        need(differs.returncode == 0, f"what came back differs: {differs.stdout}")
        return done["snapshot_id"]

    def caught(self, damage, column):
        """Fails if a damage is not told."""
        finite = damage is not POISONED
        copied(self.work / ("whole" if finite else column), self.run)
        if finite:
            damage(self.run)
        self.repo.run("backup", self.run, "--require-complete", "--dry-run" if not finite else "--quiet", code=14 if finite else 0)
        self.repo.backup(self.run)
        faults = self.repo.snapshots("--latest", "1")[0]["faults"]
        need(faults, "no fault in snapshots --json")
        need(finite or "NaN or infinite" in faults[0], f"it is said to be something else: {faults}")
        need(self.last_good("older") == self.older, "last-good does not take the older one")


def row(tool, layout, complain, note):
    """The cells of a layout."""
    with tempfile.TemporaryDirectory() as work:
        try:
            bench = Bench(tool, layout, Path(work))
        except Failed as e:
            complain(f"{layout.name}: FALSE ALARM: {e}")
            return ["FALSE ALARM"] + [""] * len(COLUMNS)
        cells, damages = [], layout.damages()
        for column in COLUMNS:
            ways, missed = damages[column], 0
            if isinstance(ways, str) and ways is not POISONED:
                cells.append("not applicable")
                note(f"{layout.name}, {column}: not applicable, {ways}")
                continue
            ways = [POISONED] if ways is POISONED else ways
            for number, way in enumerate(ways, 1):
                try:
                    bench.caught(way, column)
                except Failed as e:
                    missed += 1
                    complain(f"{layout.name}, {column}, way {number}: MISSED: {e}")
                    bench.older = bench.whole("older", "the older one again")
            cells.append(f"MISSED {missed} of {len(ways)}" if missed else f"caught {len(ways)}")
        try:
            bench.whole("whole", "a later one beside others")
            return ["quiet"] + cells
        except Failed as e:
            complain(f"{layout.name}: FALSE ALARM: {e}")
            return ["FALSE ALARM"] + cells


def main(tool, *wanted):
    warnings.simplefilter("ignore")
    complaints, notes = [], []
    with tempfile.TemporaryDirectory() as saved:
        subprocess.run([sys.executable, Path(__file__).with_name("ranks.py"), saved], check=True)
        print("| | whole | ", " | ".join(COLUMNS), " |\n|", "---|" * (len(COLUMNS) + 2), sep="", flush=True)
        for layout in [*layouts.every(Path(saved)), *layouts_jax.every()]:
            if not wanted or layout.name in wanted:
                print("|", layout.name, "|", " | ".join(row(tool, layout, complaints.append, notes.append)), "|", flush=True)
    print(*notes, *complaints, f"{len(complaints)} complaints", sep="\n")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main(binary(sys.argv[1]), *sys.argv[2:]))
