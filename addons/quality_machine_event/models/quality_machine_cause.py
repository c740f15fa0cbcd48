from odoo import fields, models


class QualityMachineCause(models.Model):
    """Why things go wrong: the list that causes of alerts and reviews are chosen from, so that they can be counted."""

    _name = "quality.machine.cause"
    _description = "Quality Cause"
    _order = "sequence, name, id"

    name = fields.Char(required=True, translate=True, help="Such as: tool worn, wrong material, wrong program.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [
            ("machine", "Machine"),
            ("method", "Method"),
            ("material", "Material"),
            ("people", "People"),
            ("measurement", "Measurement"),
            ("environment", "Environment"),
        ],
        required=True,
        default="machine",
        help="The branch of the cause-and-effect diagram that it belongs to.",
    )

    _name_unique = models.UniqueIndex("(name)", "There is a cause of this name already.")
