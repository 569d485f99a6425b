"""The stages there are. A sixth is one more line here and one more timer in `function_app.py` (design §1)."""

from sync.engine.model import Stage
from sync.stages import dimensions, gl_accounts, invoices, payments, vendors


def every_stage() -> tuple[Stage, ...]:
    """All stages, each before those that wait for it."""
    return vendors.stage(), gl_accounts.stage(), dimensions.stage(), invoices.stage(), payments.stage()
