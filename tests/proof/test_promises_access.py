"""What the connector promises of signing in: tenants, tokens, headers, secrets, and the check of all of it."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from sandbox.faults import Fault
from sandbox.hosts import LOGIN
from sandbox.simulator.deployment import Deployment, cycle
from sandbox.simulator.seams import PlainSecrets
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sync.verbs.lines import Verdict
from sync.verbs.ping import ping
from tests.proof.virtual import (
    assert_truths_agree,
    deployed_firm,
    everything_stored,
    failures,
    run,
    writes,
)


def test_entra_signs_each_customer_in_at_its_own_tenant_and_environment() -> None:
    deployment, firm = deployed_firm()
    contoso = build_contoso(deployment.clock.now(), now=deployment.clock.now)
    deployment.add(contoso)
    run(deployment)
    for world in (firm, contoso):
        assert deployment.network.requests(path=f"/{world.connection['tenant']}/oauth2/v2.0/token", method="POST")
        assert {exchange.status for exchange in deployment.network.requests(host=world.d365.host)} <= {200, 201, 204, 404}
    assert_truths_agree(deployment)


def test_a_token_that_is_revoked_in_mid_run_is_renewed() -> None:
    deployment, world = deployed_firm()
    seen = Counting(deployment, every=25, act=deployment.entra.revoke)
    run(deployment)
    refused = [exchange for exchange in deployment.network.requests(host=world.d365.host) if exchange.status == 401]
    assert any(not exchange.is_write for exchange in refused)
    assert any(exchange.is_write for exchange in refused)
    seen.end()
    deployment.clock.advance(minutes=20)
    run(deployment)
    assert_truths_agree(deployment)


def test_a_token_that_expires_in_mid_run_is_renewed_before_it_is_refused() -> None:
    deployment, world = deployed_firm()
    deployment.entra.lifetime = timedelta(minutes=1)
    started = deployment.clock.now()
    seen = Counting(deployment, every=10, act=lambda: deployment.clock.advance(seconds=1))
    run(deployment)
    seen.end()
    assert {exchange.status for exchange in deployment.network.requests(host=world.d365.host)} <= {200, 201, 404}
    lived = deployment.clock.now() - started
    assert lived > 2 * deployment.entra.lifetime
    assert len(deployment.network.requests(path="/oauth2/v2.0/token")) > lived / deployment.entra.lifetime
    assert_truths_agree(deployment)


class Counting:
    """Does something at every so many steps of a deployment."""

    def __init__(self, deployment: Deployment, every: int, act: Callable[[], None]) -> None:
        self._deployment = deployment
        self._every = every
        self._act = act
        self._steps = 0
        deployment.step = self._step

    def _step(self) -> None:
        self._steps += 1
        if self._steps % self._every == 0:
            self._act()

    def end(self) -> None:
        """From now on steps are only steps."""
        assert self._steps > self._every
        self._deployment.step = lambda: None


def test_company_token_and_user_token_are_sent_as_headers_and_to_avidxchange_only() -> None:
    deployment, world = deployed_firm()
    run(deployment)
    to_avid = deployment.network.requests(host=world.avid.host)
    assert to_avid
    assert all({"companytoken", "usertoken"} <= set(exchange.headers) for exchange in to_avid)
    assert not any("authorization" in exchange.headers for exchange in to_avid), "the bearer token is D365's"
    for exchange in deployment.network.requests(host=world.d365.host):
        assert "authorization" in exchange.headers
        assert not {"companytoken", "usertoken"} & set(exchange.headers)


def test_rotated_secrets_are_read_again_when_they_are_refused() -> None:
    deployment, world = deployed_firm()
    facts, secrets = world.connection, Cached(deployment.secrets.values)
    deployment.secrets = secrets
    run(deployment)
    world.avid.rotate(company_token="another-company-token", user_token="another-user-token")
    deployment.entra.register_app(facts["tenant"], facts["client_id"], "another-client-secret")
    secrets.values["thornquill-avid-company-token"] = "another-company-token"
    secrets.values["thornquill-avid-user-token"] = "another-user-token"
    secrets.values["thornquill-d365-client-secret"] = "another-client-secret"
    run(deployment)
    refused = {exchange.host for exchange in deployment.network.exchanges if exchange.status == 401}
    assert refused == {world.avid.host, LOGIN}
    assert failed_stages(deployment) == set()
    assert_truths_agree(deployment)


class Cached(PlainSecrets):
    """Secrets that are kept until they are forgotten, as those of the vault are for minutes."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._kept: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value as it was when it was first asked for."""
        return self._kept.setdefault(name, super().get(name))

    def forget(self, name: str) -> None:
        """The next `get` asks anew."""
        self._kept.pop(name, None)


