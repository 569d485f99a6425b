"""Every error the connector raises on purpose, grouped by what to do next.

    SyncError
    ├── TryLater            the other side is busy or briefly unreachable; nothing was refused for good
    │   ├── Throttled       429: the host said when to come back
    │   └── Blocked         something else must be settled before this record can go on
    ├── SignInAgain         401: the token or header was refused
    ├── FixConfiguration    a setting, a secret or a permission is wrong; a person mends it
    │   └── AnswerTooLarge  an answer is larger than we take: ask for less, or allow more
    ├── FixData             one record is wrong; a person mends it in the system it comes from
    ├── OutcomeUnknown      a write may or may not have landed: look before sending again
    ├── StorageConflict     another worker was faster; read again and decide anew
    └── Bug                 an assumption of ours does not hold

`sentence` is for the person, `detail` for the log. Neither ever holds a secret (design §3, invariant 8).
"""

from datetime import datetime

from sync.causes import Cause


class SyncError(Exception):
    """The root: one sentence for the person, the detail for the log."""

    def __init__(self, sentence: str, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail


class TryLater(SyncError):
    """Nothing is wrong with the record. `delay` is in seconds; None leaves it to the back-off."""

    def __init__(self, sentence: str, *, delay: float | None = None, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.delay = delay


class Throttled(TryLater):
    """The host answered 429. `not_before` (UTC) is already durable in the gate of the host (design §2, Gates)."""

    def __init__(self, sentence: str, *, host: str, not_before: datetime, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.host = host
        self.not_before = not_before


class Blocked(TryLater):
    """This record waits for something of ours that is not settled yet (its journal's outcome is unknown); others go on."""


class SignInAgain(SyncError):
    """The credentials were refused: read the secrets again and sign in once more, then give up with FixConfiguration."""


class FixConfiguration(SyncError):
    """A person mends a setting: `field` names it as the person writes it, the sentence names the remedy."""

    def __init__(self, sentence: str, *, field: str = "", detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.field = field


class AnswerTooLarge(FixConfiguration):
    """The answer to a read or an upsert is larger than what is taken, and would be again. Nothing of it was used."""


class FixData(SyncError):
    """One record cannot be written as it is. All its causes are collected, never only the first."""

    def __init__(self, causes: tuple[Cause, ...], *, detail: str = "") -> None:
        super().__init__("; ".join(cause.sentence for cause in causes), detail=detail)
        self.causes = causes


class OutcomeUnknown(SyncError):
    """A write was sent and no clear answer came back (time-out, reset, 5xx, cut reply). Never send again without a look."""


class StorageConflict(SyncError):
    """A row or blob changed, or exists already. `exists` tells an insert that met a row from an update that met another version."""

    def __init__(self, sentence: str, *, exists: bool = False, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.exists = exists


class Bug(SyncError):
    """An assertion of ours failed. Stop this record, say so loudly, touch nothing."""
