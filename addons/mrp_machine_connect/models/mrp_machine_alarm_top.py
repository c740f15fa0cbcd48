from odoo import fields, models
from odoo.tools import SQL

from .mrp_machine_alarm import STANDING_HOURS

#: Days that the most frequent alarms are counted over.
DAYS = 30


class MachineAlarmTop(models.Model):
    """Which alarms of which machine came most often in the last 30 days? IEC 62682 calls them bad actors."""

    _name = "mrp.machine.alarm.top"
    _description = "Most Frequent Alarms"
    _auto = False
    _order = "occurrences desc, id desc"
    _rec_name = "code"

    machine_id = fields.Many2one("mrp.machine", readonly=True, help="The machine that raised it.")
    company_id = fields.Many2one("res.company", readonly=True)
    code = fields.Char(readonly=True, help="What the machine calls it, or which condition raised it.")
    text = fields.Char(readonly=True, help="What it means, by its last occurrence.")
    occurrences = fields.Integer(readonly=True, help="How often it was raised in the last 30 days.")
    share = fields.Float(readonly=True, help="Of all alarms of the company in that time.")
    chattering = fields.Integer(readonly=True, help="Occurrences that chattered.")
    standing = fields.Integer(readonly=True, help="Occurrences that stood, or stand, for more than a day.")
    hours = fields.Float(readonly=True, help="Hours that it stood in all.")
    last_raised = fields.Datetime(readonly=True, help="When it came last.")

    @property
    def _table_query(self):
        return SQL(
            """SELECT max(alarm.id) AS id, alarm.machine_id, alarm.company_id, alarm.code,
                      (array_agg(alarm.text ORDER BY alarm.raised_us DESC))[1] AS text,
                      sum(alarm.occurrences)::int AS occurrences,
                      sum(alarm.occurrences) / sum(sum(alarm.occurrences)) OVER (PARTITION BY alarm.company_id) AS share,
                      (count(*) FILTER (WHERE alarm.is_chattering))::int AS chattering,
                      (count(*) FILTER (WHERE coalesce(alarm.cleared, now() AT TIME ZONE 'UTC') - alarm.raised
                                              > %(hours)s * interval '1 hour'))::int AS standing,
                      sum(extract(epoch FROM coalesce(alarm.cleared, now() AT TIME ZONE 'UTC') - alarm.raised)) / 3600
                          AS hours,
                      max(alarm.last_raised) AS last_raised
                 FROM mrp_machine_alarm alarm
                WHERE alarm.raised >= (now() AT TIME ZONE 'UTC') - %(days)s * interval '1 day'
                GROUP BY alarm.machine_id, alarm.company_id, alarm.code""",
            hours=self.env["mrp.machine.alarm"]._setting("standing_hours", STANDING_HOURS),
            days=DAYS,
        )

    def action_alarms(self):
        """Open the occurrences of this alarm."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_alarm_action")
        action.update(domain=[("machine_id", "=", self.machine_id.id), ("code", "=", self.code)], context={})
        return action
