"""Accounting systems, vendors, code groups and codes: what is read from and upserted into AvidXchange (contracts/avidxchange.md §3)."""

from collections.abc import Callable

from sandbox.avid.wire import Forms, Json, RefusedError, Result, Row, load
from sandbox.avid.world import AvidWorld, AvidWrite
from sandbox.web import Request, Response

VENDOR_LIMIT = 100
CODE_LIMIT = 500
VENDOR_LENGTHS = {"VendorExternalSystemID": 100, "VendorName": 255, "EmailAddress": 255, "PhoneNumber": 20}
VENDOR_TEXTS = ("AccountingSystemId", "VendorExternalSystemID", "VendorName", "DoingBusinessAs", "AccountNo", "EmailAddress", "PhoneNumber")
VENDOR_FIELDS = (*VENDOR_TEXTS, "IsActive", "Is1099", "TermType", "Address", "RemitToAddress")
ADDRESS_LENGTHS = {"Line1": 255, "Line2": 255, "Line3": 255, "Line4": 255, "City": 50, "State": 50, "PostalCode": 20, "CountryCode": 3}
CODE_LENGTHS = {"EnterpriseCodeValueDescription": 50}


class Reference:
    """The handlers of the reference data of one world."""

    def __init__(self, world: AvidWorld) -> None:
        self._world = world
        self._forms = Forms(world.switches)

    def accounting_systems(self, request: Request) -> Response:
        """GET /accountingSystems."""
        rows = [_shown({"ID": number, "Name": name}) for number, name in sorted(self._world.accounting_systems.items())]
        return self._forms.page(request, rows)

    def vendors(self, request: Request) -> Response:
        """GET /vendors?acctgSysId=&pageNumber=."""
        system = self._system(request)
        rows = [self._shown_row(row) for key, row in self._world.vendors.items() if key[0] == system]
        return self._forms.page(request, rows)

    def code_groups(self, request: Request) -> Response:
        """GET /enterpriseCodeGroups?acctgSysId=."""
        groups = self._world.groups_of(self._system(request))
        rows = [_shown({"Id": self._forms.id(group.id), "CodeGroupName": group.name, "IsRequired": group.required}) for group in groups]
        return self._forms.page(request, rows)

    def codes(self, request: Request) -> Response:
        """GET /enterpriseCodes?acctgSysId=&codeGroupName=&pageNumber=; without a group: those of every group."""
        system, wanted = self._system(request), dict(request.query).get("codeGroupName")
        if wanted is not None and wanted not in {group.name for group in self._world.groups_of(system)}:
            raise RefusedError(404, f"Accounting system {system} has no code group '{wanted}'.")
        rows = [self._shown_row(row) for key, row in self._world.codes.items() if key[0] == system and wanted in (None, key[1])]
        return self._forms.page(request, rows)

    def write_vendors(self, request: Request) -> Response:
        """POST /vendors: an array of up to 100, upserted by AccountingSystemId and VendorExternalSystemID."""
        items = _items(request, VENDOR_LIMIT)
        if self._world.switches.known_vendors == "conflict":
            known = [item["VendorExternalSystemID"] for item in items if _vendor_key(item) in self._world.vendors]
            if known:
                raise RefusedError(409, f"Vendor {known[0]} is there already.")
        return self._forms.results([self._write_vendor(item) for item in items])

    def write_codes(self, request: Request) -> Response:
        """POST /enterpriseCodes: an array of up to 500, upserted by AccountingSystemId, CodeGroupName and EnterpriseCodeValue."""
        return self._forms.results([self._write_code(item) for item in _items(request, CODE_LIMIT)])

    def _write_vendor(self, sent: Row) -> Result:
        world = self._world
        errors = self._system_errors(sent) + _text_errors(sent, VENDOR_LENGTHS, ("VendorExternalSystemID", "VendorName"))
        errors += [error for name in ("Address", "RemitToAddress") for error in _address_errors(sent, name)]
        key = _vendor_key(sent)
        before = None if errors else world.vendors.get(key)
        after: Row | None = None
        if not errors:
            taken = {name: sent[name] for name in VENDOR_FIELDS if name in sent}
            if before is not None and world.switches.vendor_updates == "active_only":
                taken = {"IsActive": sent.get("IsActive", before["IsActive"])}
            stamp = world.now().strftime("%Y-%m-%dT%H:%M:%S")
            after = {"IsActive": True, **(before or {}), **taken, "AccountingSystemId": key[0], "LastChangedDate": stamp}
            world.vendors[key] = after
        return self._recorded("vendors", (str(key[0]), key[1]), sent, before, after, errors)

    def _write_code(self, sent: Row) -> Result:
        world = self._world
        errors = self._system_errors(sent) + _text_errors(sent, CODE_LENGTHS, ("CodeGroupName", "EnterpriseCodeValue"))
        key = (_number(sent.get("AccountingSystemId")), str(sent.get("CodeGroupName")), str(sent.get("EnterpriseCodeValue")))
        if not errors and key[1] not in {group.name for group in world.groups_of(key[0])}:
            errors.append(f"CodeGroupName '{key[1]}' is not a code group of accounting system {key[0]}.")
        before = None if errors else world.codes.get(key)
        after: Row | None = None
        if not errors:
            known: Row = before or {"EnterpriseCodeValueDescription": "", "IsActive": True}
            taken: Row = {name: sent[name] for name in ("EnterpriseCodeValueDescription", "IsActive") if name in sent}
            identity: Row = {"AccountingSystemId": key[0], "CodeGroupName": key[1], "EnterpriseCodeValue": key[2]}
            after = {**identity, **known, **taken}
            world.codes[key] = after
        return self._recorded("enterpriseCodes", (str(key[0]), key[1], key[2]), sent, before, after, errors)

    def _recorded(self, resource: str, key: tuple[str, ...], sent: Row, before: Row | None, after: Row | None, errors: list[str]) -> Result:
        self._world.writes.append(AvidWrite(self._world.now(), resource, key, sent, before, after, tuple(errors)))
        return Result(sent if after is None else self._render(after), tuple(errors))

    def _system(self, request: Request) -> int:
        text = dict(request.query).get("acctgSysId", "")
        if not text.isdecimal():
            raise RefusedError(400, "acctgSysId is required and must be the number of an accounting system.")
        if int(text) not in self._world.accounting_systems:
            raise RefusedError(404, f"There is no accounting system {text}.")
        return int(text)

    def _system_errors(self, sent: Row) -> list[str]:
        number = _number(sent.get("AccountingSystemId"))
        return [] if number in self._world.accounting_systems else [f"AccountingSystemId {sent.get('AccountingSystemId')} does not exist."]

    def _shown_row(self, row: Row) -> Callable[[], Json]:
        return lambda: self._render(row)

    def _render(self, row: Row) -> Row:
        shown = {**row, "AccountingSystemId": self._forms.id(_number(row["AccountingSystemId"]))}
        if "LastChangedDate" in row:
            shown["LastChangedDate"] = str(row["LastChangedDate"]).replace("T", self._world.switches.timestamp_separator)
        return shown


