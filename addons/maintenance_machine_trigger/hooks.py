"""What happens once, when the addon goes."""


def uninstall_hook(env):
    """End what still waits for this addon, and leave alone what people's requests are about."""
    env["mrp.machine.event.posting"]._end_handler(
        "maintenance_request", env._("The addon that makes maintenance requests was uninstalled.")
    )
    # Nobody would be left to end them.
    env["maintenance.request"].sudo().search([("machine_block_id", "!=", False)])._unblock_workcenter()
    _keep_equipment(env)


def _keep_equipment(env):
    """Let go of equipment of the demo plant that has requests by now: it stays, and they with it."""
    data = env["ir.model.data"].sudo().search([("module", "=", "maintenance_machine_trigger")])
    ids = data.filtered(lambda name: name.model == "maintenance.equipment").mapped("res_id")
    equipment = env["maintenance.equipment"].sudo().browse(ids).exists().filtered("maintenance_ids")
    kept = {(record._name, record.id) for records in (equipment, equipment.category_id) for record in records}
    data.filtered(lambda name: (name.model, name.res_id) in kept).unlink()
