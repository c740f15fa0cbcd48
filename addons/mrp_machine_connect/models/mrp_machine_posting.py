from odoo import fields, models


class MachinePosting(models.Model):
    """One effect of one or many events, written in the same transaction as the effect itself."""

    _name = "mrp.machine.posting"
    _description = "Machine Posting"
    _order = "id desc"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    handler = fields.Char(required=True, readonly=True, help="What turned the events into this effect.")
    res_model = fields.Char(string="Document Model", readonly=True)
    res_id = fields.Many2oneReference(string="Document", model_field="res_model", readonly=True)
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True, index="btree_not_null")
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True, index="btree_not_null")
    kind = fields.Selection(
        [
            ("good", "Good pieces"),
            ("reject", "Rejected pieces"),
            ("rework", "Pieces to rework"),
            ("compared", "Compared only"),
        ],
        string="Booked As",
        readonly=True,
        help="What its pieces were booked as. Compared only: another counter feeds the order, and this one is held beside it.",
    )
    quantity = fields.Float(readonly=True, digits=(16, 3), help="Pieces, in the machine's unit.")
    duration = fields.Float(readonly=True, help="Seconds, for an effect on time.")
    occurred_from = fields.Datetime(readonly=True, help="When the first of its events occurred.")
    occurred_to = fields.Datetime(readonly=True, help="When the last of its events occurred.")
    summary = fields.Char(readonly=True, help="What was done, in a sentence.")
    explanation = fields.Char(readonly=True, help="Why this document and no other.")
    event_posting_ids = fields.One2many("mrp.machine.event.posting", "posting_id", string="Events", readonly=True)

    _document = models.Index("(res_model, res_id)")

    def _compute_display_name(self):
        for posting in self:
            posting.display_name = posting.summary or f"{posting.handler} {posting.id}"

    def action_document(self):
        """Open the document that carries the effect."""
        self.ensure_one()
        if not self.res_model or not self.env[self.res_model].browse(self.res_id).exists():
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }
