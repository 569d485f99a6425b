"""JSON with exact money, the contract's envelopes, and its errors (contracts/avidxchange.md §1-§2)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from html import escape
from typing import TypeAlias
from urllib.parse import urlencode

from sandbox.avid.switches import AvidSwitches
from sandbox.web import Request, Response

Json: TypeAlias = "bool | int | str | Decimal | list[Json] | dict[str, Json] | None"
Row: TypeAlias = dict[str, "Json"]

REASONS = {400: "BadRequest", 401: "Unauthorized", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict", 500: "InternalServerError"}


class RefusedError(Exception):
    """A request that is answered with an error envelope."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def dump(value: Json) -> str:
    """JSON text of a value; a Decimal becomes its own digits as a raw number, never a float."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def load(body: bytes) -> Json:
    """A request body as JSON with Decimal numbers; RefusedError 400 when it is none."""
    try:
        loaded: Json = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise RefusedError(400, f"The body is not JSON: {error}") from error
    return loaded


def answer(value: Json, status: int = 200) -> Response:
    """A JSON response."""
    return Response(status, {"content-type": "application/json; charset=utf-8"}, dump(value).encode())


def refuse(refusal: RefusedError, form: str = "exception") -> Response:
    """The application's error envelope, or another form of `AvidSwitches.error_bodies`."""
    reason, detail = REASONS[refusal.status], refusal.detail
    if form == "exception":
        return answer({"exception": {"reason": reason, "detail": detail}}, refusal.status)
    if form == "fault":
        return answer({"fault": {"code": 900000 + refusal.status, "message": reason, "description": detail}}, refusal.status)
    markup = f"<fault><message>{escape(detail)}</message></fault>"
    if form == "html":
        markup = f"<html><head><title>{escape(detail)}</title></head><body>{reason}</body></html>"
    return Response(refusal.status, {"content-type": f"text/{form}"}, markup.encode())


@dataclass(frozen=True)
class Result:
    """What became of one item of a write: it was taken over when there are no errors."""

    item: Row
    errors: tuple[str, ...] = ()


class Forms:
    """Values and envelopes in the forms that the switches choose."""

    def __init__(self, switches: AvidSwitches) -> None:
        self._switches = switches

    def id(self, value: int) -> Json:
        """An id as number or text."""
        return value if self._switches.ids == "number" else str(value)

    def money(self, value: Decimal) -> Json:
        """An amount as number or numeric text."""
        return value if self._switches.money == "number" else format(value, "f")

    def stamp(self, value: datetime) -> str:
        """A UTC time without a zone."""
        text = value.strftime(f"%Y-%m-%d{self._switches.timestamp_separator}%H:%M:%S")
        return f"{text}.{value.microsecond // 1000:03d}" if self._switches.timestamp_fraction else text

    def day(self, value: date | None) -> Json:
        """A date, shown as its midnight; null when there is none."""
        return None if value is None else self.stamp(datetime.combine(value, time()))

    def page(self, request: Request, rows: Sequence[Callable[[], Json]]) -> Response:
        """One page of a list; rows are rendered only when they are on it. RefusedError 400 for a page number that is none."""
        switches = self._switches
        if switches.paging == "bare":
            return answer([row() for row in rows])
        if switches.paging == "none":
            return answer({"Items": [row() for row in rows]})
        number = _page_number(request)
        pages = max(1, -(-len(rows) // switches.page_size))
        items: list[Json] = [row() for row in rows[(number - 1) * switches.page_size : number * switches.page_size]]
        paging: Row = {
            "PageNumber": number,
            "PageSize": switches.page_size,
            switches.page_count_name: pages,
            "PageItems": len(items),
            "TotalItems": len(rows),
        }
        if switches.paging == "links":
            paging["Links"] = [] if number >= pages else [{"Rel": "next", "Href": _page_address(request, number + 1)}]
        return answer({"Items": items, "Paging": paging})

    def results(self, results: Sequence[Result]) -> Response:
        """The write envelope: always HTTP 200; result i belongs to request i, unless the tenant mixes them up."""
        ordered = results if self._switches.results_in_order else results[::-1]
        rendered: list[Json] = [self._result(result) for result in ordered]
        return answer({"Results": self._several(rendered)})

    def _result(self, result: Result) -> Json:
        successful = not result.errors
        messages: list[Json] = [{"Message": error} for error in result.errors]
        return {
            "Successful": successful if self._switches.successful == "boolean" else str(successful).lower(),
            "Item": result.item,
            "Errors": self._several(messages),
        }

    def _several(self, entries: list[Json]) -> Json:
        return entries[0] if self._switches.single_as_object and len(entries) == 1 else entries


def _page_number(request: Request) -> int:
    text = dict(request.query).get("pageNumber", "1")
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(400, f"pageNumber must be a whole number from 1, not '{text}'.")
    return int(text)


def _page_address(request: Request, number: int) -> str:
    pairs = [(name, value) for name, value in request.query if name != "pageNumber"]
    return f"https://{request.host}{request.raw_path}?{urlencode([*pairs, ('pageNumber', str(number))])}"
