"""What happens once, when the addon goes."""

#: The handlers that this addon brings.
HANDLERS = (
    "quality_alert",
    "quality_defect",
    "quality_due",
    "quality_event",
    "quality_measurement",
)


def uninstall_hook(env):
    """End what still waits for this addon: nobody is left who could give it an effect; what it kept back goes on."""
    rows = env["mrp.machine.event.posting"]
    for handler in HANDLERS:
        rows._end_handler(handler, env._("The addon that looks after quality was uninstalled."))
    # With the addon its holds go, so what waited for them is tried again.
    rows.search([("state", "=", "waiting"), ("reason", "in", ("lot_held", "order_held"))])._requeue()
