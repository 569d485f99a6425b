"""The dialect as data."""

import pytest

from sync.avid.models import PaymentKind, PaymentState
from sync.avid.profile import shipped_profile
from sync.errors import FixConfiguration

pytestmark = pytest.mark.shipped_names("the shipped document itself")

PROFILE = shipped_profile()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Pending Approval", PaymentState.PENDING),
        ("Held", PaymentState.PENDING),
        ("Processing", PaymentState.IN_FLIGHT),
        ("Debit Requested", PaymentState.IN_FLIGHT),
        ("Funds Received", PaymentState.IN_FLIGHT),
        ("Sent to Check Printer", PaymentState.ISSUED),
        ("Issued to Supplier", PaymentState.ISSUED),
        ("ACH Credit Issued", PaymentState.ISSUED),
        ("VCC Processing", PaymentState.ISSUED),
        ("Cleared", PaymentState.SETTLED),
        (" cleared ", PaymentState.SETTLED),
        ("Error", PaymentState.ERROR),
        ("Void", PaymentState.VOIDED),
        ("Voided by supplier", PaymentState.VOIDED),
        ("Cleared Pending", PaymentState.UNKNOWN),
        ("Uncleared", PaymentState.UNKNOWN),
        ("", PaymentState.UNKNOWN),
    ],
)
def test_every_status_text_has_its_state(status: str, state: PaymentState) -> None:
    assert PROFILE.payment_state(status) is state


def test_every_method_text_has_its_kind() -> None:
    texts = ("Check", "AvidPay Check", "AvidPay Direct", "ACH", "Virtual Credit Card", "VCC", "e-Payment", "Barter")
    kinds = [PROFILE.payment_kind(text) for text in texts]
    check, ach, card = PaymentKind.CHECK, PaymentKind.ACH, PaymentKind.VIRTUAL_CARD
    assert kinds == [check, check, ach, ach, card, card, PaymentKind.INTERNAL, PaymentKind.UNKNOWN]


def test_only_settled_and_voided_are_final() -> None:
    assert [state for state in PaymentState if state.final] == [PaymentState.SETTLED, PaymentState.VOIDED]


def test_an_override_replaces_one_entry_and_leaves_the_shipped_profile_alone() -> None:
    changed = PROFILE.with_overrides(
        {
            "headers.company_token": "X-Company",
            "limits.vendor_batch": 50,
            "capabilities.results_in_order": False,
            "values.no_account_number": "none, n/a",
            "payment_statuses.ACH Settled": "settled",
            "payment_statuses.cleared": "issued",
        }
    )
    assert (changed.headers.company_token, changed.limits.vendor_batch, changed.capabilities.results_in_order) == ("X-Company", 50, False)
    assert changed.values.no_account_number == ("none", "n/a")
    assert changed.payment_state("ach settled") is PaymentState.SETTLED
    assert changed.payment_state("Cleared") is PaymentState.ISSUED
    assert changed.headers.user_token == PROFILE.headers.user_token == "UserToken"
    assert PROFILE.payment_state("Cleared") is PaymentState.SETTLED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("headers.compny_token", "X"),
        ("headers", "X"),
        ("nothing", "X"),
        ("", "X"),
        ("fields.invoice.gross.deeper", "X"),
        ("limits.vendor_batch", "50"),
        ("limits.vendor_batch", True),
        ("limits.vendor_batch", 0),
        ("headers.user_token", "a b"),
        ("headers.user_token", "a\r\nb"),
        ("fields.invoice.gross", 3),
        ("fields.invoice.gross", ""),
        ("payment_statuses.Paid", "paid"),
        ("payment_methods.Wire", True),
        ("capabilities.results_in_order", "yes"),
        ("paths.closed_batches", "/closed"),
        ("paths.closed_batches", "/closed/{payment}"),
        ("paths.vendors", "vendors"),
        ("paths.vendors", "https://elsewhere.example/vendors"),
        ("paths.vendors", "/vendors?x=1"),
    ],
)
def test_a_wrong_override_names_its_entry(name: str, value: str | int | bool) -> None:
    with pytest.raises(FixConfiguration) as caught:
        PROFILE.with_overrides({name: value})
    assert caught.value.field.startswith(f"avidxchange.profile.{name}")
    assert f"avidxchange.profile.{name}" in caught.value.sentence


