"""Work in a child of this process, so that whatever it imports or breaks is gone with it."""

import io
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class End:
    """How a child ended: its exit code or signal (the other is 0), and what it left in its file."""

    code: int
    signal: int
    left: str


def fork(work: Callable[[Path], int]) -> End:
    """Run `work` in a child with a file of its own. Its output goes nowhere; its exit code is what `work` returns, 70 when it raises."""
    sys.stdout.flush()
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        child = os.fork()
        if child == 0:
            _become(work, path)
        _, status = os.waitpid(child, 0)
        left = path.read_text(encoding="utf-8")
    return End(0, os.WTERMSIG(status), left) if os.WIFSIGNALED(status) else End(os.WEXITSTATUS(status), 0, left)


def _become(work: Callable[[Path], int], path: Path) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = io.StringIO()
    code = 70
    try:
        code = work(path)
    finally:
        os._exit(code)


def in_child(work: Callable[[], str]) -> str:
    """The text that `work` returns in a child. Raises RuntimeError when it ends without one."""

    def written(path: Path) -> int:
        path.write_text(work(), encoding="utf-8")
        return 0

    end = fork(written)
    if end.code or end.signal:
        raise RuntimeError(f"A child ended with code {end.code}, signal {end.signal}: {end.left}")
    return end.left
