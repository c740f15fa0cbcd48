from fnmatch import fnmatchcase

from odoo import api, fields, models
from odoo.exceptions import ValidationError


class MaintenanceMachineAsset(models.Model):
    """A part of a machine that is equipment of its own: what it says of this part is this equipment's matter."""

    _name = "maintenance.machine.asset"
    _description = "Equipment of a Machine's Part"
    _order = "sequence, id"
    _rec_name = "equipment_id"
    _check_company_auto = True

    machine_id = fields.Many2one(
        "mrp.machine",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
        help="The machine that tells of it.",
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    signal_id = fields.Many2one(
        "mrp.machine.signal",
        index="btree_not_null",
        ondelete="cascade",
        domain="[('machine_id', '=', machine_id)]",
        help="What this signal tells, and what conditions find in it, is about the equipment.",
    )
    condition_id = fields.Many2one(
        "mrp.machine.condition",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        help="What this condition raises is about the equipment.",
    )
    alarm_code = fields.Char(
        string="Alarm", help="Alarms of this code are about the equipment; * stands for anything, ? for one character."
    )
    equipment_id = fields.Many2one(
        "maintenance.equipment",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
        help="The equipment that requests are made on.",
    )

    @api.constrains("signal_id", "condition_id", "alarm_code", "machine_id")
    def _check_what(self):
        for asset in self:
            if not (asset.signal_id or asset.condition_id or (asset.alarm_code or "").strip()):
                raise ValidationError(
                    self.env._(
                        "%s: say what belongs to this equipment: a signal, a condition or a code.",
                        asset.equipment_id.name,
                    )
                )
            if asset.signal_id and asset.signal_id.machine_id != asset.machine_id:
                raise ValidationError(self.env._("The signal %s belongs to another machine.", asset.signal_id.name))

    @api.model_create_multi
    def create(self, vals_list):
        assets = super().create(vals_list)
        self.env["mrp.machine.event.posting"]._requeue_waiting("no_equipment", assets.machine_id)
        return assets

    def write(self, vals):
        result = super().write(vals)
        self.env["mrp.machine.event.posting"]._requeue_waiting("no_equipment", self.machine_id)
        return result

    def _is_about(self, code, signal, condition_id):
        """Return whether an alarm is about this part: all that is said here must fit.

        :param str signal: the name of the signal that told it, where one did
        """
        self.ensure_one()
        if self.signal_id and self.signal_id.name != signal:
            return False
        if self.condition_id and self.condition_id.id != condition_id:
            return False
        pattern = (self.alarm_code or "").strip().casefold()
        return not pattern or fnmatchcase(code.casefold(), pattern)
