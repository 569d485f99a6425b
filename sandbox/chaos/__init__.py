"""Chaos with real processes on Azurite: what is done to a running deployment, as data from a seed, and what became of it."""
