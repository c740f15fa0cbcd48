from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    machine_event_days = fields.Integer(
        string="Keep Events (days)",
        config_parameter="mrp_machine_connect.event_days",
        help="Events older than this are archived to a file and deleted, with what became of them, unless they wait or are "
        "held. 0 keeps all. "
        "A counter that is polled each minute makes about 3 MB a day, one that moves every 2 seconds about 90 MB.",
    )
    machine_interval_days = fields.Integer(
        string="Keep the Timeline (days)",
        config_parameter="mrp_machine_connect.interval_days",
        help="States of machines older than this are archived and deleted, unless they last still. 0 keeps all. "
        "A machine that changes its state 500 times a day makes about 0.5 MB a day, one that does each minute 1.4 MB.",
    )
    machine_worker_days = fields.Integer(
        string="Keep Workers (days)",
        config_parameter="mrp_machine_connect.worker_days",
        help="Workers that are gone are archived and forgotten after this, unless somebody is still told to look after one. "
        "0 keeps all. One that starts each day makes less than 0.1 MB in a year.",
    )
    machine_archive = fields.Boolean(
        string="Archive Before Deleting",
        help="Write what is deleted to a compressed file first, as JSON lines; the files are attached to the settings.",
    )

    def get_values(self):
        values = super().get_values()
        parameters = self.env["ir.config_parameter"].sudo()  # sudo: this is the administrators' form
        return {**values, "machine_archive": parameters.get_param("mrp_machine_connect.archive") != "no"}

    def set_values(self):
        """Write also what says no: a parameter without a value would read as its default."""
        result = super().set_values()
        parameters = self.env["ir.config_parameter"].sudo()  # sudo: see get_values
        parameters.set_param("mrp_machine_connect.archive", "yes" if self.machine_archive else "no")
        for name in ("event", "interval", "worker"):
            parameters.set_param(f"mrp_machine_connect.{name}_days", str(self[f"machine_{name}_days"]))
        return result
