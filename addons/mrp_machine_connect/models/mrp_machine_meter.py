"""How much was a machine used? Hours, cycles, pieces, kilometres, kilowatt hours, over the replacement of a meter as well.

A meter shows what it shows; what counts is the sum, which goes on when the meter is set back or another one takes its place.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..fields import BigInteger
from ..machine_connect import clock
from ..machine_connect.event import microseconds
from ..machine_connect.instants import instant
from ..moments import microseconds_of
from . import mrp_machine_retention  # noqa: F401 - extended here, so it must be there
from .mrp_machine_interval import PRODUCTIVE

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US


class MachineMeter(models.Model):
    """One meter of a machine, and the sum of what it has shown."""

    _name = "mrp.machine.meter"
    _description = "Machine Meter"
    _order = "machine_id, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, help="What is measured: operating hours, strokes, energy.")
    active = fields.Boolean(default=True)
    machine_id = fields.Many2one(
        "mrp.machine", required=True, index=True, ondelete="cascade", help="The machine that is used."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    unit = fields.Selection(
        [("h", "Hours"), ("cycles", "Cycles"), ("pieces", "Pieces"), ("km", "Kilometres"), ("kWh", "kWh")],
        required=True,
        default="h",
        help="What it counts in.",
    )
    source = fields.Selection(
        [
            ("running", "Running time from the timeline"),
            ("signal", "A signal of the machine"),
            ("readings", "Readings that people or senders enter"),
        ],
        required=True,
        default="running",
        help="Where its value comes from. Running time: how long the machine was running, by its own states.",
    )
    signal_id = fields.Many2one(
        "mrp.machine.signal",
        domain="[('machine_id', '=', machine_id), ('role', 'in', ('meter', 'good', 'reject', 'rework', 'total', 'cycle'))]",
        index="btree_not_null",
        ondelete="restrict",
        help="A signal with the role «Meter», whose value is what the meter shows; or one that counts, whose pieces are added up.",
    )
    reading_ids = fields.One2many(
        "mrp.machine.meter.reading", "meter_id", string="Readings", readonly=True, help="What it showed, and when."
    )
    value = fields.Float(
        compute="_compute_value", digits=(16, 3), help="How much the machine was used in all, up to now."
    )
    read_at = fields.Datetime(
        compute="_compute_value", help="Up to when the value is known: by the last reading, or the last state or count."
    )

    @api.constrains("source", "signal_id", "machine_id", "unit")
    def _check_source(self):
        for meter in self:
            _ = self.env._
            if meter.source == "signal" and not meter.signal_id:
                raise ValidationError(_("%s: choose the signal that shows how much the machine was used.", meter.name))
            if meter.signal_id and meter.signal_id.machine_id != meter.machine_id:
                raise ValidationError(_("%s: the signal belongs to another machine.", meter.name))
            if meter.source == "running" and meter.unit != "h":
                raise ValidationError(_("%s: running time is counted in hours.", meter.name))

    @api.depends("name", "unit")
    def _compute_display_name(self):
        for meter in self:
            meter.display_name = f"{meter.name} ({meter.unit})"

    @api.depends("reading_ids.total", "source", "signal_id")
    def _compute_value(self):
        now = clock.now()
        for meter in self:
            meter.value, until = meter._sum(microseconds(now))
            meter.read_at = instant(until).replace(tzinfo=None) if until else False

    def value_at(self, moment):
        """Return how much the machine was used in all up to a moment (naive UTC), in the meter's unit."""
        self.ensure_one()
        return self._sum(microseconds_of(moment))[0]

    def _sum(self, us):
        """Return how much the machine was used up to a moment, and up to when that is known.

        :param int us: in microseconds since 1970
        :return: the sum, and microseconds; 0 where nothing is known
        """
        last = self._last(us)
        total, since = last.total, last.at_us
        if self.source == "running":
            used, until = self._running(since, us)
            return total + used, max(until, since)
        if self.source == "signal" and self.signal_id.role != "meter":
            used, until = self._counted(since, us)
            return total + used, max(until, since)
        if self.source == "signal" and since:
            return self._shown_now(last, us)
        return total, since

    def _shown_now(self, last, us):
        """Return the sum by what the poller read since the last reading, and when; by the reading where it read nothing."""
        # sudo: hot rows are the poller's own
        hot = self.signal_id.sudo().value_id
        try:
            shows, at = float(hot.value), microseconds_of(hot.at)
        except (TypeError, ValueError):
            return last.total, last.at_us
        if hot.quality != "good" or not last.at_us < at <= us or shows < last.shows:
            return last.total, last.at_us
        return last.total + shows - last.shows, at

    def _last(self, us):
        """Return the last reading up to a moment, or an empty recordset."""
        self.ensure_one()
        # sudo: readings belong to the meter; whoever may read it may know its sum
        readings = self.env["mrp.machine.meter.reading"].sudo()
        return readings.search(
            [("meter_id", "=", self._origin.id), ("at_us", "<=", us)], order="at_us desc, id desc", limit=1
        )

    def _running(self, since, until):
        """Return how many hours the machine ran between two moments, and up to when its states are known."""
        self.env["mrp.machine.interval"].flush_model()
        # By SQL: the timeline is summed up where it lies, with what is still going on up to the moment.
        self.env.cr.execute(
            """SELECT coalesce(sum(least(coalesce(end_us, %(until)s), %(until)s) - greatest(start_us, %(since)s)), 0),
                      coalesce(max(least(coalesce(end_us, %(until)s), %(until)s)), 0)
                 FROM mrp_machine_interval
                WHERE machine_id = %(machine)s AND state = ANY(%(states)s) AND start_us < %(until)s
                  AND (end_us IS NULL OR end_us > %(since)s)""",
            {
                "machine": self.machine_id._origin.id,
                "states": list(PRODUCTIVE),
                "since": since,
                "until": until,
            },
        )
        used, known = self.env.cr.fetchone()
        return float(used) / _HOUR_US, int(known)

    def _counted(self, since, until):
        """Return how many pieces or cycles a signal counted between two moments, and when the last of them was."""
        is_cycle = self.signal_id.role == "cycle"
        # By SQL: the log is large, and the index on machine and time makes this one step.
        self.env.cr.execute(
            """SELECT coalesce(sum(coalesce((data->>%(key)s)::numeric, 1)), 0), coalesce(max(occurred_us), 0)
                 FROM mrp_machine_event
                WHERE machine_id = %(machine)s AND signal_id = %(signal)s AND type = %(type)s
                  AND disposition = 'accepted' AND occurred_us > %(since)s AND occurred_us <= %(until)s""",
            {
                "key": "qty" if is_cycle else "delta",
                "type": "production.cycle_completed" if is_cycle else "production.count",
                "machine": self.machine_id._origin.id,
                "signal": self.signal_id.id,
                "since": since,
                "until": until,
            },
        )
        used, known = self.env.cr.fetchone()
        return float(used), int(known)

    # Readings

    def _read(self, us, shows, kind="reading", event=None, shown_before=None):
        """Take in what the meter shows at a moment, and return the reading; one of that moment is known already.

        :param int us: in microseconds since 1970
        :param float shows: what it shows
        :param str kind: ``reading``; or ``replaced``: another meter, or the same set to another value, shows this from now on
        :param event: the mrp.machine.event that says so
        :param shown_before: of a replaced one: what the old meter showed in the end; None: as at its last reading
        """
        self.ensure_one()
        # sudo: readings are the meter's own
        readings = self.env["mrp.machine.meter.reading"].sudo()
        if known := readings.search([("meter_id", "=", self.id), ("at_us", "=", us)], limit=1):
            return known
        last = self._last(us)
        base = last.total if self._is_shown() else self._sum(us)[0]
        if kind == "replaced":
            total = base + (
                max(shown_before - last.shows, 0.0) if shown_before is not None and self._is_shown() else 0.0
            )
        elif not last:
            total = shows
        elif not self._is_shown():
            # Of what is summed up by itself a reading says how much it is in all.
            total = shows
        elif shows >= last.shows:
            total = base + shows - last.shows
        else:
            kind, total = "reset", base + self._since_reset(shows, us - last.at_us)
        return readings.create(
            {
                "meter_id": self.id,
                "at_us": us,
                "shows": shows,
                "total": total,
                "kind": kind,
                "event_id": event.id if event else False,
                "user_id": False if event else self.env.uid,
            }
        )

    def _keep_sum(self, until):
        """Keep the sum up to a moment, before what it was made of is deleted; once a day is enough.

        :param until: naive UTC
        """
        us = microseconds_of(until)
        for meter in self.filtered(lambda meter: not meter._is_shown()):
            if us - meter._last(us).at_us < _DAY_US:
                continue
            total, known_until = meter._sum(us)
            if known_until:
                # sudo: readings are the meter's own
                self.env["mrp.machine.meter.reading"].sudo().create(
                    {"meter_id": meter.id, "at_us": us, "shows": total, "total": total, "kind": "kept"}
                )

    def _is_shown(self):
        """Return whether the value is one that a meter shows, and not summed up from states or counts."""
        return self.source == "readings" or (self.source == "signal" and self.signal_id.role == "meter")

    def _since_reset(self, shows, elapsed_us):
        """Return how much was used since a meter that shows less than before was set to 0.

        Of hours no more than have passed: one that shows more was replaced, and a person says what is right.
        """
        if self.unit == "h" and shows * _HOUR_US > elapsed_us:
            return 0.0
        return max(shows, 0.0)

    def action_enter(self):
        """Ask what the meter shows, and whether it is another one by now."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Enter a Reading"),
            "res_model": "mrp.machine.meter.enter",
            "view_mode": "form",
            "target": "new",
            "context": {"default_meter_id": self.id},
        }

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_readings(self):
        if self.env["mrp.machine.meter.reading"].sudo().search_count([("meter_id", "in", self.ids)], limit=1):
            raise UserError(self.env._("This meter has readings. Archive it instead, so that its sum is kept."))

    # What events tell

    @api.model
    def _of_event(self, event):
        """Return the meters that show what an event of a reading or a summary tells."""
        data = event.data or {}
        name = data.get("signal") or event.signal_id.name
        meters = self.search([("machine_id", "=", event.machine_id.id), ("source", "in", ("signal", "readings"))])
        return meters.filtered(
            lambda meter: (
                (meter.source == "signal" and meter.signal_id.role == "meter" and meter.signal_id.name == name)
                or (meter.source == "readings" and name and meter.name == name)
            )
        )


class MachineMeterReading(models.Model):
    """What a meter showed at a moment, and the sum up to then."""

    _name = "mrp.machine.meter.reading"
    _description = "Reading of a Meter"
    _order = "at_us desc, id desc"
    _rec_name = "shows"
    _check_company_auto = True

    meter_id = fields.Many2one("mrp.machine.meter", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="meter_id.company_id", store=True, index=True)
    at = fields.Datetime(compute="_compute_at", store=True, help="When it showed this, by the machine's clock.")
    at_us = BigInteger("At (µs)", required=True, readonly=True)
    shows = fields.Float(readonly=True, digits=(16, 3), help="What the meter shows.")
    total = fields.Float(readonly=True, digits=(16, 3), aggregator="max", help="How much the machine was used in all.")
    kind = fields.Selection(
        [("reading", "Reading"), ("reset", "Set back to 0"), ("replaced", "Replaced"), ("kept", "Sum kept")],
        required=True,
        readonly=True,
        default="reading",
        help="Whether it went on from the reading before, began again at 0, or another meter took its place. Sum kept: what was "
        "summed up until then from states and counts that are deleted by now, because of their age.",
    )
    event_id = fields.Many2one(
        "mrp.machine.event", readonly=True, index="btree_not_null", ondelete="set null", help="Where it was told."
    )
    user_id = fields.Many2one("res.users", string="Entered By", readonly=True, ondelete="restrict")

    _at_unique = models.UniqueIndex("(meter_id, at_us)", "A meter shows one value at a moment.")

    @api.depends("at_us")
    def _compute_at(self):
        for reading in self:
            reading.at = instant(reading.at_us).replace(tzinfo=None) if reading.at_us else False


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    meter_ids = fields.One2many(
        "mrp.machine.meter",
        "machine_id",
        string="Meters",
        help="How much this machine was used: hours, cycles, energy.",
    )


class MachineRetention(models.AbstractModel):
    _inherit = "mrp.machine.retention"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _cron_trim(self):
        """Keep the sums of meters before the states and counts that they are made of are deleted."""
        self._keep_sums()
        return super()._cron_trim()

    @api.model
    def _keep_sums(self):
        now = fields.Datetime.now()
        meters = self.env["mrp.machine.meter"].with_context(active_test=False)
        for source, name in (("running", "interval"), ("signal", "event")):
            if days := self._days(name):
                meters.search([("source", "=", source)])._keep_sum(now - timedelta(days=days))
