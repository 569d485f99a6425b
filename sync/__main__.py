"""`python -m sync COMMAND`: the command line of the deployment that the environment's settings name."""

import io
import os
import sys
from functools import cache

from sync.app import App, open_app
from sync.cli import WRONG, main


@cache
def opened() -> App:
    """The one app of this call."""
    return open_app(os.environ)


def run() -> int:
    """Do what the command line says; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal cannot show must not end the command
    try:
        code = main(sys.argv[1:], opened)
        sys.stdout.flush()
    except BrokenPipeError:  # who read it has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    return code


if __name__ == "__main__":
    sys.exit(run())
