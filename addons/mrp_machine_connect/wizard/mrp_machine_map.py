"""What does this word of the machine mean? Said once, for all events that wait for it."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import clean_context

from ..machine_connect.state import same
from ..models.mrp_machine import STATES


class MachineMap(models.TransientModel):
    """Give a machine's word for its state a meaning, and let what waited for it go on."""

    _name = "mrp.machine.map"
    _description = "Map a Code of a Machine"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True)
    kind = fields.Char(required=True, readonly=True)
    code = fields.Char(required=True, readonly=True, help="Exactly as the machine says it.")
    state = fields.Selection(STATES, string="Means", help="Our state for it.")
    label = fields.Char(
        "Meaning in Words", help="The reason as people say it; it shows on the machine and its timeline."
    )
    for_company = fields.Boolean(
        "For All Machines", help="All machines of the company mean this by it, but those that have a code of their own."
    )
    events = fields.Integer(compute="_compute_events", help="So many events wait for it.")
    shown_words = fields.Text("What Would Happen", readonly=True, help="Nothing is booked by looking.")

    @api.depends("machine_id", "code", "for_company")
    def _compute_events(self):
        for wizard in self:
            wizard.events = sum(wizard._lines().mapped("events"))

    def _lines(self):
        """Return the lines of the desk whose events wait for this word, however it is spelled: 6, 6.0 and "6" are one."""
        machines = [("machine_id", "=", self.machine_id.id)]
        if self.for_company:
            machines = [("company_id", "=", self.machine_id.company_id.id)]
        lines = self.env["mrp.machine.exception"].search(
            [*machines, ("reason", "=", "unknown_code"), ("cause", "=like", f"{self.kind}:%")]
        )
        return lines.filtered(lambda line: same(line.cause.partition(":")[2]) == same(self.code))

    def _prepare_code(self):
        if not self.state:
            raise UserError(self.env._("Choose what «%s» means.", self.code))
        owner = (
            {"company_id": self.machine_id.company_id.id} if self.for_company else {"machine_id": self.machine_id.id}
        )
        return {"kind": self.kind, "code": self.code, "state": self.state, "label": self.label or False, **owner}

    def _create_code(self, env, values):
        """Create the code, and leave what waits for it to whoever asked for that."""
        # Without the defaults of this wizard, which are fields of a code as well.
        context = {**clean_context(env.context), "exceptions_in_passes": True}
        codes = env["mrp.machine.code"]
        return codes.with_context(context).create(values)  # pylint: disable=context-overridden; keywords would only add

    def action_show(self):
        """Show what would happen to the first of them: the poster itself does it, and all of it is undone."""
        self.ensure_one()
        rows = self.env["mrp.machine.event.posting"]
        rows._check_supervisor()
        values = self._prepare_code()
        rows = self._lines()._first_rows()
        if not rows:
            raise UserError(self.env._("Nothing waits for it any more."))
        replay = self.env["mrp.machine.replay"].create({"event_posting_ids": rows.ids})
        changes, endings = replay._try(rows.ids, lambda env: self._create_code(env, values))
        lines = [self._change_words(change, replay) for change in changes]
        if self.events > len(rows):
            lines.insert(0, self.env._("Of the first %s events:", len(rows)))
        self.shown_words = "\n".join([*lines, endings])
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Map the Code"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _change_words(self, change, replay):
        measures = dict(replay.line_ids._fields["measure"]._description_selection(self.env))
        return self.env._(
            "%(name)s: %(measure)s %(before)s → %(after)s",
            name=change["name"],
            measure=measures[change["measure"]],
            before=f"{change['before']:g}",
            after=f"{change['after']:g}",
        )

    def action_map(self):
        """Map it; what waited for it is posted in passes."""
        self.ensure_one()
        values = self._prepare_code()
        keys = [line._key() for line in self._lines()]
        label = dict(self._fields["state"]._description_selection(self.env))[self.state]
        name = self.env._(
            "%(machine)s: «%(code)s» means %(state)s", machine=self.machine_id.name, code=self.code, state=label
        )
        self._create_code(self.env, values)
        remedies = self.env["mrp.machine.remedy"]._start(keys, "retry", self.label, name)
        return remedies._started()
