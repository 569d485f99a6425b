"""Azurite, Microsoft's storage emulator: found, installed and run for the sandbox and the tests."""

from sandbox.azurite.server import Azurite, AzuriteError

__all__ = ["Azurite", "AzuriteError"]
