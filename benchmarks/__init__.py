"""Ratios measured in one run: ours against the plain way. ``./dev bench NAME``; see harness.py."""
