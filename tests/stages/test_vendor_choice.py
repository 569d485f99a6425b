"""Which vendors go to AvidXchange, with which fields, and what makes them inactive: what the connection document says."""

from datetime import date, timedelta

import pytest

from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_vendors
from sync.avid.models import AvidVendor
from sync.avid.profile import shipped_profile
from sync.connections.mirrored import VendorSettings
from sync.errors import FixConfiguration
from sync.ledger.model import Place
from sync.stages import vendors
from sync.stages.vendor_rows import VendorMapping
from tests.stages.test_vendors import SYSTEM, add, bench_of, change, held
from tests.support.bench import Bench
from tests.support.settings import amended


@pytest.fixture
def bench() -> Bench:
    return bench_of()


def settle(bench: Bench, **settings: object) -> None:
    """Other settings of the vendors from now on."""
    bench.connection = amended(bench.connection, vendors=settings)


def there(bench: Bench, account: str) -> bool:
    """Whether AvidXchange has the vendor."""
    return (int(bench.connection.companies[SYSTEM].accounting_system), account) in bench.world.avid.vendors


def writes_of(bench: Bench, account: str) -> list[dict[str, object]]:
    """What was sent of the vendor, in order."""
    return [dict(write.sent) for write in bench.world.avid.writes if write.key[-1] == account]


def failures(bench: Bench) -> list[str]:
    place = Place(bench.connection.id, "vendors", bench.connection.companies[SYSTEM].id)
    return [failure.cause.code for failure in bench.app.ledger.failures(place)]


def test_without_settings_every_vendor_goes(bench: Bench) -> None:
    add(bench, "ONCE", VendorGroupId="EMP", IsOneTimeVendor="Yes")
    bench.run(vendors.stage())
    assert there(bench, "ONCE")


def test_only_vendors_of_the_named_groups_go(bench: Bench) -> None:
    settle(bench, groups=["trade", "Legal"])
    add(bench, "LAW", VendorGroupId="LEGAL")
    add(bench, "EMP", VendorGroupId="EMP")
    add(bench, "NONE", VendorGroupId="")
    counts = bench.run(vendors.stage()).counts
    assert (there(bench, "LAW"), there(bench, "EMP"), there(bench, "NONE")) == (True, False, False)
    assert counts["read"] == 33
    assert "incomplete" not in counts


def test_vendors_of_groups_that_are_left_out_do_not_go(bench: Bench) -> None:
    settle(bench, without_groups=["emp"])
    add(bench, "EMP", VendorGroupId="EMP")
    add(bench, "NONE", VendorGroupId="")
    bench.run(vendors.stage())
    assert (there(bench, "EMP"), there(bench, "NONE")) == (False, True)


def test_one_time_vendors_can_be_left_out(bench: Bench) -> None:
    settle(bench, one_time_vendors=False)
    add(bench, "ONCE", IsOneTimeVendor="Yes")
    add(bench, "OFTEN", IsOneTimeVendor="No")
    bench.run(vendors.stage())
    assert (there(bench, "ONCE"), there(bench, "OFTEN")) == (False, True)


def test_what_is_left_out_need_not_be_readable(bench: Bench) -> None:
    settle(bench, without_groups=["EMP"])
    add(bench, "BROKEN", VendorGroupId="EMP")
    bench.world.d365.one("VendorsV3", VendorAccountNumber="BROKEN").stored["IsReportingTax1099"] = "Maybe"
    bench.run(vendors.stage())
    assert failures(bench) == []


def test_a_vendor_that_falls_out_of_the_groups_is_deactivated_by_the_second_whole_crawl(bench: Bench) -> None:
    settle(bench, without_groups=["EMP"])
    add(bench, "MOVED", VendorGroupId="TRADE")
    bench.run(vendors.stage())
    change(bench, "MOVED", VendorGroupId="EMP")
    bench.run(vendors.stage())
    assert held(bench, "MOVED")["IsActive"] is True
    assert bench.run(vendors.stage()).counts["deactivated"] == 1
    assert held(bench, "MOVED")["IsActive"] is False
    change(bench, "MOVED", VendorGroupId="TRADE")
    bench.run(vendors.stage())
    assert held(bench, "MOVED")["IsActive"] is True


def test_a_group_that_is_misspelled_is_held_up_by_the_guard(bench: Bench) -> None:
    for number in range(20):
        add(bench, f"EXTRA{number}")
    bench.run(vendors.stage())
    settle(bench, groups=["TRAED"])
    bench.run(vendors.stage())
    assert bench.run(vendors.stage()).counts["held_back"] >= 20
    assert failures(bench) == ["too-many-gone"]
    assert all(row["IsActive"] is True for key, row in bench.world.avid.vendors.items() if key[1].startswith("EXTRA"))


def test_fields_that_are_left_out_keep_what_avidxchange_has(bench: Bench) -> None:
    settle(bench, leave_out=["email", "terms", "is_1099", "account_no", "phone", "address"])
    system = int(bench.connection.companies[SYSTEM].accounting_system)
    add(bench, "OWN", PrimaryEmailAddress="d365@own.example", DefaultPaymentTermsName="Net30", OurAccountNumber="1", AddressCity="Reno")
    bench.world.avid.add_vendor(system, "OWN", "Before", EmailAddress="avid@own.example", AccountNo="77")
    bench.run(vendors.stage())
    row = held(bench, "OWN")
    assert (row["VendorName"], row["EmailAddress"], row["AccountNo"]) == ("Vendor OWN", "avid@own.example", "77")
    [sent] = writes_of(bench, "OWN")
    assert {*sent} == {"AccountingSystemId", "VendorExternalSystemID", "VendorName", "IsActive"}


