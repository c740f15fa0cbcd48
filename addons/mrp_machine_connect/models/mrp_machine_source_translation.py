from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Command

from ..machine_connect.envelope import parse
from ..machine_connect.event import EVENT_TYPES
from ..machine_connect.translation import JSON, Entry, Rule, constant, translate, value_table

#: What the metrics of docs/recipes/telegraf.conf become: metric, type of event, and what its data is made of.
TELEGRAF = (
    ("machine_count", "production.count", (("kind", "constant", "good", ""), ("delta", "field", "good", ""))),
    ("machine_count", "production.count", (("kind", "constant", "reject", ""), ("delta", "field", "reject", ""))),
    (
        "machine_state",
        "machine.state_changed",
        (
            ("state", "field", "state", "0=stopped, 1=running, 2=fault, *=unknown"),
            ("previous", "constant", "null", ""),
            ("raw_value", "field", "state", ""),
        ),
    ),
    (
        "machine_meter",
        "meter.reading",
        (("value", "field", "value", ""), ("unit", "tag", "unit", ""), ("signal", "tag", "signal", "")),
    ),
    (
        "machine_summary",
        "process.summary",
        (
            ("n", "field", "value_count", ""),
            ("start", "time", "60", ""),
            ("end", "time", "0", ""),
            ("min", "field", "value_min", ""),
            ("max", "field", "value_max", ""),
            ("avg", "field", "value_mean", ""),
            ("unit", "tag", "unit", ""),
            ("signal", "tag", "signal", ""),
        ),
    ),
)
#: Seconds that a time may lie before the metric's own: a month.
SECONDS_BEFORE = 2_678_400


class MachineSourceTranslation(models.Model):
    """What the metrics of a sender that knows nothing of us become, Telegraf's first of all: a rule, and no code."""

    _name = "mrp.machine.source.translation"
    _description = "Translation of a Source"
    _order = "source_id, sequence, id"
    _rec_name = "metric"
    _check_company_auto = True

    source_id = fields.Many2one(
        "mrp.machine.source", required=True, index=True, ondelete="cascade", help="Whose metrics are translated."
    )
    company_id = fields.Many2one(related="source_id.company_id", store=True)
    sequence = fields.Integer(default=10, help="The order in which the events of one metric are answered.")
    active = fields.Boolean(default=True, help="Without a translation in use the source sends CloudEvents only.")
    metric = fields.Char(
        required=True, help="The metric's name in Telegraf, such as modbus or machine_count. Capitals matter."
    )
    tag = fields.Char("Only With Tag", help="Only metrics that have this tag, with the value beside it. Empty: all.")
    tag_value = fields.Char("Tag's Value", help="The value that this tag must have.")
    event_type = fields.Selection(
        [(name, name) for name in EVENT_TYPES],
        "Becomes",
        required=True,
        default="production.count",
        help="The type of event that each of these metrics becomes. The source must be allowed to deliver it.",
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        check_company=True,
        ondelete="cascade",
        help="All these metrics are of this machine. Empty: the machine's code is in a tag.",
    )
    machine_tag = fields.Char(
        "Machine's Tag", default="machine", help="The tag that holds the machine's code, where no machine is chosen."
    )
    signal = fields.Char(help="The name of the machine's signal that tells it. Empty: none.")
    unit = fields.Selection(
        [
            ("s", "Seconds (1s)"),
            ("ms", "Milliseconds (1ms)"),
            ("us", "Microseconds (1us)"),
            ("ns", "Nanoseconds (1ns)"),
        ],
        "Time In",
        required=True,
        default="s",
        help="The unit of the timestamp: Telegraf's json_timestamp_units, which is 1s when nobody sets it. With whole seconds "
        "two counts of one second are one: let Telegraf send 1us.",
    )
    stream = fields.Char(
        compute="_compute_stream",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        size=255,
        help="What these events are called as a flow, in the log and in the answer. Do not change it while the sender may "
        "send something again: it would count twice.",
    )
    line_ids = fields.One2many(
        "mrp.machine.source.translation.line",
        "translation_id",
        string="Data",
        copy=True,
        help="What the event says, and where it stands in the metric. A metric without one of these fields or tags is left "
        "to other translations.",
    )

    _machine_said = models.Constraint(
        "CHECK (machine_id IS NOT NULL OR COALESCE(machine_tag, '') != '')",
        "Machine: choose the machine that these metrics are of, or enter the tag that holds its code.",
    )
    _tag_value_said = models.Constraint(
        "CHECK (COALESCE(tag, '') = '' OR COALESCE(tag_value, '') != '')",
        "Only With Tag: enter the value that the tag must have as well.",
    )

    @api.depends("source_id")
    def _compute_stream(self):
        for translation in self:
            # Stays as it is when the source gets another name: it is part of each event's identity.
            translation.stream = translation.stream or f"telegraf/{translation.source_id.name or ''}"[:255]

    @api.constrains("source_id")
    def _check_source(self):
        for translation in self:
            if not translation.source_id.is_outside:
                raise ValidationError(
                    self.env._("%s lives in Odoo itself: nobody sends it metrics.", translation.source_id.name)
                )

    @api.constrains("event_type", "line_ids")
    def _check_lines(self):
        for translation in self:
            there = set(translation.line_ids.mapped("key"))
            lacking = [key for key in EVENT_TYPES[translation.event_type].required if key not in there]
            if lacking:
                raise ValidationError(
                    self.env._(
                        "Data of %(metric)s: an event of the type %(type)s says %(keys)s as well. Add a line for each.",
                        metric=translation.metric,
                        type=translation.event_type,
                        keys=", ".join(lacking),
                    )
                )

    def _rule(self):
        """Return this translation as a :class:`machine_connect.translation.Rule`."""
        self.ensure_one()
        return Rule(
            identity=str(self.id),
            metric=self.metric,
            type=self.event_type,
            stream=self.stream,
            entries=tuple(line._entry() for line in self.line_ids),
            tag=self.tag or "",
            tag_value=self.tag_value or "",
            machine=self.machine_id.code or "",
            machine_tag=self.machine_tag or "",
            signal=self.signal or "",
            unit=self.unit,
        )

    @api.model
    def _read_events(self, source, body, content_type, content_encoding):
        """Return what each event of a request says: CloudEvents, or what the source's translations make of other JSON.

        :return: as of :func:`machine_connect.envelope.parse`
        :raise RequestRefused: the request as a whole cannot be taken
        """
        is_foreign = (content_type or "").partition(";")[0].strip().lower() == JSON
        rules = (
            [translation._rule() for translation in self.search([("source_id", "=", source.id)])] if is_foreign else []
        )
        if rules:
            return translate(body, content_type, content_encoding, rules)
        return parse(body, content_type, content_encoding)

    @api.model
    def _add_telegraf(self, source):
        """Add what the recipe for Telegraf sends, as far as the source has no translation of such a metric."""
        known = set(self.with_context(active_test=False).search([("source_id", "=", source.id)]).mapped("metric"))
        return self.create(
            [
                {
                    "source_id": source.id,
                    "sequence": place,
                    "metric": metric,
                    "event_type": event_type,
                    "machine_tag": "machine",
                    "unit": "us",
                    "line_ids": [
                        Command.create({"key": key, "origin": origin, "said": said, "value_map": value_map})
                        for key, origin, said, value_map in lines
                    ],
                }
                for place, (metric, event_type, lines) in enumerate(TELEGRAF, 1)
                if metric not in known
            ]
        )


