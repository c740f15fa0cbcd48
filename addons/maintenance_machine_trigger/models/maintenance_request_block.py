"""While a machine is repaired, nobody should start an order on it: the work center is blocked until the request is closed."""

from odoo import api, fields, models

from . import maintenance_request  # noqa: F401 - extended here, so it must be there


class MaintenanceRequest(models.Model):
    _inherit = "maintenance.request"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_block_id = fields.Many2one(
        "mrp.workcenter.productivity",
        string="Block",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The line by which the work center is blocked.",
    )
    machine_blocks = fields.Boolean(
        string="Blocks the Work Center",
        compute="_compute_machine_blocks",
        compute_sudo=True,
        help="Nobody can start a work order on the machine's work center until this request is closed.",
    )

    @api.depends("machine_block_id.date_end")
    def _compute_machine_blocks(self):
        for request in self:
            request.machine_blocks = bool(request.machine_block_id and not request.machine_block_id.date_end)

    def _block_workcenter(self):
        """Block the machine's work center from the moment of failure on, where the template wants that."""
        self.ensure_one()
        workcenter = self.machine_id.workcenter_id
        template = self.machine_template_id.sudo()  # sudo: rules are read for the machine
        if not (template.block_workcenter and workcenter and self.machine_fault_open) or self.machine_blocks:
            return
        loss = self.env.ref("mrp.block_reason1", raise_if_not_found=False) or self.env[
            "mrp.workcenter.productivity.loss"
        ].search([("loss_type", "=", "availability")], limit=1)
        if not loss:
            return
        # sudo: to block is the template's decision; who posts or reopens the request need not be allowed to book time
        self.machine_block_id = (
            self.env["mrp.workcenter.productivity"]
            .sudo()
            .create(
                {
                    "workcenter_id": workcenter.id,
                    "company_id": self.company_id.id,
                    "loss_id": loss.id,
                    "description": self.name,
                    "date_start": self.machine_first_occurred,
                }
            )
        )

    def _unblock_workcenter(self):
        """End the blocks of these requests.

        Where the machine tells its states, the time of the stop is booked by those: the block leaves none, or the time would
        count twice.
        """
        for request in self.filtered("machine_block_id"):
            block = request.machine_block_id.sudo()  # sudo: closing the request ends its block, whoever closes it
            if block.date_end:
                continue  # a person unblocked the work center
            if request.machine_id.sudo().interval_ids:
                block.unlink()
            else:
                block.date_end = fields.Datetime.now()

    def write(self, vals):
        result = super().write(vals)
        if {"stage_id", "archive"} & vals.keys():
            # Of requests that a person raised there is no block.
            ours = self.filtered("machine_fault_key")
            ours.filtered(lambda request: not request.machine_fault_open)._unblock_workcenter()
            for request in ours.filtered("machine_fault_open"):
                request._block_workcenter()
        return result

    def unlink(self):
        self._unblock_workcenter()
        return super().unlink()