def test_every_wrong_entry_is_named_at_once_and_a_misspelled_one_with_the_nearest() -> None:
    with pytest.raises(FixConfiguration) as caught:
        PROFILE.with_overrides({"limits.vendor_batch": 0, "fields.invoice.gros": "X", "fields.vendor": "X", "verbs.sign_in": "GET"})
    assert caught.value.field == "avidxchange.profile.fields.invoice.gros"
    assert "fields.invoice.gros: there is no such entry; did you mean fields.invoice.gross?" in caught.value.sentence
    assert "fields.vendor: it is a section, not an entry; name one of its entries, such as fields.vendor." in caught.value.sentence
    assert "limits.vendor_batch: Input should be greater than or equal to 1" in caught.value.sentence
    assert "verbs.sign_in: Input should be 'POST', 'PUT' or 'PATCH'" in caught.value.sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [("fields.vendor.name", "A..B"), ("fields.vendor.name", ".A"), ("fields.vendor.name", "A."), ("fields.vendor.name", " A"),
     ("verbs.code_upsert", "post"), ("limits.answer_megabytes", 65), ("values.failed_status", "3"), ("values.failed_status", True),
     ("envelope.sent_codes", 1), ("capabilities.vendor_updates", 1), ("values.no_account_number", "none,,n/a"),
     ("paths.remittances", "/payments/{payment}/{payment}"), ("payment_methods. ", "check")],
)  # fmt: skip
def test_no_entry_takes_what_cannot_work(name: str, value: str | int | bool) -> None:
    with pytest.raises(FixConfiguration) as caught:
        PROFILE.with_overrides({name: value})
    assert caught.value.field.startswith(f"avidxchange.profile.{name}")


@pytest.mark.parametrize(
    ("section", "overrides"),
    [
        ("query", {"query.code_group": "acctgSysId"}),
        ("query", {"query.page_size": "pageNumber"}),
        ("query", {"query.closed_to": "closeDateFrom"}),
        ("fields.vendor", {"fields.vendor.phone": "EmailAddress"}),
        ("fields.vendor", {"fields.vendor.phone": "Address.Phone"}),
        ("fields.address", {"fields.address.line2": "Line1"}),
        ("fields.code", {"fields.code.value": "CodeGroupName.Value"}),
        ("fields.acknowledgement", {"fields.acknowledgement.end": "StartDate"}),
    ],
)
def test_two_entries_of_one_call_need_two_places(section: str, overrides: dict[str, str]) -> None:
    with pytest.raises(FixConfiguration, match="of their own") as caught:
        PROFILE.with_overrides(overrides)
    assert caught.value.field == f"avidxchange.profile.{section}"


def test_a_text_that_a_portal_does_not_have_is_taken_away() -> None:
    changed = PROFILE.with_overrides({"payment_statuses.Void*": "unknown", "payment_methods.vcc": "unknown"})
    assert changed.payment_state("Voided") is PaymentState.UNKNOWN
    assert changed.payment_kind("VCC") is PaymentKind.UNKNOWN


@pytest.mark.parametrize(("name", "value"), [("user_token", "companytoken"), ("session", "authorization"), ("company", "Authorization")])
def test_two_values_of_one_call_need_two_headers(name: str, value: str) -> None:
    with pytest.raises(FixConfiguration, match=f"{name} need names of their own") as caught:
        PROFILE.with_overrides({f"headers.{name}": value})
    assert caught.value.field == "avidxchange.profile.headers"
