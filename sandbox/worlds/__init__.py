"""The data of both systems at once, from a seed, with the independent truth of what must come of it."""

from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.cycle import third_cycle, third_cycle_faults
from sandbox.worlds.model import Expected, ExpectedInvoice, ExpectedPayment, Fate, World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import Comparison, compare

__all__ = [
    "Comparison",
    "Expected",
    "ExpectedInvoice",
    "ExpectedPayment",
    "Fate",
    "PropertyFirmSize",
    "World",
    "build_contoso",
    "build_property_firm",
    "compare",
    "third_cycle",
    "third_cycle_faults",
]
