from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..machine_connect.networks import unfit
from .mrp_machine_pressure import LIMITS

#: Settings of alarms.
ALARMS = ("alarm_chatter_times", "alarm_chatter_seconds", "alarm_standing_hours")


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
    machine_alarm_days = fields.Integer(
        string="Keep Alarms (days)",
        config_parameter="mrp_machine_connect.alarm_days",
        help="Alarms that were cleared longer ago are archived and deleted; those that stand stay. 0 keeps all. "
        "A machine with 500 alarms a day makes about 0.2 MB a day.",
    )
    machine_worker_days = fields.Integer(
        string="Keep Workers (days)",
        config_parameter="mrp_machine_connect.worker_days",
        help="Workers that are gone are archived and forgotten after this, unless somebody is still told to look after one. "
        "0 keeps all. One that starts each day makes less than 0.1 MB in a year.",
    )
    machine_shadow_days = fields.Integer(
        string="Keep Shadows (days)",
        config_parameter="mrp_machine_connect.shadow_days",
        help="What machines in shadow would have booked is archived and deleted after this, unless its order is open or a "
        "supervisor is to decide by it. 0 keeps all.",
    )
    machine_metrics_networks = fields.Char(
        string="Metrics Without a Key",
        config_parameter="mrp_machine_connect.metrics_networks",
        help="Networks that may read /machine/v1/metrics without a key, apart by spaces: 10.0.0.7 192.168.10.0/24. Empty: nobody.",
    )
    machine_disarmed_user_id = fields.Many2one(
        "res.users",
        string="Told When Disarmed",
        config_parameter="mrp_machine_connect.disarmed_user_id",
        help="Who gets a mail when this database is a copy, or was moved, and talks to no machine until it is armed. Empty: who "
        "armed it last.",
    )
    machine_source_requests = fields.Integer(
        string="Requests a Second, Each Source",
        config_parameter="mrp_machine_connect.source_requests",
        help="More requests than so many a second from one source are asked to wait; for two seconds twice as many may come. "
        "0: no limit.",
    )
    machine_source_events = fields.Integer(
        string="Events a Second, Each Source",
        config_parameter="mrp_machine_connect.source_events",
        help="More events than so many a second from one source are asked to wait; for two seconds twice as many may come. "
        "0: no limit.",
    )
    machine_all_requests = fields.Integer(
        string="Requests a Second, All Sources",
        config_parameter="mrp_machine_connect.all_requests",
        help="The same for all sources together. 0: no limit.",
    )
    machine_all_events = fields.Integer(
        string="Events a Second, All Sources",
        config_parameter="mrp_machine_connect.all_events",
        help="The same for all sources together. 0: no limit.",
    )
    machine_backlog_bulk = fields.Integer(
        string="Refuse Bulk from",
        config_parameter="mrp_machine_connect.backlog_bulk",
        help="When so many events wait for their effect, only stops, alarms and quality are taken; all others are asked to wait. "
        "0: never.",
    )
    machine_backlog_all = fields.Integer(
        string="Refuse All from",
        config_parameter="mrp_machine_connect.backlog_all",
        help="When so many events wait for their effect, nothing is taken. 0: never.",
    )
    machine_readings = fields.Integer(
        string="Readings a Second and Signal",
        config_parameter="mrp_machine_connect.readings",
        help="More meter, energy and process readings of one signal in one second are refused: their sender should send "
        "summaries. 0: any number.",
    )
    machine_alarm_chatter_times = fields.Integer(
        string="Chattering From (times)",
        config_parameter="mrp_machine_connect.alarm_chatter_times",
        help="An alarm that is raised so often within the seconds beside it chatters: it is counted on one occurrence instead of "
        "making new ones. 0: never.",
    )
    machine_alarm_chatter_seconds = fields.Integer(
        string="Chattering Within (s)",
        config_parameter="mrp_machine_connect.alarm_chatter_seconds",
        help="So many seconds, and after so many of quiet it is a new occurrence.",
    )
    machine_alarm_standing_hours = fields.Integer(
        string="Standing After (h)",
        config_parameter="mrp_machine_connect.alarm_standing_hours",
        help="An alarm that is active for longer stands: nobody seems to look after it.",
    )
    machine_archive = fields.Boolean(
        string="Archive Before Deleting",
        help="Write what is deleted to a compressed file first, as JSON lines; the files are attached to the settings.",
    )

    @api.constrains("machine_metrics_networks")
    def _check_metrics_networks(self):
        for settings in self:
            if word := unfit(settings.machine_metrics_networks or ""):
                raise ValidationError(
                    self.env._(
                        "Metrics Without a Key: «%s» is no network. Enter an address such as 10.0.0.7 or a network such as "
                        "192.168.10.0/24.",
                        word,
                    )
                )

    @api.constrains(*(f"machine_{name}" for name in (*LIMITS, *ALARMS)))
    def _check_limits(self):
        for settings in self:
            for name in (*LIMITS, *ALARMS):
                if settings[f"machine_{name}"] < 0:
                    label = self._fields[f"machine_{name}"]._description_string(self.env)
                    raise ValidationError(self.env._("%s: enter 0 or more.", label))
            if 0 < settings.machine_backlog_all < settings.machine_backlog_bulk:
                raise ValidationError(
                    self.env._(
                        "Refuse All from: enter no less than Refuse Bulk from; stops and alarms are taken longer."
                    )
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
        for name in ("event", "interval", "worker", "shadow"):
            parameters.set_param(f"mrp_machine_connect.{name}_days", str(self[f"machine_{name}_days"]))
        for name in (*LIMITS, *ALARMS):
            parameters.set_param(f"mrp_machine_connect.{name}", str(self[f"machine_{name}"]))
        return result
