"""`ping` with every way to sign in to AvidXchange, in the shipped dialect and in one where everything has another name."""

import re

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.dialect import Dialect
from sandbox.avid.settings import SECRETS, secret_name
from sandbox.avid.switches import Auth
from tests.avid.tenant import AUTHS
from tests.verbs.desk import ID, Desk

DIALECTS = {"shipped": None, "scrambled": Dialect.scrambled(8)}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("auth", AUTHS)
def test_a_customer_that_signs_in_so_fits(capsys: pytest.CaptureFixture[str], auth: Auth, dialect: str) -> None:
    desk = Desk(capsys, avid=AvidSwitches(auth=auth), dialect=DIALECTS[dialect])
    usual, seen = Desk(capsys).call("ping", ID), desk.call("ping", ID)
    assert (usual.code, seen.code) == (0, 0)
    assert {*checks(seen.out)} == {*checks(usual.out)}
    assert desk.writes() == 0
    assert len(desk.world.avid.access.sign_ins) == (0 if auth == "company_user_tokens" else 1)


def checks(out: str) -> list[str]:
    """What `ping` looked at and how it is; the sentences name secrets and entries of the dialect."""
    return [match[0] for line in out.splitlines() if (match := re.match(r"\S+ {2,}\S+(?: \S+)* {2,}", line)) and "secrets" not in match[0]]


@pytest.mark.parametrize(("auth", "entry"), [(auth, entry) for auth, entries in SECRETS.items() for entry in entries])
def test_a_refused_secret_is_named_and_tried_once_however_often_a_person_asks(
    capsys: pytest.CaptureFixture[str], auth: Auth, entry: str
) -> None:
    desk = Desk(capsys, avid=AvidSwitches(auth=auth))
    desk.world.avid.rotate(**{entry: "n3w"})
    for number in range(4):
        desk.app = desk.deployment.worker(20 + number)
        seen = desk.call("ping", ID)
        assert seen.code != 0
        assert secret_name(ID, entry) in seen.out
        assert "nothing else of avidxchange could be checked" in seen.out.lower()
    assert len(desk.world.avid.access.sign_ins) <= 1
