"""What several test files plug into the connector's seams."""
