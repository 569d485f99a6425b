"""The two headers of the default sign-in."""

import pytest

from sandbox.simulator.seams import PlainSecrets
from sync.avid.auth import CompanyUserAuthorizer
from sync.avid.profile import shipped_profile
from sync.connections.document import CompanyUserTokens
from sync.errors import FixConfiguration

pytestmark = pytest.mark.shipped_names("one authorizer, with the names that it is given")

SETTINGS = CompanyUserTokens(company_token="contoso-company", user_token="contoso-user")


def test_both_tokens_go_into_their_headers() -> None:
    secrets = PlainSecrets({"contoso-company": "c0mpany\r\n", "contoso-user": " us3r"})
    assert CompanyUserAuthorizer(secrets, SETTINGS, shipped_profile()).headers() == {"CompanyToken": "c0mpany", "UserToken": "us3r"}
    other = shipped_profile().with_overrides({"headers.company_token": "X-Company"})
    assert [*CompanyUserAuthorizer(secrets, SETTINGS, other).headers()] == ["X-Company", "UserToken"]


def test_a_renewal_reads_rotated_secrets() -> None:
    secrets = PlainSecrets({"contoso-company": "old", "contoso-user": "old"})
    authorizer = CompanyUserAuthorizer(secrets, SETTINGS, shipped_profile())
    authorizer.headers()
    secrets.values = {"contoso-company": "new", "contoso-user": "newer"}
    authorizer.renew()
    assert secrets.forgotten == ["contoso-company", "contoso-user"]
    assert [*authorizer.headers().values()] == ["new", "newer"]


@pytest.mark.parametrize("value", ["tok\nen", "tökens", " ", "a\x00b", "line\u2028break"])
def test_a_secret_that_is_no_token_is_named_and_never_shown(value: str) -> None:
    secrets = PlainSecrets({"contoso-company": "fine", "contoso-user": value})
    with pytest.raises(FixConfiguration) as caught:
        CompanyUserAuthorizer(secrets, SETTINGS, shipped_profile()).headers()
    assert caught.value.field == "contoso-user"
    assert "contoso-user" in caught.value.sentence
    assert value.strip() == "" or value not in f"{caught.value!r}{caught.value.detail}"


def test_the_explanation_names_secrets_and_headers_but_no_value() -> None:
    secrets = PlainSecrets({"contoso-company": "c0mpany", "contoso-user": "us3r"})
    authorizer = CompanyUserAuthorizer(secrets, SETTINGS, shipped_profile())
    authorizer.headers()
    explanation = authorizer.explain()
    assert all(name in explanation for name in ("contoso-company", "contoso-user", "CompanyToken", "UserToken"))
    assert "c0mpany" not in explanation + repr(authorizer) + str(vars(authorizer)["_settings"])
