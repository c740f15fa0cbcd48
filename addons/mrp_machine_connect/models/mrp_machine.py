from datetime import timezone
from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ..machine_connect import clock
from ..machine_connect.event import Event
from ..machine_connect.state import MachineState

#: The states of a machine, in words; the codes and their meaning are those of ``machine_connect.state``.
STATES = [
    ("running", "Running"),
    ("transient", "Changing"),
    ("idle", "Idle"),
    ("starved", "Starved"),
    ("blocked", "Blocked"),
    ("held", "Held"),
    ("stopped", "Stopped"),
    ("completed", "Completed"),
    ("fault", "Fault"),
    ("setup", "Setup"),
    ("maintenance", "Maintenance"),
    ("trial", "Trial"),
    ("off", "Off"),
    ("unknown", "Unknown"),
]
assert {code for code, _label in STATES} == {state.value for state in MachineState}
#: Odoo's colour numbers for the stripe of a card: green makes, red is broken, orange stands, blue and violet are meant.
STATE_COLORS = {
    "running": 10,
    "transient": 10,
    "idle": 3,
    "starved": 2,
    "blocked": 2,
    "held": 2,
    "stopped": 2,
    "completed": 4,
    "fault": 1,
    "setup": 8,
    "maintenance": 5,
    "trial": 7,
    "off": 0,
    "unknown": 0,
}


#: Settings that are amounts of time.
NUMBERS = (
    "micro_stop_limit",
    "short_stop_limit",
    "ideal_cycle",
    "late_window",
    "early_window",
    "silent_after",
    "exceptions_after",
)
#: The form counts events up to here.
EVENT_COUNT_LIMIT = 10_000


