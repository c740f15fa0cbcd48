from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    machine_event_days = fields.Integer(
        string="Keep Events (days)",
        config_parameter="mrp_machine_connect.event_days",
        default=400,
        help="Events older than this are archived to a file and deleted, unless they wait or are held. 0 keeps all. "
        "A busy machine makes about 1 MB of events a day.",
    )
    machine_interval_days = fields.Integer(
        string="Keep the Timeline (days)",
        config_parameter="mrp_machine_connect.interval_days",
        default=1095,
        help="States of machines older than this are archived and deleted. 0 keeps all.",
    )
    machine_worker_days = fields.Integer(
        string="Keep Workers (days)",
        config_parameter="mrp_machine_connect.worker_days",
        default=30,
        help="Stopped workers are forgotten after this.",
    )
    machine_archive = fields.Boolean(
        string="Archive Before Deleting",
        config_parameter="mrp_machine_connect.archive",
        default=True,
        help="Write what is deleted to a compressed file first, as JSON lines; the files are attached to the settings.",
    )
