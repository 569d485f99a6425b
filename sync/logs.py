"""Log lines that carry where they belong: connection, stage, run and job, in the text and as fields of their own.

The host's plain log shows the text; OpenTelemetry keeps the fields. Errors never hold a secret (design §3, invariant 8); what looks like
one all the same is masked here.
"""

import logging
import re
from typing import Any, Final

SECRET: Final = re.compile(
    r"(?i)(bearer\s+|accountkey=|sharedaccesssignature=|[?&]sig=|client_(?:secret|assertion)[=:]\s*|password[=:]\s*)[^\s;&,'\"]+"
)


def masked(text: str) -> str:
    """The text without what looks like a credential."""
    return SECRET.sub(r"\1***", text)


class BoundLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines all carry the same fields."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.LoggerAdapter.log`."""
        if not self.isEnabledFor(level):
            return
        fields = {name: str(value) for name, value in (self.extra or {}).items() if value}
        text = str(msg) % args if args else str(msg)
        where = " ".join(f"{name}={value}" for name, value in fields.items())
        self.logger.log(level, "%s", masked(f"{text} [{where}]" if where else text), extra=fields, **kwargs)


def bound(name: str, **fields: str) -> BoundLogger:
    """A logger of the module `name` whose lines carry `fields`: connection, stage, run, job."""
    return BoundLogger(logging.getLogger(name), fields)
