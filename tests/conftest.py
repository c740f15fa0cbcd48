"""For all tiers: no silent green, also when pytest is started without ./dev."""

pytest_plugins = ["devtools.no_silent_green"]
