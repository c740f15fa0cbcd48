"""A small plant on loopback, for tests, demo and benchmarks: its machines produce, fail and tell the truth about it."""
