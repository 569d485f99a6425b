"""An interpreter in front of the sandbox's AvidXchange, which speaks the shipped dialect: it lets a connector in that speaks another one.

Everything that a profile can name is translated, both ways. What is not a word of the other dialect is not understood: a name that the
connector took from anywhere else than its profile meets a 404, or is not there.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sandbox.avid.access import TOKEN_PATH
from sandbox.avid.dialect_envelopes import EnvelopeTranslator
from sandbox.avid.dialect_rows import RowTranslator, Unspoken
from sandbox.avid.dialects import Document, overrides_between, scrambled_document, shipped_document
from sandbox.avid.wire import Json, dump
from sandbox.web import Request, Response

BASE: Final = "/v1"
UNSPOKEN: Final = f"{BASE}/not-in-this-dialect"
DETAILS: Final = "/invoices/batches/{batch}/fullDetails"
"""Where the sandbox's links to invoices lead. No profile names it: it is followed as received."""
PAGED: Final = ("page_number", "page_size")
QUESTIONS: Final = {
    "accounting_systems": PAGED,
    "vendors": ("accounting_system", *PAGED),
    "code_groups": ("accounting_system", *PAGED),
    "codes": ("accounting_system", "code_group", *PAGED),
    "closed_batches": ("closed_from", "closed_to", *PAGED),
    "details": PAGED,
    "payments": ("modified_from", "modified_to", "payment_ids", *PAGED),
    "remittances": PAGED,
}
"""What each list can be asked with."""
ROWS: Final = {
    "accounting_systems": "accounting_system",
    "vendors": "vendor",
    "code_groups": "code_group",
    "codes": "code",
    "closed_batches": "batch",
    "details": "invoice",
    "payments": "payment",
    "remittances": "remittance",
    "vendor_upsert": "vendor",
    "code_upsert": "code",
    "acknowledgement": "acknowledgement",
}
"""The section of `fields` of each resource."""
UPSERTS: Final = {"vendor_upsert": ("sent_vendors", "vendor_batch"), "code_upsert": ("sent_codes", "code_batch")}
"""The name around the rows, and how many there may be."""
CREDENTIALS: Final = ("gateway_key", "session", "access_token")
"""Headers with a word before the token."""


@dataclass(frozen=True)
class _Route:
    """One resource: its verb and its path in both dialects."""

    name: str
    spoken: tuple[str, str]
    plain: tuple[str, str]

    def heard(self, method: str, path: str) -> str:
        """The plain path of a spoken one; empty when it is another resource's."""
        return _moved(self.spoken[1], self.plain[1], path) if method == self.spoken[0] else ""

    def said(self, path: str) -> str:
        """The spoken path of a plain one, for links, which are always GET."""
        return _moved(self.plain[1], self.spoken[1], path) if self.plain[0] == "GET" else ""


