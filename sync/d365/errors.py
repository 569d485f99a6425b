"""What D365's error answers mean (contracts/d365-fo.md §9): one parser, one table, and what is raised."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.causes import Cause
from sync.d365.wire import read_json
from sync.errors import Bug, FixConfiguration, FixData, OutcomeUnknown, SyncError, TryLater

MAX_SENTENCE: Final = 500


class AlreadyThere(SyncError):
    """A create was refused because a row with this key exists: look it up and compare."""


class RowMissing(SyncError):
    """The row of an update or delete does not exist (or not in a company that the request can see)."""


class UrlTooLong(Bug):
    """The URL of a read was longer than the environment takes (414): ask for less at once."""


class ProblemKind(StrEnum):
    """What an error answer says."""

    DUPLICATE = "duplicate key"
    MISSING_ROW = "missing row"
    CONFLICT = "concurrent change"
    DIMENSION_SEGMENTS = "dimension segments"
    UNKNOWN_PROPERTY = "unknown property"
    MARKED_ELSEWHERE = "marked elsewhere"
    FOREIGN_KEY = "foreign key"
    MANDATORY = "mandatory"
    UNKNOWN_SET = "unknown set"
    OTHER = "other"


KINDS: Final[tuple[tuple[ProblemKind, str], ...]] = (
    # The first pattern that occurs in the text decides; the order is from the sure to the general.
    (ProblemKind.DUPLICATE, r"the record already exists"),
    (ProblemKind.MISSING_ROW, r"no resources were found when selecting for update"),
    (ProblemKind.CONFLICT, r"update conflict|another user process|\blocked\b|deadlock"),
    (ProblemKind.DIMENSION_SEGMENTS, r"the number of dimension values"),
    (ProblemKind.UNKNOWN_PROPERTY, r"the property '[^']*' does not exist on type|could not find a property named"),
    (ProblemKind.MARKED_ELSEWHERE, r"marked for settlement by"),
    (ProblemKind.FOREIGN_KEY, r"is not found in the related table"),
    (ProblemKind.MANDATORY, r"must be filled in|is mandatory and must"),
    (ProblemKind.UNKNOWN_SET, r"no http resource was found|resource not found for the segment"),
)
CAUSES: Final[Mapping[ProblemKind, str]] = {
    # The kinds that park a record, with the code of their cause.
    ProblemKind.DIMENSION_SEGMENTS: "dimension-segments",
    ProblemKind.UNKNOWN_PROPERTY: "refused",
    ProblemKind.MARKED_ELSEWHERE: "marked-elsewhere",
    ProblemKind.FOREIGN_KEY: "refused",
    ProblemKind.MANDATORY: "field-missing",
    ProblemKind.OTHER: "refused",
}
VENDOR_FIELDS: Final = frozenset({"InvoiceAccount", "VendorAccount"})


@dataclass(frozen=True)
class D365Problem:
    """An error answer, read. `entity` is the AOT name, `field` and `value` are what it complains about; each "" when it does not say."""

    kind: ProblemKind
    sentence: str
    entity: str = ""
    field: str = ""
    value: str = ""


def parse_problem(body: bytes) -> D365Problem:
    """The problem in any error body: Infolog, plain message, `{"Message": …}`, HTML, cut, empty."""
    text = _shortened(_text_of(body))
    kind = next((kind for kind, pattern in KINDS if re.search(pattern, text, re.IGNORECASE)), ProblemKind.OTHER)
    entity, field = _entity_and_field(text)
    if not field:
        field = _first(r"[Ff]ield '([^']+)'|[Pp]roperty '([^']+)'|named '([^']+)'", text)
    return D365Problem(kind, text or "D365 gave no reason", entity, field, _first(r"[Vv]alue '([^']*)'", text))


def _entity_and_field(text: str) -> tuple[str, str]:
    """The last `Entity.Field`: labels come in the user's language, these names do not."""
    pairs: list[tuple[str, str]] = re.findall(r"'(\w+)\.(\w+)'", text)
    if pairs:
        return pairs[-1]
    return _first(r"table row of type '(\w+)'", text), ""


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return next((group for group in match.groups() if group is not None), "") if match else ""


