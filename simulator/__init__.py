"""A small plant on loopback, for tests, demo and benchmarks: machines that produce, fail and tell the truth about it."""
