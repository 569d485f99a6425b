"""Load: the sizes the connector is to hold, many connections due at once, and outages of either side; see `__main__.py`."""
