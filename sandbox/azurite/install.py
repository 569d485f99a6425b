"""Installs the locked Azurite into a folder: `python -m sandbox.azurite.install FOLDER` (`python3 dev.py setup` calls it)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.azurite.node import find_node

HERE = Path(__file__).parent
NPM_OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]


def install(folder: Path) -> int:
    """Runs `npm ci` on the committed lock file (npm checks every package's hash); returns npm's exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    node = find_node()
    path = f"{node.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run([*node.npm, "ci", *NPM_OPTIONS], cwd=folder, env={**os.environ, "PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))