def failed_stages(deployment: Deployment) -> set[str]:
    return {failure.cause.subject for failure in failures(deployment) if failure.cause.code == "stage-failed"}


def test_secrets_are_nowhere_but_in_key_vault(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    deployment, world = deployed_firm()
    facts = world.connection
    run(deployment)
    world.avid.rotate(company_token="rotated-company-token-value", user_token="rotated-user-token-value")
    run(deployment)
    deployment.entra.register_app(facts["tenant"], facts["client_id"], "rotated-client-secret-value")
    run(deployment)
    assert len(failed_stages(deployment)) == 5, "refused secrets are where a value would slip out"
    deployment.network.faults.add(*(Fault("status", host=host, times=50) for host in (LOGIN, world.avid.host)))
    cycle(deployment, deployment.worker())

    found = everything_stored(deployment) + "\n" + caplog.text
    assert "thornquill-d365-client-secret" in found, "the name of a secret is no secret"
    for value in (facts["client_secret"], facts["company_token"], facts["user_token"], "eyJ", "Bearer "):
        assert occurrences(found, value) == [], value


def occurrences(text: str, value: str) -> list[str]:
    """Where a value stands as a word of its own: `thornquill-client-secret` is not in `thornquill-d365-client-secret`."""
    return [match[0] for match in re.finditer(rf".{{0,40}}(?<![\w-]){re.escape(value)}.{{0,40}}", text)]


def test_ping_says_that_a_customer_fits_and_writes_nothing() -> None:
    deployment, firm = deployed_firm()
    found = ping(deployment.worker(), "thornquill")
    assert found.fits, [line for line in found.lines if line.verdict is Verdict.NOT_OK]
    told = "\n".join(line.sentence for line in found.lines)
    assert f"Entra ID gives a token for {firm.d365.environment_url}." in told
    for company in firm.connection["companies"]:
        assert company["id"] in told.lower()
    assert (writes(deployment), firm.d365.writes, firm.avid.writes) == (0, [], [])


def wrong_secret(deployment: Deployment, _: World) -> None:
    deployment.secrets.values["thornquill-d365-client-secret"] = "mistyped"


def wrong_token(deployment: Deployment, _: World) -> None:
    deployment.secrets.values["thornquill-avid-user-token"] = "mistyped"


def app_not_listed(_: Deployment, world: World) -> None:
    world.d365.listed_apps.clear()


def unknown_journal(_: Deployment, world: World) -> None:
    for row in world.d365.find("JournalNames", Name="AVXPAY", dataAreaId="tqw"):
        world.d365.remove_row("JournalNames", row)


def unknown_method(_: Deployment, world: World) -> None:
    for row in world.d365.find("VendorPaymentMethods", Name="AVX-ACH", dataAreaId="tqe"):
        world.d365.remove_row("VendorPaymentMethods", row)


def unknown_code_group(_: Deployment, world: World) -> None:
    world.avid.code_groups[:] = [group for group in world.avid.code_groups if group.name != "Building"]


def inactive_format(_: Deployment, world: World) -> None:
    for row in world.d365.find("DimensionIntegrationFormats", DimensionFormatType="DataEntityDefaultDimensionFormat"):
        world.d365.remove_row("DimensionIntegrationFormats", row)


UNFIT = {
    "client secret": (wrong_secret, "client secret is wrong"),
    "User Token": (wrong_token, "thornquill-avid-user-token"),
    "the app in D365": (app_not_listed, "Microsoft Entra applications"),
    "journal": (unknown_journal, "AVXPAY"),
    "payment method": (unknown_method, "AVX-ACH"),
    "code group": (unknown_code_group, "Building"),
    "dimension format": (inactive_format, "format"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_ping_says_what_does_not_fit(name: str) -> None:
    harm, words = UNFIT[name]
    deployment, world = deployed_firm()
    harm(deployment, world)
    found = ping(deployment.worker(), "thornquill")
    assert not found.fits
    assert any(words in line.sentence for line in found.lines if line.verdict is Verdict.NOT_OK)
