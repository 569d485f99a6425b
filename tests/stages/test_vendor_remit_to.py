"""The address to remit to: from the date-effective addresses of the configured role, else the primary one."""

from datetime import timedelta

import pytest

from sandbox.simulator.seams import NetworkTransport
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_vendors
from sync.errors import TryLater
from sync.http.wire import HttpRequest
from sync.ledger.model import Place
from sync.stages import vendors
from tests.stages.test_vendors import SYSTEM, add, bench_of, held
from tests.support.bench import Bench
from tests.support.settings import amended

PRIMARY = {"AddressStreet": "1 Main St", "AddressCity": "Reno", "AddressCountryRegionISOCode": "US"}
ROLE = "Remit-to"
OPEN_END = "2154-12-31T23:59:59Z"


@pytest.fixture
def bench() -> Bench:
    bench = bench_of()
    bench.connection = amended(bench.connection, vendors={"remit_to_role": ROLE})
    return bench


def day(bench: Bench, days: float) -> str:
    """A moment so many days from now, as D365 writes it."""
    return (bench.clock.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def address(bench: Bench, account: str, street: str, *, begins: str = "", ends: str = OPEN_END, roles: str = ROLE, at: str = "L1") -> None:
    """One more address of a vendor of the first company."""
    bench.world.d365.add(
        "VendVendorPostalAddresses",
        dataAreaId=bench.connection.companies[SYSTEM].id,
        VendorLegalEntityId=bench.connection.companies[SYSTEM].id,
        VendorAccountNumber=account,
        AddressLocationId=at,
        AddressValidFrom=begins or "2015-01-01T00:00:00Z",
        AddressValidTo=ends,
        AddressLocationRoles=roles,
        AddressStreet=street,
        AddressCity="Boxville",
        AddressCountryRegionISOCode="US",
    )


def paid_at(bench: Bench, account: str) -> object:
    """The first line of the address that AvidXchange remits to."""
    row = held(bench, account).get("RemitToAddress")
    return row["Line1"] if isinstance(row, dict) else row


def test_the_address_of_the_role_is_sent_and_the_primary_one_stays_the_vendor_s(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "PO Box 7\nSuite 3")
    bench.run(vendors.stage())
    assert held(bench, "V")["RemitToAddress"] == {
        "Line1": "PO Box 7",
        "Line2": "Suite 3",
        "Line3": None,
        "Line4": None,
        "City": "Boxville",
        "State": None,
        "PostalCode": None,
        "CountryCode": "US",
    }
    own = held(bench, "V")["Address"]
    assert isinstance(own, dict)
    assert own["Line1"] == "1 Main St"


def test_without_such_an_address_it_is_the_primary_one(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "Warehouse 9", roles="Delivery")
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "1 Main St"


def test_the_primary_one_is_sent_to_remit_to_also_when_it_is_left_out_itself(bench: Bench) -> None:
    bench.connection = amended(bench.connection, vendors={"remit_to_role": ROLE, "leave_out": ["address"]})
    add(bench, "V", **PRIMARY)
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "1 Main St"
    assert "Address" not in held(bench, "V")


def test_without_a_role_nothing_is_asked_and_nothing_is_sent() -> None:
    bench = bench_of()
    add(bench, "V", **PRIMARY)
    address(bench, "V", "PO Box 7")
    bench.run(vendors.stage())
    assert "RemitToAddress" not in held(bench, "V")
    assert bench.network.requests(bench.world.d365.host, path="VendVendorPostalAddresses") == []


@pytest.mark.parametrize(
    ("roles", "counts"),
    [
        ("Remit-to", True),
        ("Business;Remit-to", True),
        ("remit-TO;Delivery", True),
        ("Business, Remit-to, Home", True),
        ("Not remit-tos", False),
        ("", False),
    ],
)
def test_the_role_is_one_of_the_address_s_roles(bench: Bench, roles: str, counts: bool) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "PO Box 7", roles=roles)
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == ("PO Box 7" if counts else "1 Main St")


