"""The reconciliation of the sandbox's two truths, from the systems' own data and the generator's knowledge, never from the connector's."""

from sandbox.worlds.model import World
from sandbox.worlds.report import Comparison, Total
from sandbox.worlds.truth_invoices import compare_batches, compare_invoices
from sandbox.worlds.truth_payments import compare_payments
from sandbox.worlds.truth_reference import compare_codes, compare_vendors

__all__ = ["Comparison", "Total", "compare"]


def compare(world: World) -> Comparison:
    """Compare what is in both systems with what must be there now; the clock of the world says what now is."""
    report = Comparison()
    with world.avid.lock, world.d365.lock:
        for part in (compare_vendors, compare_codes, compare_invoices, compare_batches, compare_payments):
            part(world, report)
        for write in world.d365.forbidden_writes:
            report.differ(f"{write.method} to {write.set_name} of D365: nothing may be written there.")
    return report
