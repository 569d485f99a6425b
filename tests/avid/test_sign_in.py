"""Signing in, all three ways: rotation in mid-run, ends of tokens, refusals that lock no account, and nothing of a body anywhere."""

import logging
import threading
from collections.abc import Iterator

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.settings import SECRETS
from sandbox.avid.switches import Auth
from sandbox.faults import Fault
from sandbox.web import Response
from sync.connections.document import AvidSettings, CompanyUserTokens, TwoLayer
from sync.errors import FixConfiguration, SignInAgain, SyncError, Throttled, TryLater
from sync.http.wire import HttpRequest
from tests.avid.tenant import AUTHS, Tenant

TOKEN_AUTHS: tuple[Auth, ...] = ("two_layer", "client_credentials")
EVERY_SECRET = [(auth, entry) for auth, entries in SECRETS.items() for entry in entries]
JSON = {"content-type": "application/json"}
CLIENT = {"method": "client_credentials", "token_url": "https://x.example/t", "client_id": "c", "client_secret": "s", "company": "1"}


def signed_by(auth: str, **switches: object) -> Tenant:
    return Tenant(AvidSwitches(auth=auth, **switches))  # type: ignore[arg-type]  # the names come from a table


def answer_sign_in(tenant: Tenant, status: int, body: bytes, times: int = 1) -> None:
    """The next requests for a token are answered so, without reaching AvidXchange."""
    tenant.network.faults.add(Fault("status", method="POST", path="authorizations|token", times=times, reply=Response(status, JSON, body)))


def chain(error: BaseException | None) -> Iterator[str]:
    """All that a log could show of an error and of those behind it."""
    while error is not None:
        yield f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(("auth", "entry"), EVERY_SECRET)
def test_a_secret_that_is_rotated_in_mid_run_is_read_again_and_used(auth: str, entry: str) -> None:
    tenant = signed_by(auth)
    assert tenant.read() == 2
    tenant.world.rotate(**{entry: "n3w value" if entry == "password" else "n3w"})
    tenant.store(entry, "n3w value\n" if entry == "password" else "n3w")
    assert [tenant.read() for _ in range(3)] == [2, 2, 2]
    assert tenant.sign_ins == ([] if auth == "company_user_tokens" else [True, True])


@pytest.mark.parametrize(("auth", "entry"), EVERY_SECRET)
def test_a_secret_that_only_avidxchange_knows_stops_with_its_name_and_locks_nothing(auth: str, entry: str) -> None:
    tenant = signed_by(auth)
    assert tenant.read() == 2
    before = tenant.asked
    tenant.world.rotate(**{entry: "n3w"})
    for _ in range(50):
        with pytest.raises(FixConfiguration, match=f"it-avid-{entry.replace('_', '-')}"):
            tenant.read()
    assert tenant.asked - before == (0 if auth == "company_user_tokens" else 1), "what was refused is not tried again"
    tenant.store(entry, "n3w")
    assert tenant.read() == 2, "a changed secret is used at once"


def test_a_refused_password_is_tried_again_after_an_hour_for_the_account_may_have_been_mended() -> None:
    tenant = signed_by("two_layer", refusals_until_locked=2)
    right = tenant.world.access.password
    tenant.world.rotate(password="other")
    for _ in range(2):
        with pytest.raises(FixConfiguration, match="password"):
            tenant.read()
        tenant.clock.advance(minutes=59)
    assert tenant.sign_ins == [False]
    tenant.world.rotate(password=right)
    tenant.clock.advance(minutes=2)
    assert tenant.read() == 2


@pytest.mark.parametrize("auth", AUTHS)
def test_credentials_that_keep_being_refused_stop_after_one_renewal(auth: Auth) -> None:
    tenant = signed_by(auth)
    tenant.network.faults.add(Fault("status", method="GET", times=99, reply=Response(401)))
    with pytest.raises(FixConfiguration) as caught:
        tenant.read()
    assert "secret" in caught.value.sentence or "company" in caught.value.sentence
    assert len(tenant.network.requests(method="GET")) == 2
    assert tenant.sign_ins == ([] if auth == "company_user_tokens" else [True, True])


@pytest.mark.parametrize("auth", AUTHS)
def test_a_write_that_meets_401_is_not_sent_again_by_itself(auth: Auth) -> None:
    tenant = signed_by(auth)
    tenant.read()
    tenant.world.rotate(company_token="n3w")
    tenant.store("company_token", "n3w")
    with pytest.raises(SignInAgain):
        tenant.http.send(HttpRequest("POST", f"https://{tenant.http.host}/v1/invoices/batches/exportHistories"), repeatable=False)
    assert tenant.read() == 2


