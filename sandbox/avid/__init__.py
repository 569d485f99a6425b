"""The sandbox's AvidXchange: its data, its own truth, and the HTTP face the contract describes."""

from sandbox.avid.records import Batch, Code, Distribution, Invoice, Payment, Remittance
from sandbox.avid.switches import AvidSwitches
from sandbox.avid.system import AvidSystem, AvidTokens
from sandbox.avid.world import AvidWorld

__all__ = ["AvidSwitches", "AvidSystem", "AvidTokens", "AvidWorld", "Batch", "Code", "Distribution", "Invoice", "Payment", "Remittance"]
