"""What a machine's own settings say of quality, and what is looked at when it counts."""

from datetime import timezone
from math import isfinite

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.machine_connect.event import microseconds
from odoo.exceptions import ValidationError

from . import mrp_machine  # noqa: F401 - extended here, so it must be there


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    quality_team_id = fields.Many2one(
        "quality.machine.team",
        check_company=True,
        tracking=True,
        help="Who works on the alerts of this machine, and whose ladder of escalation holds.",
    )
    quality_alert_above = fields.Float(
        "Alert above (rejects)",
        default=0.0,
        tracking=True,
        help="Up to so many rejects of an order are counted and nobody is called. 0: the first reject raises an alert.",
    )
    quality_measurement_gate = fields.Selection(
        [
            ("none", "Nothing is held"),
            ("lot", "The part's lot is held"),
            ("order", "The part's lot is held, and its order waits"),
        ],
        string="Failed Measurement",
        required=True,
        default="lot",
        tracking=True,
        help="What a value that fails does, besides the alert about its characteristic.",
    )
    quality_review_ratio = fields.Float(
        "Review above (× planned)",
        default=1.5,
        tracking=True,
        help="Once the scrap of an order is more than so many times what its bill of materials plans, a review is raised. 0: "
        "never.",
    )
    quality_review_rejects = fields.Float(
        "Review from (rejects)", default=5.0, help="With fewer rejects the ratio says nothing yet."
    )

    @api.constrains("quality_alert_above", "quality_review_ratio", "quality_review_rejects")
    def _check_quality_numbers(self):
        for machine in self:
            for name in ("quality_alert_above", "quality_review_ratio", "quality_review_rejects"):
                if not isfinite(machine[name]) or machine[name] < 0:
                    raise ValidationError(
                        self.env._(
                            "%(machine)s: «%(field)s» must be a number of 0 or more.",
                            machine=machine.name,
                            field=self._fields[name]._description_string(self.env),
                        )
                    )

    # Rules

    def _counted_on(self, production, workorder, events):
        """Decide what quality is to look at now that pieces were counted."""
        self.env["quality.machine.rule"]._counted(self, production, workorder, events)
        if ratio := self.env["quality.machine.review"]._due(self, production):
            # Once an order: the decision names it, and no ratio that may differ when it is decided again.
            self._decide(
                "quality.check_due",
                max(events.mapped("occurred")),
                {"rule": "variance", "rule_id": None, "production_id": production.id, "ratio": round(ratio, 4)},
            )
        return super()._counted_on(production, workorder, events)

    def _check_quantity(self, production, workorder, total):
        """Refuse pieces of an order that quality holds."""
        production._quality_gate()
        return super()._check_quantity(production, workorder, total)

    def _pieces_within(self, start, end):
        """Return ``(pieces, rejects)`` that this machine counted after a moment and up to another one (naive UTC)."""
        self.ensure_one()
        # By SQL: a sum over the log, which may be of thousands of counts.
        self.env.cr.execute(
            """SELECT coalesce(sum((data->>'delta')::numeric), 0),
                      coalesce(sum((data->>'delta')::numeric) FILTER (WHERE data->>'kind' = 'reject'), 0)
                 FROM mrp_machine_event
                WHERE machine_id = %(machine)s AND occurred_us > %(start)s AND occurred_us <= %(end)s
                  AND type IN ('production.count', 'correction.adjust') AND data->>'kind' IN ('good', 'reject')
                  AND jsonb_typeof(data->'delta') = 'number'""",
            {"machine": self.id, "start": _us(start), "end": _us(end)},
        )
        pieces, rejects = self.env.cr.fetchone()
        return float(pieces), float(rejects)


def _us(moment):
    return microseconds(moment.replace(tzinfo=timezone.utc))


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "lot_held": _(
                "A quality inspector releases the lot, or another one is used. What waited is posted by itself."
            ),
            "order_held": _(
                "A quality inspector releases the order, under Quality → Holds. What waited is posted by itself."
            ),
        }