def _shown(row: Row) -> Callable[[], Json]:
    return lambda: row


def _items(request: Request, limit: int) -> list[Row]:
    body = load(request.body)
    if not isinstance(body, list) or not body:
        raise RefusedError(400, "The body must be a JSON array with at least one item.")
    if len(body) > limit:
        raise RefusedError(400, f"At most {limit} items are taken at once, not {len(body)}.")
    rows = [item for item in body if isinstance(item, dict)]
    if len(rows) != len(body):
        raise RefusedError(400, "Every item of the array must be an object.")
    return rows


def _number(value: Json) -> int:
    """An id sent as number or text; -1 when it is neither."""
    return int(value) if isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal() else -1


def _vendor_key(row: Row) -> tuple[int, str]:
    return _number(row.get("AccountingSystemId")), str(row.get("VendorExternalSystemID"))


def _text_errors(row: Row, lengths: dict[str, int], required: tuple[str, ...]) -> list[str]:
    errors = [f"{name} is required." for name in required if not isinstance(row.get(name), str) or not str(row[name]).strip()]
    for name, limit in lengths.items():
        if len(str(row.get(name) or "")) > limit:
            errors.append(f"{name} may have at most {limit} characters.")
    return errors


def _address_errors(row: Row, name: str) -> list[str]:
    address = row.get(name)
    if address is None:
        return []
    if not isinstance(address, dict):
        return [f"{name} must be an object."]
    errors = [f"{name}.{error}" for error in _text_errors(address, ADDRESS_LENGTHS, ())]
    country = str(address.get("CountryCode") or "")
    return [*errors, f"{name}.CountryCode must have 2 or 3 characters."] if len(country) == 1 else errors