def test_a_field_inside_an_object_leaves_its_neighbours() -> None:
    profile = shipped_profile().with_overrides({"fields.vendor.phone": "Contact.Phone", "fields.vendor.email": "Contact.Mail.Address"})
    sent = AvidVendor("7", "V", "Vendor", is_active=True, email="a@b.example", phone="555")

    def body(*leave_out: str) -> dict[str, object]:
        settings = VendorSettings.model_validate({"leave_out": leave_out})
        return dict(VendorMapping("7", date(2026, 3, 2), settings, profile.lengths).body(sent, profile))

    assert body("phone")["Contact"] == {"Mail": {"Address": "a@b.example"}}
    assert body("email")["Contact"] == {"Phone": "555"}
    assert "Contact" not in body("phone", "email")


def test_a_field_that_is_left_out_cannot_park_the_vendor(bench: Bench) -> None:
    settle(bench, leave_out=["phone", "address"])
    add(bench, "LONG", PrimaryPhoneNumber="5" * 21, AddressCountryRegionId="Utopia", AddressCity="x" * 51)
    bench.run(vendors.stage())
    assert (there(bench, "LONG"), failures(bench)) == (True, [])


def test_what_is_left_out_later_is_sent_no_more_and_is_no_drift(bench: Bench) -> None:
    add(bench, "OWN", PrimaryEmailAddress="d365@own.example")
    bench.run(vendors.stage())
    settle(bench, leave_out=["email"])
    bench.run(vendors.stage())
    held(bench, "OWN")["EmailAddress"] = "avid@own.example"
    bench.clock.advance(days=1)
    counts = bench.run(vendors.stage()).counts
    assert (counts["sent"], counts.get("drift", 0)) == (0, 0)
    assert held(bench, "OWN")["EmailAddress"] == "avid@own.example"


@pytest.mark.parametrize(
    ("holds", "inactive"),
    [
        (None, {"Invoice", "All", "Payment"}),
        (["All"], {"All"}),
        (["Never", "Requisition", "PurchOrder"], {"Never", "Requisition", "PurchOrder"}),
        ([], set()),
    ],
)
def test_the_customer_decides_which_holds_make_inactive(bench: Bench, holds: list[str] | None, inactive: set[str]) -> None:
    if holds is not None:
        settle(bench, inactive_holds=holds)
    for hold in ("No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"):
        add(bench, f"HOLD-{hold}", OnHoldStatus=hold)
    bench.run(vendors.stage())
    closed = {key[1] for key, row in bench.world.avid.vendors.items() if key[1].startswith("HOLD-") and row["IsActive"] is False}
    assert closed == {f"HOLD-{hold}" for hold in inactive}


def test_a_release_day_counts_for_every_hold_that_does(bench: Bench) -> None:
    settle(bench, inactive_holds=["Never"])
    add(bench, "HELD", OnHoldStatus="Never", VendorHoldReleaseDate=bench.clock.now().date() + timedelta(days=1))
    bench.run(vendors.stage())
    assert held(bench, "HELD")["IsActive"] is False
    bench.clock.advance(days=1)
    assert bench.run(vendors.stage()).counts["sent"] >= 1
    assert held(bench, "HELD")["IsActive"] is True


def test_tax_ids_that_avidxchange_never_shows_are_no_drift() -> None:
    bench = bench_of(send_tax_ids=True)
    add(bench, "TAXED", Tax1099FederalTaxId="12-3456789")
    bench.run(vendors.stage())
    bench.clock.advance(days=1)
    counts = bench.run(vendors.stage()).counts
    assert (counts["sent"], counts.get("drift", 0)) == (0, 0)
    change(bench, "TAXED", Tax1099FederalTaxId="98-7654321")
    assert bench.run(vendors.stage()).counts["sent"] == 1
    assert [sent["TaxId"] for sent in writes_of(bench, "TAXED")] == ["12-3456789", "98-7654321"]


def test_the_settings_leave_the_firm_as_the_truth_says(bench: Bench) -> None:
    settle(bench, groups=["TRADE"], one_time_vendors=False)
    bench.run(vendors.stage())
    comparison = Comparison()
    compare_vendors(bench.world, comparison)
    assert comparison.differences == []


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"group": ["TRADE"]}, r"vendors\.group: Extra inputs"),
        ({"groups": "TRADE"}, r"vendors\.groups: Input should be a valid"),
        ({"groups": [""]}, r"vendors\.groups\.0: String should have at least 1 character"),
        ({"groups": ["TRADE", "EMP"], "without_groups": ["Emp"]}, r"vendors: emp stands in groups and in without_groups"),
        ({"leave_out": ["name"]}, r"vendors\.leave_out\.0: Input should be 'account_no'"),
        ({"leave_out": ["tax_id"]}, r"vendors\.leave_out\.0"),
        ({"inactive_holds": ["No"]}, r"vendors\.inactive_holds\.0: Input should be 'Invoice'"),
        ({"inactive_holds": ["invoice"]}, r"vendors\.inactive_holds\.0"),
        ({"remit_to_role": "Remit*"}, r"vendors\.remit_to_role: String should match pattern"),
        ({"remit_to_role": "x" * 61}, r"vendors\.remit_to_role: String should have at most 60"),
        ({"one_time_vendors": "perhaps"}, r"vendors\.one_time_vendors"),
    ],
)
def test_what_the_document_cannot_mean_is_refused(bench: Bench, settings: dict[str, object], problem: str) -> None:
    with pytest.raises(FixConfiguration, match=problem):
        settle(bench, **settings)
