"""The commands of `python -m sync`, said once: the parser, its help and docs/commands.md are made from the same list."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sync.cause_kinds import KINDS
from sync.connections.document import STAGES
from sync.ledger.model import State
from sync.values import utc_moment
from sync.verbs.resolve import Resolution

PROGRAM: Final = "python -m sync"
EPILOG: Final = "Exit code: 0 all is well · 1 something is wrong, and said · 2 wrong usage, settings or connection document."


def day(text: str) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-01-31") from None


def moment(text: str) -> datetime:
    """A time; without a zone it is UTC."""
    try:
        return utc_moment(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it as 2026-01-31 or 2026-01-31T08:00:00Z") from None


def seconds(text: str) -> int:
    """Whole seconds, not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds")
    return int(text)


@dataclass(frozen=True)
class Argument:
    """One argument: `name` with dashes is an option, without a place. `shown` stands for its value in the help; "" makes it a flag."""

    name: str
    help: str
    shown: str = ""
    choices: tuple[str, ...] | None = None
    parse: Callable[[str], object] = str
    default: object = None
    required: bool = False
    field: str = ""
    """The name of its value, when that is not the option's own."""
    one_of: bool = False
    """Exactly one of the arguments marked so must be given."""

    @property
    def usage(self) -> str:
        """As it is written."""
        if not self.name.startswith("--"):
            return self.shown if self.required else f"[{self.shown}]"
        return f"{self.name} {self.shown}".strip()

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add it to a parser or a group."""
        if not self.name.startswith("--"):
            parser.add_argument(self.name, metavar=self.shown, help=self.help, nargs=None if self.required else "?")
        elif not self.shown:
            parser.add_argument(self.name, action="store_true", help=self.help)
        else:
            parser.add_argument(
                self.name,
                dest=self.field or self.name.removeprefix("--").replace("-", "_"),
                metavar=self.shown,
                choices=self.choices,
                type=self.parse,
                default=self.default,
                required=self.required,
                help=self.help,
            )


@dataclass(frozen=True)
class Command:
    """One command: its words, what it does in one line, an example (what follows the program), more to know, and its arguments."""

    name: str
    summary: str
    example: str
    details: str
    arguments: tuple[Argument, ...] = ()


CONNECTION: Final = Argument("connection", "the connection's id", "CONNECTION", required=True)
ANY_CONNECTION: Final = Argument("connection", "the connection's id (default: all)", "CONNECTION")
FILE: Final = Argument("file", "the connection document, JSON", "FILE", required=True)
NAMED: Final = "its key, its AvidXchange id, or a number in its label"
REASON: Final = Argument("--reason", "why: it stays in the audit trail", "TEXT", required=True)
ONE_STAGE: Final = Argument("--stage", f"one of {', '.join(STAGES)}", "STAGE", choices=STAGES)
CAUSE: Final = Argument("--cause", "a code as `failures` shows it", "CODE", choices=tuple(KINDS))
YES: Final = Argument("--yes", "do not ask")
COMMON: Final = (
    Argument("--json", "print the whole result as JSON"),
    Argument("--verbose", "log to the terminal, and show the detail of an error"),
)

COMMANDS: Final = (
    Command(
        "ping",
        "reach both systems and say what fits and what does not",
        "ping contoso",
        "Checks secrets, sign-in, companies and charts, dimension formats, journals, methods of payment, banks, entity sets, accounting "
        "systems, code groups, a page of every list of AvidXchange against the profile, what AvidXchange can do, policies, and how many "
        "documents start_from lets in. A failed check is a line; the others go on. It only reads. With --write-check it asks first, and "
        "then writes one pending invoice of a cent (AVX-CHECK-...) to D365, says what became "
        "of it there, and deletes it: 0 then also means that it was taken and is gone. When it cannot be deleted, it says which to delete.",
        (
            CONNECTION,
            Argument("--write-check", "afterwards write a pending invoice of a cent, read it back, and delete it"),
            Argument("--company", "the company that it is written to (default: the document's first)", "ID", default=""),
            Argument("--vendor", "the vendor that it is written for (default: the first active one)", "ACCOUNT", default=""),
            YES,
        ),
    ),
    Command(
        "run",
        "run one stage or all, now",
        "run contoso --stage invoices --dry-run",
        "The function app does the work, and this command waits for it. With --dry-run it works here, and writes nothing anywhere.",
        (
            CONNECTION,
            Argument("--stage", f"one of {', '.join(STAGES)}, or all (default)", "STAGE", choices=("all", *STAGES), default="all"),
            Argument("--dry-run", "show the exact bodies and differences, here and now; write nothing anywhere"),
            Argument("--no-wait", "put the messages and return"),
            Argument("--wait", "give up after so long without a sign of life (default: 120)", "SECONDS", parse=seconds, default=120.0),
        ),
    ),
    Command(
        "status",
        "last run, lag, counts and backlog of every stage",
        "status contoso",
        "`written` is in D365 and not posted yet, `posted` is posted there, `exceptions` are in D365 and a person must see something.",
        (ANY_CONNECTION, Argument("--totals", "count what is posted and adopted too (always, when one connection is named)")),
    ),
    Command(
        "failures",
        "what a person has to mend, root causes first",
        "failures contoso --cause vendor-missing",
        "Grouped by the thing to mend: what is wrong, what to do, who can do it, which documents wait and what they come to. First what "
        "is in D365 already and not as it was; then settings; then vendors, accounts and dimensions; then single documents; last what "
        "goes on by itself. Stages that cannot run and poison messages, with their bodies, are in it. A message that names no connection "
        "is one of the connection `-`: audit and resolve take that name too.",
        (ANY_CONNECTION, replace(CAUSE, help="only this cause, with every record that it holds up")),
    ),
    Command(
        "audit",
        "one record's life, the steps of a day, or whether the whole trail is whole",
        "audit contoso --record INV-1001 --verify",
        "With --verify it ends with 1 and says what is broken when the trail is not whole; sealed days are checked against their seals. "
        "The last seal it names must be in the app's log with the same code: who can write the storage could have set all of it back.",
        (
            CONNECTION,
            Argument("--record", NAMED, "TEXT", one_of=True),
            Argument("--day", "every step of a day (UTC)", "YYYY-MM-DD", parse=day, one_of=True),
            Argument("--all", "check every record, every day and every seal (with --verify or without)", one_of=True),
            Argument("--verify", "check that no step was changed, taken away or added"),
        ),
    ),
    Command(
        "replay",
        "try records again",
        'replay contoso --cause vendor-missing --reason "vendors were added"',
        "Selects what every option that is given names, and leaves what is at rest alone. Nothing is ever written twice by it.",
        (
            CONNECTION,
            Argument("--record", f"one record: {NAMED}", "TEXT"),
            ONE_STAGE,
            Argument("--company", "records of this company", "ID"),
            Argument("--state", "records in this state", "STATE", choices=tuple(state.value for state in State)),
            CAUSE,
            Argument("--since", "records changed at or after it", "TIME", parse=moment),
            REASON,
        ),
    ),
    Command(
        "resolve",
        "close a parked record or an exception",
        'resolve contoso --record INV-1001 --as done --reason "entered by hand"',
        "A parked record becomes resolved. A record that is in D365 keeps its state, and its exceptions are cleared.",
        (
            CONNECTION,
            Argument("--record", NAMED, "TEXT", required=True),
            Argument(
                "--as",
                "done (elsewhere) or ignored (not to be done)",
                "HOW",
                choices=tuple(item.value for item in Resolution),
                required=True,
                field="resolution",
            ),
            REASON,
            YES,
        ),
    ),
    Command(
        "pause",
        "stop a connection, or one stage of it",
        "pause contoso --stage payments",
        "What is running ends its slice first.",
        (CONNECTION, ONE_STAGE),
    ),
    Command(
        "resume",
        "let it go on",
        "resume contoso --stage payments",
        "The next tick of the timer finds it due.",
        (CONNECTION, ONE_STAGE),
    ),
    Command(
        "reconcile",
        "compare AvidXchange's payments with D365 by day, to the cent",
        "reconcile contoso --from 2026-01-01 --to 2026-01-31",
        "Per company, currency and day: paid = written + posted + parked + unknown + resolved + difference. Ends with 0 only if nothing "
        "differs and nothing is parked or unknown.",
        (
            CONNECTION,
            Argument("--from", "first day (default: start_from)", "YYYY-MM-DD", parse=day, field="first"),
            Argument("--to", "last day (default: today)", "YYYY-MM-DD", parse=day, field="last"),
        ),
    ),
    Command(
        "connections add",
        "check and store a connection document",
        "connections add contoso.json",
        "It is checked whole first.",
        (FILE, Argument("--replace", "store it over the document with this id")),
    ),
    Command(
        "connections check",
        "check a connection document only",
        "connections check contoso.json",
        "Needs no settings.",
        (FILE,),
    ),
    Command(
        "connections list",
        "all connections",
        "connections list",
        "A document that is not valid is listed with its error.",
        (),
    ),
    Command(
        "connections show",
        "one document as it is stored",
        "connections show contoso",
        "It names secrets and holds none.",
        (CONNECTION,),
    ),
    Command(
        "connections remove",
        "remove a document",
        "connections remove contoso",
        "Its ledger and its audit trail are kept.",
        (CONNECTION, YES),
    ),
)


def make_parser() -> argparse.ArgumentParser:
    """The parser. `command` is the command's name, words and all."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The connector between Dynamics 365 Finance & Operations and AvidXchange. Settings come from the environment.",
        epilog=f"examples:\n{_examples()}\n\n{EPILOG}\nMore on a command: {PROGRAM} COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    nested: argparse._SubParsersAction[argparse.ArgumentParser] | None = None
    for command in COMMANDS:
        group, _, word = command.name.rpartition(" ")
        if group and nested is None:
            nested = commands.add_parser(group, help="add, check, list, show or remove connection documents").add_subparsers(
                metavar="WHAT", title="what", required=True
            )
        added = (nested if group and nested is not None else commands).add_parser(
            word, help=command.summary, description=_description(command), epilog=f"example: {PROGRAM} {command.example}"
        )
        _fill(added, command)
    return parser


