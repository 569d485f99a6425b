"""Why a record is parked or reported.

A cause points at its subject (`vendor US-101`), so that `failures` can group a hundred invoices under the one vendor that is missing.
"""

from dataclasses import dataclass

from sync.cause_kinds import KINDS, Kind


@dataclass(frozen=True, order=True)
class Cause:
    """One reason why a record cannot go on. `subject` is the thing to mend (`vendor US-101`), `field` the field of the record."""

    code: str
    subject: str
    sentence: str
    field: str = ""

    def __post_init__(self) -> None:
        if self.code not in KINDS:
            raise ValueError(f"unknown cause code {self.code!r}: add it to sync/cause_kinds.py")

    @property
    def kind(self) -> Kind:
        """The kind of this cause."""
        return KINDS[self.code]
