"""`python -m sandbox.runner`: run the app in this folder until a signal comes, or until nothing is left to do."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from sandbox.runner.host import HostError
from sandbox.runner.runner import Options, Runner


def main(arguments: list[str]) -> int:
    """Run; 0 when it ended as asked, 2 when the app cannot be started."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("azure").setLevel(logging.WARNING)
    try:
        runner = Runner(options, os.environ)
    except HostError as error:
        print(f"The app cannot be started: {error}", file=sys.stderr)
        return 2

    def end(number: int, frame: object) -> None:
        del frame
        print("Stopping when what runs has ended; the same signal again stops at once.", file=sys.stderr, flush=True)
        signal.signal(number, signal.SIG_DFL)
        runner.stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    runner.run()
    return 0


def parse(arguments: list[str]) -> Options:
    """The options from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.runner", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the folder of the app (host.json, function_app.py)")
    parser.add_argument("--module", default="function_app", help="the app's module in that folder")
    parser.add_argument(
        "--visibility", type=int, default=600, metavar="SECONDS", help="how long a received message stays hidden (the host: 600)"
    )
    parser.add_argument("--port", type=int, help="serve the HTTP functions on this port of 127.0.0.1 (0: a free one)")
    parser.add_argument("--fire-now", action="store_true", help="fire all timers once at the start")
    parser.add_argument("--until-idle", action="store_true", help="fire all timers once, work until all queues are empty, then end")
    parser.add_argument("--verbose", action="store_true", help="one line per invocation")
    given = parser.parse_args(arguments)
    return Options(given.root.resolve(), given.module, given.visibility, given.port, given.fire_now, given.until_idle, given.verbose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
