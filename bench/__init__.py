"""Measurements and long searches that are run by hand: how fast a crawl is, what a parser does with broken input."""
