"""The types of events by which a machine speaks of the order that it works on."""

BEGUN = ("production.order_started", "production.order_resumed")
LEFT = ("production.order_paused", "production.order_completed")
