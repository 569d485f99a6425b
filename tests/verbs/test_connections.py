"""`connections`: documents are checked whole before they are stored."""

import json
from pathlib import Path

import pytest

from sandbox.worlds.connection import connection_document
from sync.app import App
from tests.verbs.desk import ID, Desk


@pytest.fixture
def file(desk: Desk, tmp_path: Path) -> Path:
    """A connection document in a file, of another customer with the same systems."""
    path = tmp_path / "second.json"
    path.write_text(json.dumps({**connection_document(desk.world.connection), "id": "second"}), encoding="utf-8")
    return path


def no_app() -> App:
    """Nothing is to be opened."""
    raise AssertionError("the app is not needed")


def test_check_needs_no_app_and_names_what_is_wrong(desk: Desk, file: Path) -> None:
    seen = desk.call("connections", "check", str(file), opened=no_app)
    assert (seen.code, seen.out) == (0, "second (Thornquill Property Partners) is valid: 3 companies, tqe, tqw, tqn.\n")
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "nmae": "x", "companies": []}), encoding="utf-8-sig")
    seen = desk.call("connections", "check", str(file), opened=no_app)
    assert seen.code == 2
    assert "nmae: Extra inputs are not permitted" in seen.err
    assert "companies: Tuple should have at least 1 item" in seen.err


@pytest.mark.parametrize("command", ["check", "add"])
def test_overrides_of_the_profile_are_checked_with_the_document_each_by_its_name(desk: Desk, file: Path, command: str) -> None:
    document = json.loads(file.read_text())
    overrides = {
        "headers.compny_token": "X",
        "fields.invoice.gross": "",
        "paths.vendors": "vendors",
        "limits.vendor_batch": "50",
        "fields": "X",
    }
    document["avidxchange"]["profile"] = overrides
    file.write_text(json.dumps(document))
    seen = desk.call("connections", command, str(file))
    assert seen.code == 2
    for name in overrides:
        assert f"avidxchange.profile.{name}: " in seen.err
    assert "did you mean headers.company_token?" in seen.err
    assert len(desk.call("connections", "list", "--json").document["connections"]) == 1


def test_an_override_that_is_no_plain_value_is_named_with_its_remedy(desk: Desk, file: Path) -> None:
    document = json.loads(file.read_text())
    document["avidxchange"]["profile"] = {"envelope.page_count": ["PageCount"], "limits.page_size": 1.5, "headers": {"company_token": "X"}}
    file.write_text(json.dumps(document))
    seen = desk.call("connections", "check", str(file))
    assert seen.code == 2
    assert "avidxchange.profile: envelope.page_count, limits.page_size, headers: write a text" in seen.err


def test_a_document_is_added_listed_shown_and_removed(desk: Desk, file: Path) -> None:
    assert desk.call("connections", "add", str(file)).code == 0
    assert [item["id"] for item in desk.call("connections", "list", "--json").document["connections"]] == ["second", ID]
    assert json.loads(desk.call("connections", "show", "second").out)["id"] == "second"
    desk.answer = "n"
    assert desk.call("connections", "remove", "second").code == 1
    assert desk.app.connections.get("second") is not None
    assert desk.call("connections", "remove", "second", "--yes").code == 0
    assert desk.app.connections.get("second") is None


def test_a_document_is_stored_over_another_only_when_that_is_said(desk: Desk, file: Path) -> None:
    desk.call("connections", "add", str(file))
    file.write_text(file.read_text().replace("Thornquill Property Partners", "Another name"))
    seen = desk.call("connections", "add", str(file))
    assert seen.code == 2
    assert "There is a connection second already: nothing was changed. Say --replace" in seen.err
    assert desk.call("connections", "add", str(file), "--replace").code == 0
    assert json.loads(desk.call("connections", "show", "second").out)["name"] == "Another name"


def test_a_document_that_is_not_valid_is_never_stored(desk: Desk, file: Path) -> None:
    file.write_text("{}")
    assert desk.call("connections", "add", str(file), "--replace").code == 2
    assert len(desk.call("connections", "list", "--json").document["connections"]) == 1


def test_a_file_that_cannot_be_read(desk: Desk, tmp_path: Path) -> None:
    seen = desk.call("connections", "check", str(tmp_path / "none.json"))
    assert (seen.code, "No such file" in seen.err) == (2, True)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in desk.call("connections", "check", str(tmp_path / "binary")).err


def test_removing_keeps_the_ledger(worked: Desk) -> None:
    worked.call("connections", "remove", ID, "--yes")
    document = json.dumps(connection_document(worked.world.connection))
    worked.app.connections.put(document)
    assert worked.call("audit", ID, "--record", "5200001", "--verify").code == 0
