"""Reading back: AvidXchange may answer that it took something over and keep the old (contracts/avidxchange.md §3, Vendors)."""

import logging
from datetime import timedelta
from typing import Final, TypeVar

from sync.causes import Cause
from sync.engine.memory import Crawl, Entry, Flag
from sync.engine.mirror_effects import Parking
from sync.engine.mirror_ground import Ground, same_to_see
from sync.engine.mirroring import Target
from sync.ledger.model import State
from sync.values import digest, utc_moment, utc_text

T = TypeVar("T")

EVERY: Final = timedelta(days=1)
"""All rows are read back once in this time: AvidXchange has no other way to ask, and a listing of all vendors is a thousand requests."""
NAMED: Final = 20

log = logging.getLogger(__name__)


def read_back(ground: Ground[T], crawl: Crawl) -> bool:
    """Count as `drift`, and report, what we sent and AvidXchange shows otherwise. Whether it is done, or not due.

    Sending it again would change nothing.
    """
    now = ground.slice_.ports.clock.now()
    if ground.slice_.dry_run or not (crawl.listing or _is_due(ground)):
        return True
    for page in ground.held(crawl.listing):
        for target in page.rows:
            _compare(ground, crawl, target)
        crawl.listing = page.cursor
        if page.cursor and ground.must_stop:
            return False
    ground.memory.read_back = utc_text(now)
    _report(ground, crawl)
    return True


def _is_due(ground: Ground[T]) -> bool:
    """Once a day, and when an operator replays the report."""
    last = ground.memory.read_back
    return not last or ground.slice_.ports.clock.now() - utc_moment(last) >= EVERY or ground.drift_key in ground.due


def _compare(ground: Ground[T], crawl: Crawl, target: Target[T]) -> None:
    """Count a row that AvidXchange shows otherwise: by what it should have taken over, or only by what it takes over of new rows."""
    entry = ground.memory.get(ground.key(target.key))
    if entry is None or not _is_comparable(entry):
        return
    version = ground.version(target)
    if not same_to_see(entry.hash, version):
        crawl.drift += 1
        crawl.drifted += [target.label][: NAMED - len(crawl.drifted)]
    elif entry.hash != version and ground.is_partial(target):
        crawl.kept += 1
        crawl.kept_rows += [target.label][: NAMED - len(crawl.kept_rows)]


def _is_comparable(entry: Entry) -> bool:
    return bool(entry.flags & (Flag.OURS | Flag.KEPT)) and not entry.flags & (Flag.PARKED | Flag.SPELLED | Flag.UNCLEAR)


def _report(ground: Ground[T], crawl: Crawl) -> None:
    """One entry of the failures for all rows of the company. What a person has resolved comes back only when it changes.

    What is known beforehand, that a tenant takes over nothing but new rows and the active flag, comes back not even then.
    """
    if not crawl.drift and not crawl.kept:
        ground.hands.close(ground.drift_key, State.WRITTEN, "AvidXchange shows every row as it was sent.")
        return
    subject = f"{ground.slice_.stage} of {ground.company.id}"
    sentences = []
    if crawl.drift:
        ground.count("drift", crawl.drift)
        sentences.append(f"{crawl.drift} {subject} were sent and AvidXchange shows them otherwise: {_named(crawl.drifted, crawl.drift)}.")
        log.warning("%s", sentences[0], extra={"run": ground.slice_.run})
    version = digest(*sentences, "kept" if crawl.kept else "")
    if crawl.kept:
        ground.count("drift_expected", crawl.kept)
        named = _named(crawl.kept_rows, crawl.kept)
        why = "AvidXchange takes over only new ones and the active flag (avidxchange.profile.capabilities.vendor_updates)"
        sentences.append(f"{crawl.kept} {subject} differ from D365, as {why}: {named}. Correct them in AvidXchange.")
    sentence = " ".join(sentences)
    record = ground.slice_.ledger.get(ground.place, ground.drift_key)
    if record is None or record.state is not State.RESOLVED or record.version != version:
        cause = Cause("drift", subject, sentence)
        ground.hands.park([Parking(ground.drift_key, f"drift of {subject}", "", version, sentence, (cause,))])


def _named(first: list[str], count: int) -> str:
    return ", ".join(first) + (f" and {count - len(first)} more" if count > len(first) else "")