class MachineSourceTranslationLine(models.Model):
    """One value of an event's data, and where it stands in the metric."""

    _name = "mrp.machine.source.translation.line"
    _description = "Line of a Translation"
    _order = "translation_id, id"
    _rec_name = "key"

    translation_id = fields.Many2one(
        "mrp.machine.source.translation", required=True, index=True, ondelete="cascade", help="Whose event says it."
    )
    key = fields.Char(
        "Data",
        required=True,
        size=128,
        help="What the event calls it: kind, delta, state. The page of events names all.",
    )
    origin = fields.Selection(
        [("field", "Field"), ("tag", "Tag"), ("constant", "Always"), ("time", "Time, Seconds Before")],
        "Comes From",
        required=True,
        default="field",
        help="Field or Tag: of the metric. Always: the same value each time. Time: the metric's own, or so many seconds "
        "before it.",
    )
    said = fields.Char(
        "Which",
        required=True,
        size=255,
        help="Field or Tag: its name. Always: the value: 1, true, null or a text. Time: how many seconds before the metric's "
        "own time, 0 for the time itself.",
    )
    value_map = fields.Char(
        "Values",
        help="What a value becomes: 0=stopped, 1=running, *=unknown. * is every other one; without it, a value that is not "
        "named stays as it is.",
    )

    _key_unique = models.UniqueIndex("(translation_id, key)", "A translation says each value of the data once.")

    @api.constrains("origin", "said")
    def _check_said(self):
        for line in self:
            if line.origin == "time" and not (line.said.isdecimal() and int(line.said) <= SECONDS_BEFORE):
                raise ValidationError(
                    self.env._(
                        "%(key)s: «%(said)s» is no number of seconds. Enter a whole number from 0 to %(most)s.",
                        key=line.key,
                        said=line.said,
                        most=SECONDS_BEFORE,
                    )
                )

    @api.constrains("value_map")
    def _check_value_map(self):
        for line in self:
            try:
                value_table(line.value_map or "")
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "%(key)s: «%(part)s» is no line of a table of values, or says a value again. Write them as 0=stopped, "
                        "1=running, apart by commas.",
                        key=line.key,
                        part=str(error),
                    )
                ) from None

    def _entry(self):
        """Return this line as a :class:`machine_connect.translation.Entry`."""
        self.ensure_one()
        said = {"constant": constant, "time": int}.get(self.origin, str)(self.said)
        return Entry(self.key, self.origin, said, value_table(self.value_map or ""))