def _text_of(body: bytes) -> str:
    try:
        document = read_json(body)
    except ValueError:
        return _text_of_other(body)
    if not isinstance(document, Mapping):
        return str(document)
    error = document.get("error", document.get("odata.error", document))
    if not isinstance(error, Mapping):
        return str(error)
    inner = error.get("innererror")
    for holder in (inner if isinstance(inner, Mapping) else {}, error):
        for name in ("message", "Message"):
            message = holder.get(name)
            if message and isinstance(message, str):
                return message
    return ""


def _text_of_other(body: bytes) -> str:
    """The text of a body that is no JSON: the last message of a cut document, or a page's text."""
    text = body.decode("utf-8", "replace")
    messages: list[str] = re.findall(r'"[mM]essage"\s*:\s*"((?:[^"\\]|\\.)*)', text)
    if messages:
        return messages[-1].replace('\\"', '"').replace("\\r", " ").replace("\\n", " ").replace("\\t", " ")
    if text.lstrip().startswith(("{", "[")):
        return ""
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return re.sub(r"<[^>]*>", " ", title.group(1) if title else text)


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= MAX_SENTENCE else plain[: MAX_SENTENCE - 1] + "…"


def error_of_write(status: int, body: bytes, what: str) -> SyncError:
    """What a refused write raises. `what` names it for people: `create VendorInvoiceHeaders`.

    AlreadyThere, RowMissing, TryLater (concurrent change), FixConfiguration (403, 404, a redirect), FixData (every other refusal) or
    OutcomeUnknown (a 5xx that does not say which row was refused; a changeset's refusals come as 500 with an Infolog, §8).
    """
    problem = parse_problem(body)
    detail = f"{what}: {status} {problem.sentence}"
    if problem.kind is ProblemKind.DUPLICATE or status == 409:
        return AlreadyThere(f"D365 holds a row with this key already: {problem.sentence}", detail=detail)
    if problem.kind is ProblemKind.MISSING_ROW:
        return RowMissing(f"D365 has no such row: {problem.sentence}", detail=detail)
    if problem.kind is ProblemKind.CONFLICT or status in {412, 423}:
        return TryLater(f"The document is in use in D365 by someone else: {problem.sentence}", detail=detail)
    if status >= 500 and problem.kind is ProblemKind.OTHER and not problem.entity:
        return OutcomeUnknown("D365 gave no clear answer to a write; it is looked up before anything is sent again.", detail=detail)
    return _setting_error(status, problem, what) or FixData((_cause(problem),), detail=detail)


def error_of_read(status: int, body: bytes, what: str) -> SyncError:
    """What a refused read raises: FixConfiguration (a set, field or right is missing), Bug (our URL is too long) or TryLater (5xx)."""
    problem = parse_problem(body)
    if status >= 500:
        return TryLater(f"D365 cannot answer now ({status}): {problem.sentence}", detail=what)
    return _setting_error(status, problem, what) or FixConfiguration(
        f"D365 refused to {what}: {problem.sentence}. Check that the environment has this entity with these fields.",
        field="d365",
        detail=str(status),
    )


def _setting_error(status: int, problem: D365Problem, what: str) -> SyncError | None:
    if status == 403:
        return FixConfiguration(
            f"D365 does not allow the connector to {what} (403). Give its user in D365 the rights for this entity.", field="d365.client_id"
        )
    if status == 404 or problem.kind is ProblemKind.UNKNOWN_SET:
        return FixConfiguration(
            f"D365 does not know the entity of: {what} (404). Check the environment's version and that the entity is public.", field="d365"
        )
    if 300 <= status < 400:
        return FixConfiguration(
            f"D365 redirects instead of answering ({status}). Check d365.environment_url.", field="d365.environment_url"
        )
    if status == 414:
        return UrlTooLong(f"The URL is too long for D365: {what}")
    return None


def _cause(problem: D365Problem) -> Cause:
    """Why the record is refused, pointing at the thing to mend where the answer names it."""
    if problem.kind is ProblemKind.FOREIGN_KEY and problem.field in VENDOR_FIELDS and problem.value:
        return Cause("vendor-missing", f"vendor {problem.value}", problem.sentence, problem.field)
    subject = " ".join(part for part in (problem.entity, problem.field, problem.value) if part) or "D365"
    return Cause(CAUSES[problem.kind], subject, problem.sentence, problem.field)
