"""The command line itself: help, errors, exit codes, widths, JSON, and no secret anywhere."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sync.app import App, open_app
from sync.errors import OutcomeUnknown
from sync.verbs.arguments import COMMANDS, Command, commands_page, make_parser
from tests.verbs.desk import ID, WIDEST, Desk

ROOT = Path(__file__).parents[2]
READING = (
    ("ping", ID),
    ("status", ID),
    ("status",),
    ("failures", ID),
    ("audit", ID, "--record", "5200001", "--verify"),
    ("audit", ID, "--day", "2026-03-02"),
    ("reconcile", ID),
    ("connections", "list"),
    ("connections", "show", ID),
    ("pause", ID, "--stage", "vendors"),
)


def test_the_page_of_commands_is_made_from_the_parser() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert page == commands_page(), "write it anew: sync.verbs.arguments.commands_page()"
    for command in COMMANDS:
        assert f"| [`{command.name}`](#{command.name.replace(' ', '-')}) |" in page


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_is_a_valid_command(command: Command) -> None:
    assert make_parser().parse_args(shlex.split(command.example)).command == command.name


def test_the_help_is_one_screen_with_an_example_of_each_command(desk: Desk) -> None:
    seen = desk.call("--help")
    assert seen.code == 0
    assert len(seen.out.splitlines()) <= 50
    assert all(f"python -m sync {command.example}" in seen.out for command in COMMANDS)


@pytest.mark.parametrize("argv", [(), ("frobnicate",), ("run",), ("audit", ID), ("connections",), ("run", ID, "--wait", "soon")])
def test_wrong_usage_ends_with_2(desk: Desk, argv: tuple[str, ...]) -> None:
    assert desk.call(*argv).code == 2


def test_missing_settings_are_named(desk: Desk) -> None:
    seen = desk.call("status", opened=lambda: open_app({}))
    assert (seen.code, seen.out) == (2, "")
    assert "KEY_VAULT_URL: it is missing; add it to the app settings" in seen.err


def test_the_module_runs_by_itself_and_says_what_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "sync", "status"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The app settings are not valid:")
    assert "Traceback" not in done.stderr


def test_another_error_ends_with_1_and_its_detail_is_shown_on_request(desk: Desk) -> None:
    def broken() -> App:
        raise OutcomeUnknown("The sentence.", detail="the detail, Bearer abc123")

    assert (desk.call("status", opened=broken).code, desk.call("status", opened=broken).err) == (1, "The sentence.\n")
    shown = desk.call("status", "--verbose", opened=broken).err
    assert "the detail, Bearer ***" in shown
    assert "abc123" not in shown


@pytest.mark.parametrize("argv", READING, ids=" ".join)
def test_tables_fit_a_terminal_and_json_is_json(worked: Desk, argv: tuple[str, ...]) -> None:
    seen = worked.call(*argv)
    assert seen.code in {0, 1}, seen.err
    assert max(len(line) for line in seen.out.splitlines()) <= WIDEST, seen.out
    assert not [line for line in seen.out.splitlines() if line != line.rstrip()]
    assert isinstance(json.loads(worked.call(*argv, "--json").out), dict)


@pytest.mark.parametrize("argv", [*READING, ("run", ID, "--dry-run")], ids=" ".join)
def test_no_secret_is_in_any_output(worked: Desk, argv: tuple[str, ...]) -> None:
    secrets = worked.deployment.secrets.values.values()
    for seen in (worked.call(*argv), worked.call(*argv, "--json")):
        assert not [secret for secret in secrets if secret in seen.out + seen.err]


def test_money_stands_to_the_right_with_two_decimals(worked: Desk) -> None:
    lines = worked.call("reconcile", ID).out.splitlines()
    titles = next(line for line in lines if line.startswith("company"))
    end = titles.index("paid") + len("paid")
    paid = [line[:end].split()[-1] for line in lines if line.startswith("tq")]
    assert all(amount[-3] == "." for amount in paid), paid
    assert all(line[end - 1].isdigit() for line in lines if line.startswith("tq"))
