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
        drifted = [target.label for target in page.rows if _has_drifted(ground, target)]
        crawl.drift += len(drifted)
        crawl.drifted += drifted[: NAMED - len(crawl.drifted)]
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


def _has_drifted(ground: Ground[T], target: Target[T]) -> bool:
    entry = ground.memory.get(ground.key(target.key))
    return entry is not None and _is_comparable(entry) and not same_to_see(entry.hash, ground.version(target))


def _is_comparable(entry: Entry) -> bool:
    return Flag.OURS in entry.flags and not entry.flags & (Flag.PARKED | Flag.SPELLED | Flag.UNCLEAR)


def _report(ground: Ground[T], crawl: Crawl) -> None:
    """One entry of the failures for all rows of the company. What a person has resolved comes back only when it changes."""
    if not crawl.drift:
        ground.hands.close(ground.drift_key, State.WRITTEN, "AvidXchange shows every row as it was sent.")
        return
    ground.count("drift", crawl.drift)
    subject = f"{ground.slice_.stage} of {ground.company.id}"
    named = ", ".join(crawl.drifted) + (f" and {crawl.drift - len(crawl.drifted)} more" if crawl.drift > len(crawl.drifted) else "")
    sentence = f"{crawl.drift} {subject} were sent and AvidXchange shows them otherwise: {named}."
    log.warning("%s", sentence, extra={"run": ground.slice_.run})
    version = digest(sentence)
    record = ground.slice_.ledger.get(ground.place, ground.drift_key)
    if record is None or record.state is not State.RESOLVED or record.version != version:
        cause = Cause("drift", subject, sentence)
        ground.hands.park([Parking(ground.drift_key, f"drift of {subject}", "", version, sentence, (cause,))])
