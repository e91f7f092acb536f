"""Runs the lastgood binary, and says what it said."""

import json
import os
import secrets
import subprocess
from pathlib import Path


class Failed(Exception):
    """Something is not as it has to be."""


def need(true, what):
    if not true:
        raise Failed(what)


class Repository:
    """A repository of its own; a key file opens it, as passwords take long to check."""

    def __init__(self, binary, folder):
        folder.mkdir(parents=True)
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(32))
        key.chmod(0o600)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LASTGOOD_")}
        self.env = clean | {"LASTGOOD_REPOSITORY": str(folder / "repo"), "LASTGOOD_KEY_FILE": str(key)}
        self.binary = str(binary)
        self.run("init")

    def run(self, *args, code=0):
        """The objects of a command's JSON; it must end with the code."""
        command = [self.binary, *map(str, args), "--json"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=300)
        need(done.returncode == code, f"{' '.join(command)}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def summary(self, *args):
        """The end of a long command."""
        [*_, last] = self.run(*args)
        need(last["message_type"] == "summary", f"{args} ends without a summary: {last}")
        return last

    def backup(self, folder, *args):
        return self.summary("backup", folder, *args)

    def snapshots(self, *args):
        [found] = self.run("snapshots", *args)
        return found


def binary(text):
    """An argument that names the binary."""
    found = Path(text).resolve()
    if not os.access(found, os.X_OK):
        raise ValueError(text)
    return found
