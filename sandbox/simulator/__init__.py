"""Whole deployments without a machine: virtual time, seeded chance, workers that take turns and die."""
