"""How the ledger's things lie in table rows: the row keys of `sync/ledger/model.py`, and records, steps, work and causes as properties."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from sync.causes import Cause
from sync.ledger.audit import Head, Link
from sync.ledger.model import AuditRow, Failure, Place, Record, State, Step, Work
from sync.storage.columns import moment_in, number_in, text_in
from sync.storage.model import Row, Value
from sync.values import canonical, digest

SEQ_DIGITS: Final = 8
SHOWN_CAUSES: Final = 40
"""Failure rows of one record at most, so that a change of all of them fits in one transaction. The record keeps every cause."""


SENTENCE: Final = 3_000
"""Characters of a note, of one detail or of a cause's sentence in a row. The record itself keeps its causes, payload and plan whole."""


def after(prefix: str) -> str:
    """The end of a range of all keys that start with `prefix`, which ends in a colon."""
    assert prefix.endswith(":")
    return prefix[:-1] + ";"


def safe(text: str) -> str:
    """The text itself when any row key may hold it, else its digest."""
    return text if re.fullmatch(r"[0-9A-Za-z_.-]{1,100}", text) else f"~{digest(text)}"


def short(text: str) -> str:
    """A sentence cut to what a row has room for: two thousand wrong lines, or a page of another system's message, must not stop a step."""
    return text if len(text) <= SENTENCE else f"{text[:SENTENCE]}… ({len(text)} characters)"


def record_key(key: str) -> str:
    """The record's row."""
    return f"r:{key}"


def head_key(key: str) -> str:
    """The head of a chain that has no record (`Ledger.log`)."""
    return f"h:{key}"


def alias_key(alias: str) -> str:
    """The claim of a second natural key."""
    return f"n:{alias}"


def audit_key(key: str, seq: int) -> str:
    """One step."""
    return f"a:{key}:{seq:0{SEQ_DIGITS}d}"


def day_prefix(day: date) -> str:
    """The steps of one day (UTC)."""
    return f"d:{day:%Y%m%d}:"


def day_key(at: datetime, key: str, seq: int) -> str:
    """One step in the index of its day (UTC)."""
    return f"{day_prefix(at.astimezone(UTC).date())}{key}:{seq:0{SEQ_DIGITS}d}"


def work_stamp(due: datetime) -> str:
    """A due time as part of a row key; it sorts as text."""
    return due.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def work_key(due: datetime, key: str) -> str:
    """The row of open work."""
    return f"w:{work_stamp(due)}:{key}"


def batch_prefix(batch: str) -> str:
    """The members of a batch."""
    return f"m:{safe(batch)}:"


def failure_key(cause: Cause, key: str) -> str:
    """One open cause: by rank and code, then by subject (readable as far as a row key allows, its digest to tell it apart)."""
    readable = re.sub(r"[^0-9a-z]+", "-", cause.subject.casefold())[:40]
    return f"f:{cause.kind.rank}{cause.code}:{readable}-{digest(cause.subject)[:12]}:{key}"


def shown(causes: Iterable[Cause], key: str) -> dict[str, Cause]:
    """The failure rows of a record by row key: one for each code and subject, the first 40 by rank."""
    rows: dict[str, Cause] = {}
    for cause in causes:
        rows.setdefault(failure_key(cause, key), cause)
    return dict(sorted(rows.items())[:SHOWN_CAUSES])


def causes_text(causes: Iterable[Cause]) -> str:
    """The causes as JSON."""
    return canonical([[cause.code, cause.subject, cause.sentence, cause.field] for cause in causes])


def causes_of(text: str) -> tuple[Cause, ...]:
    """The causes that `causes_text` wrote."""
    return tuple(Cause(*item) for item in json.loads(text)) if text else ()


def record_row(record: Record, causes: str) -> Row:
    """The record; `causes` is the pointer to the text of its causes."""
    values: dict[str, Value] = {
        "Key": record.key,
        "Label": record.label,
        "SourceId": record.source_id,
        "State": record.state.value,
        "Version": record.version,
        "Job": record.job,
        "Payload": record.payload,
        "Facts": canonical(dict(record.facts)),
        "Batch": record.batch,
        "Plan": record.plan,
        "Progress": canonical(dict(record.progress)),
        "Alias": record.alias,
        "Owner": record.owner,
        "Looks": record.looks,
        "Attempts": record.attempts,
        "Causes": causes,
        "Seq": record.seq,
        "Mac": record.mac,
    }
    times = {"SentAt": record.sent_at, "Due": record.due, "CreatedAt": record.created_at, "UpdatedAt": record.updated_at}
    values |= {name: moment for name, moment in times.items() if moment is not None}
    return Row(record.place.partition, record_key(record.key), values, record.etag)


