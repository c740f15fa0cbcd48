from odoo import fields, models


class MachineRefusal(models.Model):
    """What was refused at the door: a line a day, source and reason, however many requests there were."""

    _name = "mrp.machine.refusal"
    _description = "Machine Request Refusal"
    _log_access = False
    _order = "last desc, id desc"
    _rec_name = "reason"

    source_id = fields.Many2one(
        "mrp.machine.source", readonly=True, ondelete="cascade", help="Empty: nobody whom we know."
    )
    company_id = fields.Many2one(related="source_id.company_id", store=True)
    day = fields.Date(required=True, readonly=True)
    reason = fields.Char(required=True, readonly=True, help="The reason code.")
    words = fields.Char(compute="_compute_words", string="Why", help="The reason in words.")
    count = fields.Integer(required=True, readonly=True, help="How often.")
    first = fields.Datetime(required=True, readonly=True)
    last = fields.Datetime(required=True, readonly=True)
    address = fields.Char(readonly=True, help="Where the last of them came from.")

    _reason_unique = models.UniqueIndex("(day, COALESCE(source_id, 0), reason)")

    def _compute_words(self):
        words = self.env["mrp.machine.door"]._reason_words()
        for refusal in self:
            refusal.words = words.get(refusal.reason, refusal.reason)