class Machine(models.Model):
    """One machine: a work unit in the sense of ISA-95, that speaks for itself."""

    _name = "mrp.machine"
    _description = "Machine"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True, help="What people on the floor call it.")
    code = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="Short and stable; it is part of the identity of every event, so choose it once. One per company.",
    )
    active = fields.Boolean(default=True, tracking=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company, index=True)
    workcenter_id = fields.Many2one(
        "mrp.workcenter",
        string="Work Center",
        check_company=True,
        index="btree_not_null",
        tracking=True,
        help="Where its orders are planned and its time is booked. Several machines may serve one work center.",
    )
    area = fields.Char(help="Area of the plant (ISA-95).")
    line = fields.Char(help="Production line (ISA-95 work center of the plant).")
    template_id = fields.Many2one(
        "mrp.machine.template",
        check_company=True,
        help="The machine type whose signals and codes were applied last.",
    )
    responsible_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        tracking=True,
        help="Who gets an activity and a mail when the machine, its connection or its poller falls silent.",
    )
    note = fields.Html(help="What the next person should know about this machine.")

    # What its events may do
    posting_mode = fields.Selection(
        [("observe", "Observe"), ("shadow", "Shadow"), ("propose", "Propose"), ("automatic", "Automatic")],
        default="automatic",
        required=True,
        tracking=True,
        help="Observe: events and states are kept, no order is touched. "
        "Shadow: no order is touched either, and it is kept which quantities, moves of stock, values and times would have "
        "been booked, so that they can be compared with what people book. "
        "Propose: events wait until a supervisor approves them. "
        "Automatic: events become quantity, time and requests at once.",
    )
    automatic_since = fields.Datetime(
        readonly=True, copy=False, help="Time before this was only observed, and is not booked on the work center."
    )
    pause_until = fields.Datetime(
        string="Posting Paused Until",
        copy=False,
        tracking=True,
        help="Until then events are kept and wait; afterwards they are posted at their own time.",
    )
    pause_reason = fields.Char(copy=False, tracking=True, help="Why posting is paused, for those who wonder.")
    is_paused = fields.Boolean(compute="_compute_is_paused")
    counting_role = fields.Selection(
        [("good", "Good counter"), ("cycle", "Completed cycles"), ("total", "Total counter")],
        string="Order Counts By",
        default="good",
        required=True,
        tracking=True,
        help="Which of its signals feeds the order. The others are compared with it and never added to it.",
    )
    micro_stop_limit = fields.Float(
        string="Micro Stop Below (s)",
        default=60.0,
        help="A stop shorter than this is a micro stop and counts as reduced speed (OPC 30060 LongestMicroStopDuration).",
    )
    short_stop_limit = fields.Float(
        string="Short Stop Below (s)", default=300.0, help="From here on a stop is a downtime of its own."
    )
    ideal_cycle = fields.Float(string="Ideal Cycle (s)", help="Seconds a piece takes when all is well; 0 when unknown.")
    late_window = fields.Float(
        string="Accept Late By (h)",
        default=168.0,
        help="Events older than this are held for a person, not lost. 0 switches the check off.",
    )
    early_window = fields.Float(
        string="Accept Early By (min)",
        default=10.0,
        help="Events further in the future than this are held: the machine's clock is wrong. 0 switches the check off.",
    )
    clock_zone = fields.Selection(
        "_selection_zone",
        string="Machine's Clock",
        help="Time zone of a machine clock that does not say its own. Empty: UTC.",
    )
    silent_after = fields.Float(
        string="Silent After (min)",
        default=5.0,
        help="So long without a good answer, and the responsible person is told. 0: never.",
    )
    mapping_version = fields.Integer(
        default=1, readonly=True, copy=False, help="Counts up with every change of a signal or a code."
    )

    # Hot rows, apart from configuration: the poller's and the poster's
    status_id = fields.Many2one("mrp.machine.status", readonly=True, copy=False, index=True, bypass_search_access=True)
    progress_id = fields.Many2one(
        "mrp.machine.progress", "Order Progress", readonly=True, copy=False, index=True, bypass_search_access=True
    )
    state = fields.Selection(related="status_id.state", string="State", help="What it does, by its last word.")
    state_since = fields.Datetime(
        related="status_id.state_since", string="Since", help="When it came into this state, by the machine's clock."
    )
    state_reason = fields.Char(related="status_id.reason", string="Reason")
    state_reason_words = fields.Char(
        "Why",
        compute="_compute_state_reason_words",
        help="The reason as people say it: the machine's own word, or ours.",
    )
    color = fields.Integer(compute="_compute_color", help="Colour number of the state.")
    health = fields.Selection(
        related="status_id.health",
        string="Connection",
        help="Whether it answers. Silent: for so long that the responsible person was told.",
    )
    last_seen = fields.Datetime(related="status_id.last_seen", string="Last Seen")
    last_event = fields.Datetime(related="status_id.last_event", string="Last Event")
    good = fields.Float(related="progress_id.good")
    target = fields.Float(related="progress_id.target")
    reject = fields.Float(related="progress_id.reject")
    production_id = fields.Many2one(
        related="progress_id.production_id", string="Order", help="The manufacturing order that it counts for just now."
    )
    workorder_id = fields.Many2one(
        related="progress_id.workorder_id", string="Work Order", help="The work order that it counts for just now."
    )
    progress = fields.Float(compute="_compute_progress", help="Good pieces in percent of the order's quantity.")

    connection_ids = fields.One2many(
        "mrp.machine.connection",
        "machine_id",
        string="Connections",
        copy=True,
        help="How it is reached: mostly one address, or several.",
    )
    signal_ids = fields.One2many(
        "mrp.machine.signal",
        "machine_id",
        string="Signals",
        copy=False,
        help="What is read of it, and what that means.",
    )
    code_ids = fields.One2many(
        "mrp.machine.code",
        "machine_id",
        string="Codes",
        copy=True,
        help="What it calls its states and alarms. They win over the codes of the company and over state tables.",
    )
    loading_ids = fields.One2many(
        "mrp.machine.loading",
        "machine_id",
        string="Loaded Orders",
        help="Which order was loaded on it from when to when: it decides which order an event belongs to.",
    )
    interval_ids = fields.One2many("mrp.machine.interval", "machine_id", string="Timeline")
    recent_interval_ids = fields.Many2many(
        "mrp.machine.interval",
        compute="_compute_recent_interval_ids",
        string="Latest States",
        help="The latest 40; all of them are one click away.",
    )
    ledger_ids = fields.One2many("mrp.machine.ledger", "machine_id", string="Counts")
    mapping_version_ids = fields.One2many(
        "mrp.machine.mapping.version",
        "machine_id",
        string="Mapping Versions",
        help="Who changed its signals and codes, and when. Each event names the version that it was made with.",
    )
    disarmed_words = fields.Char(
        "Disarmed",
        compute="_compute_disarmed_words",
        help="Why a connection of this machine is disarmed in this database. Empty: all are armed.",
    )
    archived_connection_count = fields.Integer(
        compute="_compute_archived_connection_count",
        help="Connections that are not polled, as those of a copy at first.",
    )
    event_count = fields.Integer(compute="_compute_event_count", help="Events in the log, counted up to 10,000.")
    exception_count = fields.Integer(compute="_compute_exception_count", help="Effects that wait, are held or failed.")
    order_count = fields.Integer(compute="_compute_order_count", help="Manufacturing orders that it counted on.")

    _code_unique = models.UniqueIndex("(company_id, code)", "A machine with this code exists already in this company.")
    _limits = models.Constraint(
        "CHECK (micro_stop_limit >= 0 AND short_stop_limit >= micro_stop_limit)",
        "The limit of a short stop must not be below the limit of a micro stop.",
    )

    @api.constrains(*NUMBERS)
    def _check_numbers(self):
        for machine in self:
            for name in NUMBERS:
                if not (isfinite(machine[name]) and machine[name] >= 0):
                    raise ValidationError(
                        self.env._(
                            "%(machine)s: «%(field)s» must be a number, 0 or more.",
                            machine=machine.name,
                            field=self._fields[name]._description_string(self.env),
                        )
                    )

    @api.model
    def _selection_zone(self):
        return [(zone, zone) for zone in sorted(self.env["res.partner"]._fields["tz"].get_values(self.env))]

    @api.depends("pause_until")
    def _compute_is_paused(self):
        now = fields.Datetime.now()
        for machine in self:
            machine.is_paused = bool(machine.pause_until and machine.pause_until > now)

    @api.depends("status_id.reason")
    @api.depends_context("lang")
    def _compute_state_reason_words(self):
        events = self.env["mrp.machine.event"]
        for machine in self:
            machine.state_reason_words = machine.state_reason and events._reason_words(machine.state_reason)

    @api.depends("status_id.state")
    def _compute_color(self):
        for machine in self:
            machine.color = STATE_COLORS.get(machine.status_id.state, 0)

    def _compute_recent_interval_ids(self):
        for machine in self:
            machine.recent_interval_ids = self.env["mrp.machine.interval"].search(
                [("machine_id", "=", machine._origin.id)], limit=40
            )

    @api.depends("progress_id.good", "progress_id.target")
    def _compute_progress(self):
        for machine in self:
            row = machine.progress_id
            machine.progress = 100.0 * row.good / row.target if row.target else 0.0

    @api.depends("connection_ids")
    @api.depends_context("uid")
    def _compute_disarmed_words(self):
        for machine in self:
            # sudo: whoever sees that a machine does not move may see why
            connections = machine.sudo().connection_ids
            machine.disarmed_words = next(filter(None, connections.mapped("disarmed_words")), False)

    def action_arm(self):
        """Ask why, and arm this database."""
        return self.connection_ids[:1].action_arm()

    @api.depends("connection_ids.active")
    def _compute_archived_connection_count(self):
        for machine in self:
            machine.archived_connection_count = len(machine._archived_connections())

    def _archived_connections(self):
        return self.env["mrp.machine.connection"].search([("machine_id", "in", self.ids), ("active", "=", False)])

    def _compute_event_count(self):
        # Bounded: the log of a year is millions of rows, and nobody needs to know on the form how many exactly.
        log = self.env["mrp.machine.event"]
        for machine in self:
            machine.event_count = log.search_count([("machine_id", "=", machine.id)], limit=EVENT_COUNT_LIMIT)

    def _compute_exception_count(self):
        counts = dict(
            self.env["mrp.machine.event.posting"]._read_group(
                [("machine_id", "in", self.ids), ("state", "in", ("waiting", "held", "failed"))],
                ["machine_id"],
                ["__count"],
            )
        )
        for machine in self:
            machine.exception_count = counts.get(machine, 0)

    def _compute_order_count(self):
        counts = dict(
            self.env["mrp.machine.ledger"]._read_group(
                [("machine_id", "in", self.ids)], ["machine_id"], ["production_id:count_distinct"]
            )
        )
        for machine in self:
            machine.order_count = counts.get(machine, 0)

    @api.model_create_multi
    def create(self, vals_list):
        machines = super().create(vals_list)
        # sudo: the hot rows belong to the machine; nobody has rights to create one by hand
        for machine in machines.sudo():
            machine.status_id = self.env["mrp.machine.status"].sudo().create({"machine_id": machine.id})
            machine.progress_id = self.env["mrp.machine.progress"].sudo().create({"machine_id": machine.id})
        return machines

    def copy_data(self, default=None):
        return [
            {**vals, "name": self.env._("%s (copy)", machine.name), "code": self._free_code(machine)}
            if "name" not in (default or {})
            else {"code": self._free_code(machine), **vals}
            for machine, vals in zip(self, super().copy_data(default), strict=True)
        ]

    def _free_code(self, machine):
        """Return a code like the given machine's that its company has not yet given away."""
        taken = set(
            self.with_context(active_test=False)
            .search([("company_id", "=", machine.company_id.id), ("code", "=like", f"{machine.code}%")])
            .mapped("code")
        )
        number = 2
        while f"{machine.code}-{number}" in taken:
            number += 1
        return f"{machine.code}-{number}"

    def copy(self, default=None):
        """Copy machines with connections, signals and codes; never with counter states, loads or events."""
        # Also what is archived, as the connections of a copy are.
        machines = self.with_context(active_test=False)
        copies = super(Machine, machines).copy(default)
        for machine, duplicate in zip(machines, copies, strict=True):
            connections = dict(zip(machine.connection_ids, duplicate.connection_ids, strict=True))
            for signal in machine.signal_ids.filtered(lambda signal, known=connections: signal.connection_id in known):
                signal.copy({"machine_id": duplicate.id, "connection_id": connections[signal.connection_id].id})
            # Two machines at one address would count every piece twice.
            duplicate.connection_ids.active = False
        return self.browse(copies.ids)

    @api.model
    def _supervisor_fields(self):
        """Return the settings of a machine that are a supervisor's; all others are a manager's."""
        return {"pause_until", "pause_reason", "activity_ids", "message_ids", "message_follower_ids"}

    def write(self, vals):
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_manager"):
            if refused := sorted(vals.keys() - self._supervisor_fields()):
                raise AccessError(self.env._("Only a manager of the machines may change this: %s.", ", ".join(refused)))
        if vals.get("posting_mode") and "automatic_since" not in vals:
            from_now_on = self.filtered(lambda machine: machine._begins_to_book(vals["posting_mode"]))
            super(Machine, from_now_on).write({"automatic_since": fields.Datetime.now()})
        if "code" in vals and any(machine.code != vals["code"] for machine in self):
            if self.env["mrp.machine.event"].sudo().search_count([("machine_id", "in", self.ids)], limit=1):
                raise UserError(
                    self.env._(
                        "The code is part of the identity of events that were received already, so it cannot change. "
                        "Change the name instead."
                    )
                )
        if "company_id" in vals and any(machine.company_id.id != vals["company_id"] for machine in self):
            self._check_company_free()
        moved = self.filtered(
            lambda machine: machine.workcenter_id.id != vals.get("workcenter_id", machine.workcenter_id.id)
        )
        result = super().write(vals)
        moved._move_time()
        if "active" in vals:
            # Its connections stay as they are: those of a copy, say, are archived, and its address is another machine's.
            if vals["active"]:
                self.connection_ids._check_settings()
            self.connection_ids._reschedule()
        if {"posting_mode", "pause_until"} & vals.keys():
            self._release_paused()
        return result

    def _check_company_free(self):
        """Refuse to take a machine to another company whose orders, events or time are one company's by now."""
        for model in ("mrp.machine.event", "mrp.machine.loading", "mrp.machine.interval"):
            # sudo: that something is there is told, not what
            if self.env[model].sudo().search_count([("machine_id", "in", self.ids)], limit=1):
                raise UserError(
                    self.env._(
                        "The company cannot change any more: events were received from this machine, or orders loaded on "
                        "it, and they belong to its company. Archive it, and add it anew in the other company."
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_events(self):
        if self.env["mrp.machine.event"].sudo().search_count([("machine_id", "in", self.ids)], limit=1):
            raise UserError(
                self.env._("This machine has events in the log, which is never rewritten. Archive the machine instead.")
            )

    def unlink(self):
        status, progress = self.status_id, self.progress_id
        result = super().unlink()
        # sudo: see create
        status.sudo().exists().unlink()
        progress.sudo().exists().unlink()
        return result

    def _feeds(self):
        """Return whether this machine reports pieces; one that only tells its state leaves them to people."""
        self.ensure_one()
        signals = self.sudo().signal_ids  # sudo: whoever works on an order may know whether a machine counts it
        return self._posts() and (not signals or any(signal.role == self.counting_role for signal in signals))

    def _release_paused(self):
        """Queue again what waited only for the end of a pause, of the machines that are not paused any more."""
        running = self.filtered(lambda machine: not machine.is_paused)
        running.env["mrp.machine.event.posting"].sudo().search(
            [("machine_id", "in", running.ids), ("state", "=", "waiting"), ("reason", "=", "paused")]
        )._requeue()

    def _stream(self, lane=""):
        """Return the CloudEvents source of this machine's events: ``urn:mmc:odoo:<code>[:<lane>]``."""
        self.ensure_one()
        return f"urn:mmc:odoo:{self.code}:{lane}" if lane else f"urn:mmc:odoo:{self.code}"

    def _people_stream(self):
        """Return the stream of what people enter on this machine.

        Its name has the machine's id, for a code is unique in a company only. Who has a stream without it keeps that.
        """
        former = self._stream("people")
        # sudo: a stream is nobody's to read but the poster's
        kept = (
            self.env["mrp.machine.stream"]
            .sudo()
            .search_count([("name", "=", former), ("machine_id", "=", self.id)], limit=1)
        )
        return former if kept else self._stream(f"people:{self.id}")

    def _bump_mapping(self):
        """Note that a signal or code of these machines changed: one new version per transaction, with who and when."""
        changed = self.env.cr.precommit.data.setdefault("mrp_machine_connect.mapping", set())
        if not changed:
            self.env.cr.precommit.add(self._write_mapping_versions)
        changed.update(self.ids)

    def _write_mapping_versions(self):
        ids = self.env.cr.precommit.data.pop("mrp_machine_connect.mapping", set())
        # sudo: whoever may change a signal may not write the version record by hand
        for machine in self.sudo().browse(sorted(ids)).exists():
            machine.env["mrp.machine.mapping.version"]._record(machine, self.env.user)
        self.env.flush_all()

    # What people do

    def _adjust(self, kind, delta, why, at=None, refers_to=None, order=None, scrap_tag=None):
        """Add pieces to what this machine counted, or take some away, through the log like any other event.

        :param str kind: ``good``, ``reject`` or ``rework``
        :param float delta: pieces, negative to take away
        :param str why: the person's reason
        :param at: when it was so, naive UTC; now when not given. It decides which order is meant
        :param str refers_to: the event that is corrected
        :param tuple order: the production and work order that are meant, whatever ran at that time
        :param scrap_tag: the stock.scrap.reason.tag for which pieces were rejected or are to be reworked
        :return: the event
        """
        self.ensure_one()
        now = clock.now()
        data = {"kind": kind, "delta": delta, "why": why, "who": self.env.user.login, "entered": now.isoformat()}
        if refers_to:
            data["refers_to"] = refers_to
        if scrap_tag:
            data["scrap_tag_id"] = scrap_tag.id
        if order:
            production, workorder = order
            data.update(production_id=production.id, workorder_id=workorder.id or None)
        occurred = at.replace(tzinfo=timezone.utc) if at else now
        event = Event(type="correction.adjust", occurred=occurred, recorded=now, data=data)
        # sudo: the log is written by no one directly; that this user may adjust was asked by access to the machine
        self.check_access("read")
        log = self.sudo().env["mrp.machine.event"]
        received = log._receive(
            self.sudo().env.ref("mrp_machine_connect.source_people"),
            [(self.sudo(), self._people_stream(), {}, self.mapping_version, [event])],
            user=self.env.user,
        )
        self.env["mrp.machine.poster"]._wake()
        return received

    # Buttons

    def _count_each(self, model, domain):
        """Return ``{machine: how many records of a model fit}`` of these machines; those without any are left out."""
        # sudo: whoever sees the machine may know how much waits there
        records = self.env[model].sudo()
        return dict(records._read_group([("machine_id", "in", self.ids), *domain], ["machine_id"], ["__count"]))

    def _action_records(self, action, domain, **context):
        self.ensure_one()
        result = self.env["ir.actions.act_window"]._for_xml_id(action)
        result.update(domain=domain, context={"default_machine_id": self.id, **context})
        return result

    def action_events(self):
        """Open the events of this machine."""
        return self._action_records("mrp_machine_connect.mrp_machine_event_action", [("machine_id", "=", self.id)])

    def action_exceptions(self):
        """Open what waits for a person on this machine."""
        return self._action_records(
            "mrp_machine_connect.mrp_machine_exception_action",
            [("machine_id", "=", self.id), ("state", "in", ("waiting", "held", "failed"))],
        )

    def action_orders(self):
        """Open the manufacturing orders that this machine counted on."""
        orders = self.ledger_ids.production_id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Orders of %s", self.display_name),
            "res_model": "mrp.production",
            "view_mode": "list,form",
            "domain": [("id", "in", orders.ids)],
        }

    def action_timeline(self):
        """Open the state timeline of this machine."""
        return self._action_records("mrp_machine_connect.mrp_machine_interval_action", [("machine_id", "=", self.id)])

    def action_apply_template(self):
        """Add the signals and codes of the chosen template to this machine; what is there already stays as it is."""
        for machine in self:
            template = machine.template_id
            if not template:
                raise UserError(self.env._("Choose a template on the machine first."))
            connections = machine.connection_ids.filtered(lambda c, template=template: c.protocol == template.protocol)
            if not connections:
                raise UserError(
                    self.env._(
                        "The template «%s» needs a connection of its protocol. Add one under «Connection» first.",
                        template.name,
                    )
                )
            template._apply(machine, connections[0])

    def action_archived_connections(self):
        """Open the connections of this machine that are archived, where they can be corrected and taken back."""
        action = self._action_records(
            "mrp_machine_connect.mrp_machine_connection_action",
            [("machine_id", "=", self.id), ("active", "=", False)],
        )
        connections = self._archived_connections()
        if len(connections) == 1:
            action.update(res_id=connections.id, views=[(False, "form")])
        return action

    def action_load_order(self):
        """Ask which order runs on this machine from now on."""
        return self._action_wizard("mrp.machine.load.order", self.env._("Load Order"))

    def action_adjust(self):
        """Ask for pieces to add or take away, and why."""
        return self._action_wizard("mrp.machine.adjust", self.env._("Add or Correct Pieces"))

    def action_pause(self):
        """Ask until when posting is to pause, and why."""
        return self._action_wizard("mrp.machine.pause", self.env._("Pause Posting"))

    def action_resume(self):
        """End a pause now."""
        self._pause(False, False)

    def _pause(self, until, reason):
        """Let posting pause until a moment (naive UTC), or go on (False)."""
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_supervisor"):
            raise UserError(self.env._("Only a supervisor of the machines may pause posting or let it go on."))
        self.check_access("read")
        # sudo: of a machine's settings this is the only one that is a supervisor's
        self.sudo().write({"pause_until": until, "pause_reason": reason})

    def action_connect(self):
        """Open the three-step wizard for a new machine."""
        return self._action_wizard("mrp.machine.connect.wizard", self.env._("Connect a Machine"))

    def action_import_signals(self):
        """Ask for a CSV or XLSX file of signals."""
        return self._action_wizard("mrp.machine.signal.import", self.env._("Import Signals"))

    def action_try(self):
        """Open the box that shows what a value would become, without any hardware."""
        return self._action_wizard("mrp.machine.try", self.env._("Try It"))

    def _action_wizard(self, model, name):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "form",
            "target": "new",
            "context": {"default_machine_id": self.id} if len(self) == 1 else {},
        }