def record_of(place: Place, row: Row, causes: tuple[Cause, ...]) -> Record:
    """The record of a row; its causes were read by their pointer."""
    values = row.values
    return Record(
        place=place,
        key=text_in(values, "Key"),
        label=text_in(values, "Label"),
        source_id=text_in(values, "SourceId"),
        state=State(text_in(values, "State")),
        version=text_in(values, "Version"),
        job=text_in(values, "Job"),
        payload=text_in(values, "Payload"),
        facts=texts_in(values, "Facts"),
        batch=text_in(values, "Batch"),
        plan=text_in(values, "Plan"),
        progress=texts_in(values, "Progress"),
        alias=text_in(values, "Alias"),
        owner=text_in(values, "Owner"),
        sent_at=moment_in(values, "SentAt"),
        looks=number_in(values, "Looks"),
        attempts=number_in(values, "Attempts"),
        due=moment_in(values, "Due"),
        causes=causes,
        seq=number_in(values, "Seq"),
        mac=text_in(values, "Mac"),
        created_at=moment_in(values, "CreatedAt"),
        updated_at=moment_in(values, "UpdatedAt"),
        etag=row.etag,
    )


def audit_rows(link: Link) -> tuple[Row, Row]:
    """A step, and its entry in the index of its day."""
    row = link.row
    step: dict[str, Value] = {
        "Key": row.key,
        "Seq": row.seq,
        "At": row.at,
        "Run": row.run,
        "Job": row.job,
        "State": row.state.value,
        "Name": row.step.name,
        "Note": row.step.note,
        "Detail": canonical(dict(row.step.detail)),
        "Mac": row.mac,
        "KeyId": link.key_id,
    }
    partition = row.place.partition
    entry: dict[str, Value] = {"Key": row.key, "Seq": row.seq, "Mac": row.mac}
    return Row(partition, audit_key(row.key, row.seq), step), Row(partition, day_key(row.at, row.key, row.seq), entry)


def link_of(place: Place, key: str, row: Row) -> Link:
    """The step of a row that was found among the steps of `key`: a row moved there from another record does not fit its mac.

    ValueError when it names another record, or lies under another number than its own.
    """
    values = row.values
    if text_in(values, "Key") != key or row.key != audit_key(key, number_in(values, "Seq")):
        raise ValueError("it does not belong there")
    at = moment_in(values, "At") or datetime.min.replace(tzinfo=UTC)
    step = Step(text_in(values, "Name"), text_in(values, "Note"), texts_in(values, "Detail"))
    state = State(text_in(values, "State"))
    run, job, mac = text_in(values, "Run"), text_in(values, "Job"), text_in(values, "Mac")
    audit = AuditRow(place, key, number_in(values, "Seq"), at, run, job, state, step, mac)
    return Link(audit, text_in(values, "KeyId"))


def with_head(row: Row, head: Head, at: datetime) -> Row:
    """A record's row, or a head row, with its chain grown to `head`."""
    return replace(row, values={**row.values, "Seq": head.seq, "Mac": head.mac, "UpdatedAt": at})


def head_of(row: Row) -> Head:
    """The head that a record's row or a head row holds."""
    return Head(number_in(row.values, "Seq"), text_in(row.values, "Mac"))


def work_row(record: Record, due: datetime) -> Row:
    """The record's row of open work."""
    values: dict[str, Value] = {"Key": record.key, "Due": due, "State": record.state.value, "Batch": record.batch}
    return Row(record.place.partition, work_key(due, record.key), values)


def work_of(row: Row) -> Work:
    """The open work of a row."""
    due = moment_in(row.values, "Due")
    assert due is not None
    return Work(text_in(row.values, "Key"), due, State(text_in(row.values, "State")), text_in(row.values, "Batch"))


def failure_row(record: Record, row_key: str, cause: Cause, since: datetime) -> Row:
    """One open cause of a record, since when."""
    values: dict[str, Value] = {
        "Key": record.key,
        "Label": record.label,
        "Code": cause.code,
        "Subject": cause.subject,
        "Sentence": short(cause.sentence),
        "Field": cause.field,
        "Since": since,
        "State": record.state.value,
        "Job": record.job,
        "Amount": record.facts.get("amount", ""),
        "Currency": record.facts.get("currency", ""),
    }
    return Row(record.place.partition, row_key, values)


def failure_of(place: Place, row: Row) -> Failure:
    """The open cause of a row."""
    values = row.values
    cause = Cause(text_in(values, "Code"), text_in(values, "Subject"), text_in(values, "Sentence"), text_in(values, "Field"))
    since = moment_in(values, "Since")
    assert since is not None
    state = State(text_in(values, "State"))
    return Failure(
        place=place,
        key=text_in(values, "Key"),
        label=text_in(values, "Label"),
        cause=cause,
        since=since,
        state=state,
        job=text_in(values, "Job"),
        amount=text_in(values, "Amount"),
        currency=text_in(values, "Currency"),
    )


def texts_in(values: Mapping[str, Value], name: str) -> dict[str, str]:
    """A property that holds a JSON object of texts."""
    document = json.loads(text_in(values, name) or "{}")
    assert isinstance(document, dict), f"{name} is no JSON object"
    return {str(key): str(value) for key, value in document.items()}
