"""Credentials that a host refused, known to every instance: a new process must not try them again and lock the account.

Kept beside the gates, under a keyed digest: what stands in the table tells nothing of a password to who does not hold the audit key.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final

from sync.ledger.audit import AuditKeys
from sync.ports import Ports
from sync.storage.columns import moment_in
from sync.storage.model import Row, Upsert
from sync.storage.names import GATES

UNTIL: Final = "Until"


class Refusals:
    """One row per host and refused credentials. Raises TryLater when storage is busy, FixConfiguration without an audit key."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._tables = ports.tables
        self._keys = keys

    def until(self, host: str, mark: str) -> datetime | None:
        """Until when nobody sends these credentials to the host again (UTC); None when they were never refused. `mark` tells them apart."""
        row = self._tables.get(GATES, host, self._row_key(mark))
        return None if row is None else moment_in(row.values, UNTIL)

    def note(self, host: str, mark: str, until: datetime) -> None:
        """The host refused these credentials; durable when this returns."""
        self._tables.commit(GATES, host, [Upsert(Row(host, self._row_key(mark), {UNTIL: until}))])

    def _row_key(self, mark: str) -> str:
        _, key = self._keys.current()
        return f"refused-{hmac.new(key, mark.encode(), hashlib.sha256).hexdigest()}"