def test_the_role_in_the_language_of_the_environment(bench: Bench) -> None:
    bench.connection = amended(bench.connection, vendors={"remit_to_role": "Überweisung an d'Or"})
    add(bench, "V", **PRIMARY)
    address(bench, "V", "Postfach 7", roles="Lieferung;Überweisung an d'Or")
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "Postfach 7"


def test_past_and_future_addresses_do_not_count_until_their_time(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "Past", begins="2015-01-01T00:00:00Z", ends=day(bench, -1))
    address(bench, "V", "Now", begins=day(bench, -1), ends=day(bench, 1))
    address(bench, "V", "Soon", begins=day(bench, 1.00001))
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "Now"
    bench.clock.advance(days=2)
    assert bench.run(vendors.stage()).counts["sent"] == 1
    assert paid_at(bench, "V") == "Soon"


def test_an_address_that_ends_leaves_the_primary_one(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "Now", ends=day(bench, 1))
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "Now"
    bench.clock.advance(days=2)
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "1 Main St"


def test_of_several_valid_ones_the_latest_counts(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "Newer", begins=day(bench, -1), at="A")
    address(bench, "V", "Older", begins=day(bench, -9), at="B")
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "Newer"


def test_another_company_s_address_does_not_count(bench: Bench) -> None:
    other = bench.connection.companies[1].id
    add(bench, "V", **PRIMARY)
    bench.world.d365.add(
        "VendVendorPostalAddresses",
        dataAreaId=other,
        VendorLegalEntityId=other,
        VendorAccountNumber="V",
        AddressLocationId="L",
        AddressValidFrom="2015-01-01T00:00:00Z",
        AddressValidTo=OPEN_END,
        AddressLocationRoles=ROLE,
        AddressStreet="Elsewhere",
    )
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "1 Main St"


def test_an_address_that_cannot_be_read_parks_its_vendor_alone(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    add(bench, "W", **PRIMARY)
    address(bench, "V", "PO Box 7")
    bench.world.d365.one("VendVendorPostalAddresses", AddressStreet="PO Box 7").stored["AddressValidTo"] = "some day"
    assert bench.run(vendors.stage()).counts["parked"] == 1
    [failure] = bench.app.ledger.failures(Place(bench.connection.id, "vendors", bench.connection.companies[SYSTEM].id))
    assert (failure.label, failure.cause.code, failure.cause.field) == ("vendor V", "field-invalid", "AddressValidTo")
    assert paid_at(bench, "W") == "1 Main St"


def test_an_address_that_does_not_fit_says_which_one_it_is(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "x" * 256)
    bench.run(vendors.stage())
    [failure] = bench.app.ledger.failures(Place(bench.connection.id, "vendors", bench.connection.companies[SYSTEM].id))
    assert failure.cause.sentence == "vendor V: remit-to AddressStreet has 256 characters, AvidXchange takes 255."


def test_addresses_that_move_while_they_are_read_are_read_again(bench: Bench) -> None:
    add(bench, "V", **PRIMARY)
    address(bench, "V", "PO Box 7")
    answers = 0

    def move(request: HttpRequest) -> None:
        nonlocal answers
        if "VendVendorPostalAddresses" in request.url:
            answers += 1
            if answers % 3 == 0 and answers <= moves:
                address(bench, "V", f"New {answers}", begins="2016-01-01T00:00:00Z", at=f"M{answers}")

    assert isinstance(bench.ports.transport, NetworkTransport)
    bench.ports.transport.before = move
    moves = 3
    bench.run(vendors.stage())
    assert paid_at(bench, "V") == "New 3"
    moves = 1_000
    with pytest.raises(TryLater, match="keep changing"):
        bench.run(vendors.stage())


def test_the_whole_firm_is_paid_where_the_truth_says(bench: Bench) -> None:
    bench.run(vendors.stage())
    comparison = Comparison()
    compare_vendors(bench.world, comparison, remit_to_role=ROLE)
    assert comparison.differences == []
    writes = len(bench.world.avid.writes)
    assert bench.run(vendors.stage()).counts["sent"] == 0
    assert len(bench.world.avid.writes) == writes
    boxes = [row for row in bench.world.avid.vendors.values() if "Box" in str(row.get("RemitToAddress"))]
    assert boxes