def _fill(parser: argparse.ArgumentParser, command: Command) -> None:
    either = parser.add_mutually_exclusive_group(required=True) if any(item.one_of for item in command.arguments) else None
    for argument in (*command.arguments, *COMMON):
        argument.add_to(either if argument.one_of and either is not None else parser)
    parser.set_defaults(command=command.name)


def _description(command: Command) -> str:
    return f"{command.summary[0].upper()}{command.summary[1:]}. {command.details}"


def _examples() -> str:
    return "\n".join(f"  {PROGRAM} {command.example}" for command in COMMANDS)


def commands_page() -> str:
    """The text of docs/commands.md, made from the commands."""
    lines = [
        "# Commands",
        "",
        "<!-- Made by `commands_page` in sync/verbs/arguments.py: change the commands there, then write this file anew. -->",
        "",
        f"`{PROGRAM} COMMAND` does by hand what the function app does by itself, and shows what became of it. Settings come from",
        "the environment, as in the function app. Every command takes `--json` (the whole result as JSON), `--verbose` (log lines,",
        "and the detail of an error) and `--help`.",
        "",
        EPILOG,
        "",
        "| command | what it does |",
        "|---|---|",
        *(f"| [`{command.name}`](#{command.name.replace(' ', '-')}) | {command.summary} |" for command in COMMANDS),
    ]
    for command in COMMANDS:
        lines += ["", f"## {command.name}", "", _description(command), "", "```", f"{PROGRAM} {command.example}", "```"]
        if command.arguments:
            lines += ["", "| argument | |", "|---|---|"]
            lines += [f"| `{item.usage}` | {item.help}{_necessity(item)} |" for item in command.arguments]
    return "\n".join(lines) + "\n"


def _necessity(argument: Argument) -> str:
    if argument.one_of:
        return " (one of these)"
    return " (required)" if argument.required else ""