class Dialect:
    """One dialect beside the shipped one. `overrides` is what the connection document must say to speak it."""

    def __init__(self, spoken: Document) -> None:
        self.spoken = spoken
        self.plain = shipped_document()
        self.overrides: Mapping[str, str | int | bool] = overrides_between(self.plain, spoken)
        self._inward = RowTranslator(spoken, self.plain, lambda links: links, strict=True)
        self._envelopes = EnvelopeTranslator(self.plain, spoken, self.link)
        self._routes = [*self._reads(), *self._writes()]

    @classmethod
    def scrambled(cls, seed: int) -> Self:
        """A dialect in which everything is called otherwise."""
        return cls(scrambled_document(seed))

    def heard(self, request: Request) -> tuple[Request, Callable[[Response], Response]]:
        """The request in plain names, and what turns its answer back. One that is not understood leads to a resource that is not there."""
        route, path = self._route(request.method, request.raw_path)
        try:
            if route is None:
                raise Unspoken(f"path {request.method} {request.path}")
            query = self._query(route, request.query)
            plain = replace(request, method=route.plain[0], target=f"{path}?{urlencode(query)}" if query else path)
            return replace(plain, headers=self._headers(request.headers), body=self._body(route, request)), self._answer_of(route)
        except Unspoken as error:
            target = f"{UNSPOKEN}/{quote(str(error), safe='')}"
            return replace(request, target=target, headers=self._headers(request.headers)), self._answer_of(None)

    def link(self, address: str) -> str:
        """An address in plain names as it is said; one that leads nowhere we know stays."""
        parts = urlsplit(address)
        for route in self._routes:
            path = route.said(parts.path)
            if path:
                names = {self.plain["query"][question]: self.spoken["query"][question] for question in QUESTIONS[route.name]}
                query = [(names.get(name, name), value) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
                return parts._replace(path=path, query=urlencode(query)).geturl()
        return address

    # --- resources ---------------------------------------------------------------------------------------------------------------

    def _reads(self) -> list[_Route]:
        paths = [(name, self.spoken["paths"][name], self.plain["paths"][name]) for name in QUESTIONS if name != "details"]
        paths.append(("details", f"/{self.spoken['paths']['payments'].strip('/').replace('/', '-')}/{{batch}}/whole", DETAILS))
        return [_Route(name, ("GET", BASE + spoken), ("GET", BASE + plain)) for name, spoken, plain in paths]

    def _writes(self) -> list[_Route]:
        paths = {name: (BASE + self.spoken["paths"][name], BASE + self.plain["paths"][name]) for name in self.plain["verbs"]}
        routes = [(name, *paths[name]) for name in paths]
        routes.append(("sign_in", TOKEN_PATH, TOKEN_PATH))
        verbs = self.spoken["verbs"], self.plain["verbs"]
        return [_Route(name, (verbs[0][name], spoken), (verbs[1][name], plain)) for name, spoken, plain in routes]

    def _route(self, method: str, path: str) -> tuple[_Route | None, str]:
        found = ((route, plain) for route in self._routes if (plain := route.heard(method, path)))
        return next(found, (None, ""))

    # --- requests ----------------------------------------------------------------------------------------------------------------

    def _query(self, route: _Route, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        names = {self.spoken["query"][question]: question for question in QUESTIONS.get(route.name, ())}
        asked: dict[str, str] = {}
        for name, value in pairs:
            if name not in names:
                raise Unspoken(f"query {name}")
            asked[names[name]] = value
        self._within_limits(asked)
        if "payment_ids" in asked:
            asked["payment_ids"] = asked["payment_ids"].replace(self.spoken["query"]["id_separator"], self.plain["query"]["id_separator"])
        plain = self.plain["query"]
        return [(plain[question], value) for question, value in asked.items() if plain[question]]

    def _within_limits(self, asked: Mapping[str, str]) -> None:
        limits = self.spoken["limits"]
        for first, last in (("closed_from", "closed_to"), ("modified_from", "modified_to")):
            if {first, last} <= asked.keys() and (_day(asked[last]) - _day(asked[first])).days >= limits["window_days"]:
                raise Unspoken("more days than a window has")
        if len(asked.get("payment_ids", "").split(self.spoken["query"]["id_separator"])) > limits["payment_ids"]:
            raise Unspoken("more ids than a query takes")
        if asked.get("page_size", "") not in ("", str(limits["page_size"])):
            raise Unspoken("another page size")

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """Credentials under their plain names; under a plain name nothing is heard that was not said under a spoken one."""
        plain, spoken = self.plain["headers"], self.spoken["headers"]
        hidden = {name.lower() for name in plain.values()} - {name.lower() for name in spoken.values()}
        headers = {name: value for name, value in given.items() if name.lower() not in hidden}
        for entry, name in spoken.items():
            value = headers.pop(name.lower(), None)
            if value is not None:
                headers[plain[entry].lower()] = self._bearer(value) if entry in CREDENTIALS else value
        return headers

    def _bearer(self, value: str) -> str:
        scheme, _, token = value.partition(" ")
        said = scheme == self.spoken["sign_in"]["scheme"]
        return f"{self.plain['sign_in']['scheme']} {token}" if said else ""

    def _body(self, route: _Route, request: Request) -> bytes:
        if route.name == "sign_in":
            return self._form(request.body)
        if route.name not in ROWS or route.spoken[0] == "GET":
            return request.body
        value: Json = _json(request.body)
        if route.name in UPSERTS:
            name, limit = UPSERTS[route.name]
            return dump(self._rows(ROWS[route.name], value, self.spoken["envelope"][name], self.spoken["limits"][limit])).encode()
        return dump(self._inward.row(ROWS[route.name], value)).encode()

    def _rows(self, section: str, value: Json, name: str, most: int) -> Json:
        rows = value.get(name) if name and isinstance(value, dict) and len(value) == 1 else None if name else value
        if not isinstance(rows, list) or len(rows) > most:
            raise Unspoken("another form of an upsert")
        return [self._inward.row(section, row) for row in rows]

    def _form(self, body: bytes) -> bytes:
        spoken, plain = self.spoken["sign_in"], self.plain["sign_in"]
        names = {spoken[entry]: plain[entry] for entry in ("grant", "username", "password", "client_id", "client_secret", "scope")}
        grants = {spoken[entry]: plain[entry] for entry in ("password_grant", "client_grant")}
        pairs = [(names.get(name, ""), value) for name, value in parse_qsl(body.decode(), keep_blank_values=True)]
        return urlencode([(name, grants.get(value, "") if name == plain["grant"] else value) for name, value in pairs]).encode()

    # --- answers -----------------------------------------------------------------------------------------------------------------

    def _answer_of(self, route: _Route | None) -> Callable[[Response], Response]:
        def translated(response: Response) -> Response:
            try:
                value = _json(response.body)
            except Unspoken:
                return response
            return replace(response, body=dump(self._said(route, response.status, value)).encode())

        return translated

    def _said(self, route: _Route | None, status: int, value: Json) -> Json:
        if route is None or status >= 400:
            return self._envelopes.refusal(value)
        if route.name == "sign_in":
            return self._envelopes.token(value)
        section = ROWS[route.name]
        return self._envelopes.page(section, value) if route.spoken[0] == "GET" else self._envelopes.results(value)


def _moved(given: str, wanted: str, path: str) -> str:
    """The path by another template, the part in braces kept; empty when it does not fit."""
    match = re.fullmatch(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(given)), path)
    if match is None:
        return ""
    return re.sub(r"\{\w+\}", lambda _: match[1], wanted) if match.groups() else wanted


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unspoken(f"day {text}") from None


def _json(body: bytes) -> Json:
    try:
        value: Json = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Unspoken("a body that is no JSON") from None
    return value
