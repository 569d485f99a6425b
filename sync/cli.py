"""The command line over the verbs: arguments in, text or JSON out. What is done is in `sync/verbs`, how it looks in its `text.py`."""

import argparse
import getpass
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sync.app import App
from sync.errors import FixConfiguration, FixData, SyncError
from sync.logs import masked
from sync.values import utc_text
from sync.verbs import audit, connections, failures, pause, ping, reconcile, replay, resolve, run, status, text
from sync.verbs.arguments import make_parser
from sync.verbs.finding import find_one
from sync.verbs.lines import Line
from sync.verbs.plain import as_plain
from sync.verbs.write_check import Order

WELL: Final = 0
WRONG: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130


class Declined(Exception):
    """The person was asked, and said no."""


@dataclass
class Console:
    """One call of the command line: its arguments, its app (opened when it is first needed), and the person in front of it."""

    args: argparse.Namespace
    opened: Callable[[], App]
    asked: Callable[[], str]

    @property
    def app(self) -> App:
        """The app. FixConfiguration when a setting is missing."""
        return self.opened()

    @property
    def connection(self) -> str:
        """The connection that was named."""
        return str(self.args.connection)

    def progress(self, sentence: str) -> None:
        """What is going on, apart from the result."""
        print(sentence, file=sys.stderr, flush=True)

    def confirm(self, question: str) -> None:
        """Ask, unless --yes was given. Declined when the answer is not yes; no answer is no."""
        if self.args.yes:
            return
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        try:
            answer = self.asked()
        except EOFError:
            answer = ""
        if answer.strip().lower() not in {"y", "yes"}:
            raise Declined


Result = tuple[object, int]


def _ping(console: Console) -> Result:
    args, order = console.args, None
    if args.write_check:
        order = Order(args.company, args.vendor, console.confirm)
    elif args.company or args.vendor:
        raise FixConfiguration("--company and --vendor say where the write check writes: add --write-check.", field="--write-check")

    def shown(line: Line) -> None:
        if not args.json:
            print("\n".join(text.ping_line(line)), flush=True)

    result = ping.ping(console.app, console.connection, shown, order)
    return result, WELL if result.fits else WRONG


def _run(console: Console) -> Result:
    args = console.args
    if args.dry_run:
        rehearsal = run.rehearse(console.app, console.connection, args.stage, console.progress)
        return rehearsal, WELL if rehearsal.well else WRONG
    wait = None if args.no_wait else args.wait
    result = run.run(console.app, console.connection, args.stage, wait=wait, shown=console.progress)
    return result, WELL if result.well else WRONG


def _status(console: Console) -> Result:
    named = console.args.connection
    return status.status(console.app, named, totals=console.args.totals or named is not None), WELL


def _failures(console: Console) -> Result:
    cause = console.args.cause
    examples = None if cause is not None else failures.EXAMPLES
    return failures.failures(console.app, console.args.connection, cause=cause, examples=examples), WELL


def _audit(console: Console) -> Result:
    args = console.args
    if args.all:
        result = audit.audit_trail(console.app, console.connection)
    elif args.day is not None:
        result = audit.audit_day(console.app, console.connection, args.day, verify=args.verify)
    else:
        result = audit.audit_record(console.app, console.connection, args.record, verify=args.verify)
    return result, WELL if result.whole else WRONG


def _replay(console: Console) -> Result:
    args, key, place = console.args, None, {"stage": console.args.stage, "company": console.args.company}
    if args.record is not None:
        record = find_one(console.app, console.connection, args.record)
        key, place = record.key, {"stage": place["stage"], "company": place["company"] or record.place.company}
    since = None if args.since is None else utc_text(args.since)
    selection = replay.selection_of({**place, "key": key, "state": args.state, "cause": args.cause, "since": since})
    result = replay.replay(console.app, console.connection, selection, reason=args.reason, requested_by=_person())
    return result, WELL if result.count else WRONG


def _resolve(console: Console) -> Result:
    args = console.args
    record = resolve.to_resolve(console.app, console.connection, args.record)
    for cause in record.causes:
        console.progress(f"{cause.kind.title}: {cause.sentence}")
    console.confirm(f"Resolve {record.label} ({record.state}) as {args.resolution}?")
    done = resolve.resolve(console.app, record, as_=resolve.Resolution(args.resolution), reason=args.reason, by=_person())
    return done, WELL


def _pause(console: Console) -> Result:
    return pause.set_paused(console.app, console.connection, paused=console.args.command == "pause", stage=console.args.stage), WELL


def _reconcile(console: Console) -> Result:
    result = reconcile.reconcile(console.app, console.connection, console.args.first, console.args.last, console.progress)
    return result, WELL if result.agrees else WRONG


def _add(console: Console) -> Result:
    return connections.add(console.app, connections.read_document(console.args.file), replace=console.args.replace), WELL


def _remove(console: Console) -> Result:
    console.confirm(f"Remove the connection {console.connection}? It is not run any more; its ledger and audit trail are kept.")
    return connections.remove(console.app, console.connection), WELL


HANDLERS: Final[Mapping[str, Callable[[Console], Result]]] = {
    "ping": _ping,
    "run": _run,
    "status": _status,
    "failures": _failures,
    "audit": _audit,
    "replay": _replay,
    "resolve": _resolve,
    "pause": _pause,
    "resume": _pause,
    "reconcile": _reconcile,
    "connections add": _add,
    "connections check": lambda console: (connections.check(connections.read_document(console.args.file)), WELL),
    "connections list": lambda console: (connections.listing(console.app), WELL),
    "connections show": lambda console: (connections.show(console.app, console.connection), WELL),
    "connections remove": _remove,
}


def main(argv: list[str], opened: Callable[[], App], asked: Callable[[], str] = input) -> int:
    """Do what `argv` says and print it; returns the exit code. `opened` gives the app, `asked` waits for the person's answer."""
    try:
        args = make_parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed its help, or what is wrong
        return WELL if end.code in {0, None} else MISUSED
    if args.verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        result, code = HANDLERS[args.command](Console(args, opened, asked))
    except SyncError as error:
        _complain(error, verbose=args.verbose)
        return MISUSED if isinstance(error, FixConfiguration) else WRONG
    except Declined:
        print("Nothing was changed.", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    print(json.dumps(as_plain(result), indent=2, ensure_ascii=False) if args.json else "\n".join(text.lines_of(result)))
    return code


def _complain(error: SyncError, *, verbose: bool) -> None:
    remedies = [cause.kind.remedy for cause in error.causes] if isinstance(error, FixData) else []
    for sentence in (error.sentence, *dict.fromkeys(remedies), *([error.detail] if verbose and error.detail else [])):
        print(masked(sentence), file=sys.stderr)


def _person() -> str:
    """Who is at the terminal, as the operating system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "a person at the command line"
