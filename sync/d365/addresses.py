"""Where a company's vendors want their payments sent: the date-effective postal addresses of one role (contracts/d365-fo.md §1, §3)."""

import logging
import re
from datetime import datetime
from typing import Final

from pydantic import Field

from sync.causes import Cause
from sync.d365.client import D365Client
from sync.d365.entity import Entity, Moment, Text, typed
from sync.d365.literals import contains
from sync.d365.wire import JsonRow
from sync.errors import FixData, TryLater
from sync.values import fold, utc_text

ORDER: Final = ("VendorAccountNumber", "AddressLocationId", "AddressValidFrom")
ATTEMPTS: Final = 3

log = logging.getLogger(__name__)


class Postal(Entity):
    """A postal address of a vendor; `roles` is one text with all roles of the address, in the words of the environment's language."""

    SET = "VendVendorPostalAddresses"
    KEYS = ("company", "account", "location", "valid_from")

    company: Text = Field(alias="dataAreaId")
    account: Text = Field(alias="VendorAccountNumber", min_length=1)
    location: Text = Field(alias="AddressLocationId")
    valid_from: Moment = Field(alias="AddressValidFrom")
    valid_to: Moment = Field(alias="AddressValidTo")
    roles: Text = Field(alias="AddressLocationRoles")
    street: Text = Field("", alias="AddressStreet")
    city: Text = Field("", alias="AddressCity")
    state: Text = Field("", alias="AddressStateId")
    zip_code: Text = Field("", alias="AddressZipCode")
    country: Text = Field("", alias="AddressCountryRegionId")
    country_iso: Text = Field("", alias="AddressCountryRegionISOCode")


class RemitTo:
    """The addresses of one role that are valid at a moment, one a vendor: of several, the one that became valid last."""

    def __init__(self, role: str, now: datetime) -> None:
        self._role = re.compile(rf"(?<!\w){re.escape(role)}(?!\w)", re.IGNORECASE)
        self._now = now
        self._packed: dict[str, bytes] = {}
        """By account. Half a kilobyte each, for a company may have a hundred thousand."""
        self._bad: dict[str, tuple[Cause, ...]] = {}

    def add(self, row: JsonRow) -> None:
        """Take a row of the set, if it is of the role and valid."""
        try:
            address = typed(Postal, row)
        except FixData as error:
            self._bad[fold(str(row.get("VendorAccountNumber") or ""))] = error.causes
            return
        begun = address.valid_from is None or address.valid_from <= self._now
        ended = address.valid_to is not None and address.valid_to < self._now
        if begun and not ended and self._role.search(address.roles):
            rank = f"{utc_text(address.valid_from) if address.valid_from else ''}\0{address.location}\0".encode()
            packed = rank + address.model_dump_json(by_alias=True).encode()
            self._packed[fold(address.account)] = max(packed, self._packed.get(fold(address.account), b""))

    def of(self, account: str) -> Postal | None:
        """The vendor's address, None when it has none. FixData when one of its addresses cannot be read: it might be the one."""
        if causes := self._bad.get(fold(account)):
            raise FixData(causes)
        packed = self._packed.get(fold(account))
        return None if packed is None else Postal.model_validate_json(packed.split(b"\0", 2)[2])


def read_remit_to(client: D365Client, company: str, role: str, now: datetime) -> RemitTo:
    """The remit-to addresses of the company. TryLater when D365's rows keep moving: a row that was missed would send payments elsewhere."""
    where = contains("AddressLocationRoles", role)
    for _ in range(ATTEMPTS):
        expected = client.count(Postal.SET, where, company=company)
        found, keys, read = RemitTo(role, now), set[int](), 0
        for row in client.rows(Postal.SET, where=where, select=Postal.SELECT, company=company, order=ORDER):
            found.add(row)
            keys.add(hash(tuple(str(row.get(name)) for name in ORDER)))
            read += 1
        if len(keys) == read == expected == client.count(Postal.SET, where, company=company):
            return found
        log.info("the addresses of %s moved while they were read", company)
    raise TryLater(f"The vendor addresses of {company} keep changing while they are read.")
