"""What happens once, when the addon goes."""

from odoo.addons.mrp_machine_connect.hooks import let_go

#: The handlers that this addon brings.
HANDLERS = (
    "quality_alert",
    "quality_defect",
    "quality_due",
    "quality_event",
    "quality_measurement",
)

#: Of the demo data, what documents point at by now: it stays.
KEPT_MODELS = ("product.template", "product.product", "stock.lot", "stock.quant")


def uninstall_hook(env):
    """End what still waits for this addon: nobody is left who could give it an effect; what it kept back goes on."""
    rows = env["mrp.machine.event.posting"]
    for handler in HANDLERS:
        rows._end_handler(handler, env._("The addon that looks after quality was uninstalled."))
    # With the addon its holds go, so what waited for them is tried again.
    rows.search([("state", "=", "waiting"), ("reason", "in", ("lot_held", "order_held"))])._requeue()
    env["ir.model.data"].sudo().search(
        [("module", "=", "quality_machine_event"), ("model", "in", KEPT_MODELS)]
    ).unlink()
    env.flush_all()
    models = (model for name, model in env.registry.items() if name.startswith("quality.machine."))
    let_go(env, [model._table for model in models if model._auto and not model._abstract])