@pytest.mark.parametrize("auth", TOKEN_AUTHS)
@pytest.mark.parametrize("told", [True, False])
def test_a_token_is_used_until_its_end_and_then_a_new_one(auth: Auth, told: bool) -> None:
    tenant = signed_by(auth, token_lifetime_told=told)
    for _ in range(5):
        assert tenant.read() == 2
        tenant.clock.advance(minutes=10)
    assert tenant.sign_ins == [True]
    tenant.clock.advance(minutes=6)
    assert tenant.read() == 2
    assert tenant.sign_ins == ([True, True] if told else [True]), "four minutes before its end, where that is told"
    tenant.clock.advance(minutes=5)
    assert tenant.read() == 2
    assert tenant.sign_ins == [True, True]
    refused = [exchange for exchange in tenant.network.requests() if exchange.status == 401]
    assert len(refused) == (0 if told else 1), "whose lifetime is told is renewed before it is refused"


@pytest.mark.parametrize("auth", TOKEN_AUTHS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, TryLater) for status in (503, 500, 599, 200)),
        *((status, FixConfiguration) for status in (400, 401, 403, 302, 404, 405)),
    ],
)
def test_a_body_that_echoes_the_password_is_seen_nowhere(
    auth: Auth, status: int, kind: type[SyncError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tenant = signed_by(auth)
    access = tenant.world.access
    access.password = access.client_secret = "hunter2"
    tenant.store("password", "hunter2")
    tenant.store("client_secret", "hunter2")
    answer_sign_in(tenant, status, b"grant_type=password&password=hunter2 could not be handled: hunter2")
    with pytest.raises(kind) as caught:
        tenant.read()
    shown = " ".join([*chain(caught.value), caplog.text, repr(tenant.authorizer), repr(tenant.sent)])
    assert "hunter2" not in shown
    assert "could not be handled" not in shown


@pytest.mark.parametrize("auth", TOKEN_AUTHS)
def test_nobody_signs_in_for_a_minute_after_a_sign_in_that_was_not_answered(auth: Auth) -> None:
    tenant = signed_by(auth)
    answer_sign_in(tenant, 503, b"")
    delays = []
    for _ in range(20):
        with pytest.raises(TryLater) as caught:
            tenant.read()
        delays.append(caught.value.delay)
    assert delays == [60] * 20
    assert tenant.asked == 1
    tenant.clock.advance(seconds=60)
    assert tenant.read() == 2


@pytest.mark.parametrize("kind", ["drop_request", "drop_reply", "cut_reply"])
def test_a_sign_in_of_unknown_outcome_is_no_unknown_write(kind: str) -> None:
    tenant = signed_by("two_layer")
    tenant.network.faults.add(Fault(kind, method="POST", path="authorizations"))  # type: ignore[arg-type]  # a parametrised literal
    with pytest.raises(TryLater):
        tenant.read()
    assert tenant.asked == 1


def test_a_busy_gateway_closes_the_gate_of_its_host() -> None:
    tenant = signed_by("two_layer")
    tenant.network.faults.add(Fault("status", method="POST", path="authorizations", reply=Response(429, {"retry-after": "120"})))
    with pytest.raises(Throttled):
        tenant.read()
    assert tenant.gates.not_before(tenant.http.host) is not None
    answer_sign_in(tenant, 403, b'{"fault": {"code": 900800, "message": "Message throttled out: hunter2"}}')
    tenant.clock.advance(minutes=3)
    with pytest.raises(TryLater, match="busy") as caught:
        tenant.read()
    assert "hunter2" not in " ".join(chain(caught.value))


@pytest.mark.parametrize(
    ("status", "body", "field"),
    [
        (200, b"{}", "avidxchange.profile.sign_in.access_token"),
        (200, b"[1]", "avidxchange.profile.sign_in.access_token"),
        (200, b'{"access_token": 7}', "avidxchange.profile.sign_in.access_token"),
        (200, b'{"access_token": "a\\r\\nX-Evil: 1"}', "avidxchange.profile.sign_in.access_token"),
        (200, b'{"access_token": "\\ud800"}', "avidxchange.profile.sign_in.access_token"),
        (404, b"", "avidxchange.profile.paths.sign_in"),
        (302, b"", "avidxchange.profile.paths.sign_in"),
        (400, b'{"error_description": "wrong"}', "avidxchange.auth"),
        (403, b"<html>", "avidxchange.auth"),
    ],
)
def test_an_answer_that_is_no_token_names_the_entry_to_mend(status: int, body: bytes, field: str) -> None:
    tenant = signed_by("two_layer")
    answer_sign_in(tenant, status, body, times=9)
    with pytest.raises(FixConfiguration) as caught:
        tenant.read()
    assert caught.value.field == field
    assert tenant.asked == 1


@pytest.mark.parametrize("expires", [b'"3600"', b"3600.0", b"0", b"-5", b'"soon"', b"null", b"1e400", b"99999999999", b"[]"])
def test_an_odd_lifetime_never_makes_a_token_useless(expires: bytes) -> None:
    tenant = signed_by("two_layer")
    tenant.world.access.tokens["t0"] = tenant.clock.now().replace(year=2030)
    answer_sign_in(tenant, 200, b'{"access_token": "t0", "expires_in": ' + expires + b"}")
    assert [tenant.read() for _ in range(3)] == [2, 2, 2]
    assert tenant.asked == 1


def test_each_secret_goes_to_its_own_host_and_into_its_own_header() -> None:
    tenant = signed_by("client_credentials")
    tenant.read()
    sign_in, read = tenant.sent
    assert sign_in.url == "https://sign-in.api.avid.example/oauth2/v2.0/token"
    assert b"client-secret-1" in sign_in.body
    assert {*sign_in.headers} == {"Accept", "Content-Type"}
    assert {name: value for name, value in read.headers.items() if name != "Accept"} == {
        "Authorization": "Bearer token-1",
        "X-Company-Id": "4711",
    }
    tenant = signed_by("two_layer")
    tenant.read()
    sign_in, read = tenant.sent
    assert (sign_in.url, sign_in.headers["Authorization"]) == ("https://api.avid.example/v1/authorizations", "Bearer gateway-key-1")
    assert sign_in.body == b"grant_type=password&username=sync%40example.com&password=pass+word%2F1%26%C3%BC"
    assert (read.headers["Authorization"], read.headers["AvidAuthorization"]) == ("Bearer gateway-key-1", "Bearer token-1")


@pytest.mark.parametrize("auth", AUTHS)
def test_every_name_is_an_entry_of_the_profile(auth: Auth) -> None:
    names = {
        "headers__company_token": "X-A",
        "headers__user_token": "X-B",
        "headers__gateway_key": "X-C",
        "headers__session": "X-D",
        "headers__access_token": "X-E",
        "headers__company": "X-F",
        "paths__sign_in": "/other/door",
    }
    switches = AvidSwitches(
        auth=auth,
        company_token_header="X-A",
        user_token_header="X-B",
        gateway_key_header="X-C",
        session_header="X-D",
        access_token_header="X-E",
        company_header="X-F",
        sign_in_path="/other/door",
    )
    assert Tenant(switches, **names).read() == 2


def test_a_token_that_another_thread_has_renewed_meanwhile_is_kept() -> None:
    tenant = signed_by("two_layer")
    authorizer = tenant.authorizer
    authorizer.headers()

    def renewed_elsewhere() -> None:
        authorizer.headers()
        authorizer.renew()
        authorizer.headers()

    thread = threading.Thread(target=renewed_elsewhere)
    thread.start()
    thread.join()
    authorizer.renew()
    assert authorizer.headers()["AvidAuthorization"] == "Bearer token-2"
    authorizer.renew()
    assert authorizer.headers()["AvidAuthorization"] == "Bearer token-3"


def test_the_way_to_sign_in_is_chosen_by_the_method_and_is_company_and_user_tokens_without_one() -> None:
    usual = AvidSettings.model_validate({"host": "avid.example", "auth": {"company_token": "a", "user_token": "b"}})
    assert usual.auth == CompanyUserTokens(company_token="a", user_token="b")
    other = {"method": "two_layer", "gateway_key": "a", "username": "me", "password": "b"}
    assert isinstance(AvidSettings.model_validate({"host": "avid.example", "auth": other}).auth, TwoLayer)


@pytest.mark.parametrize(
    "auth",
    [
        {"method": "magic"},
        {"method": "two_layer", "gateway_key": "a", "username": "me"},
        {"method": "two_layer", "gateway_key": "a", "username": "me", "password": "a value!"},
        {**CLIENT, "token_url": "http://x.example/t"},
        {**CLIENT, "token_url": "https://me@x.example/t"},
        {**CLIENT, "token_url": "https://x.example"},
        {**CLIENT, "company": "1\r\nX: 1"},
        {**CLIENT, "client_secret": "no name of a secret"},
        {"company_token": "a", "user_token": "b", "gateway_key": "c"},
        "tokens",
    ],
)
def test_a_sign_in_that_is_not_whole_is_refused(auth: object) -> None:
    with pytest.raises(ValueError, match="auth"):
        AvidSettings.model_validate({"host": "avid.example", "auth": auth})
