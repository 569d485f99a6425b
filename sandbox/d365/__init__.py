"""Dynamics 365 Finance & Operations, played by its contract: a world of rows and the OData service in front of it."""

from sandbox.d365.service import D365
from sandbox.d365.switches import D365Switches
from sandbox.d365.world import D365World, Write

__all__ = ["D365", "D365Switches", "D365World", "Write"]
