from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..machine_connect.state import same
from .mrp_machine import STATES

#: Where a transaction keeps which codes machines have.
LOOKED_UP = "mrp_machine_connect.codes"


class MachineCode(models.Model):
    """What the machine calls it, and what we call it: the cross-reference of a machine, a machine type or a plant."""

    _name = "mrp.machine.code"
    _description = "Machine Code"
    _order = "kind, code, id"
    _rec_name = "code"
    _check_company_auto = True

    kind = fields.Selection(
        [("state", "State"), ("alarm", "Alarm")],
        required=True,
        default="state",
        help="What the code stands for.",
    )
    code = fields.Char(required=True, help="Exactly as the machine says it: 9, JAM, PROGRAM_COMPLETED.")
    machine_id = fields.Many2one(
        "mrp.machine",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        help="The only machine that means this by it. It wins over the same code of the company.",
    )
    template_id = fields.Many2one(
        "mrp.machine.template",
        index="btree_not_null",
        ondelete="cascade",
        help="The machine type whose machines get a copy of this code when it is applied.",
    )
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        readonly=False,
        index=True,
        help="A code with neither machine nor template is good for the whole company.",
    )
    state = fields.Selection(STATES, help="Our state for it.")
    loss_id = fields.Many2one(
        "mrp.workcenter.productivity.loss",
        string="Loss Reason",
        help="Where time in this state is booked; empty: the usual loss of the state.",
    )
    label = fields.Char(string="Meaning", translate=True, help="The reason or the alarm in words, shown to people.")
    severity = fields.Integer(
        default=500, help="Alarms, 1 to 1000: low to 333, medium to 666, high to 900, critical above (OPC UA Part 9)."
    )

    _target = models.Constraint(
        "CHECK (machine_id IS NULL OR template_id IS NULL)",
        "A code belongs to a machine or to a template, not to both.",
    )
    _code_unique = models.UniqueIndex(
        "(kind, code, COALESCE(machine_id, 0), COALESCE(template_id, 0), COALESCE(company_id, 0))",
        "This code is mapped already.",
    )
    _severity_range = models.Constraint("CHECK (severity BETWEEN 1 AND 1000)", "A severity lies between 1 and 1000.")

    @api.depends("machine_id.company_id", "template_id.company_id")
    def _compute_company_id(self):
        for code in self:
            owner = code.machine_id or code.template_id
            code.company_id = owner.company_id if owner else (code.company_id or self.env.company)

    @api.constrains("kind", "state")
    def _check_state(self):
        for code in self:
            if code.kind == "state" and not code.state:
                raise ValidationError(self.env._("Code %s: choose the state it stands for.", code.code))

    @api.model_create_multi
    def create(self, vals_list):
        codes = super().create(vals_list)
        self.env.cr.cache.pop(LOOKED_UP, None)
        codes._changed()
        return codes

    def write(self, vals):
        self._machines()._bump_mapping()
        result = super().write(vals)
        self.env.cr.cache.pop(LOOKED_UP, None)
        self._changed()
        return result

    def unlink(self):
        machines = self._machines()
        result = super().unlink()
        self.env.cr.cache.pop(LOOKED_UP, None)
        machines.exists()._bump_mapping()
        return result

    def _machines(self):
        """Return the machines that these codes speak of."""
        machines = self.machine_id
        general = self.filtered(lambda code: not code.machine_id and not code.template_id)
        if general:
            machines |= (
                self.env["mrp.machine"]
                .with_context(active_test=False)
                .search([("company_id", "in", general.company_id.ids)])
            )
        return machines

    def _changed(self):
        """Give the machines a new mapping version, and queue again the events that waited for exactly these codes."""
        machines = self._machines()
        machines._bump_mapping()
        waiting = self.env["mrp.machine.event.posting"]
        for code in self:
            waiting._requeue_unknown(code.kind, code._machines(), lambda word, code=code: same(word) == same(code.code))

    @api.model
    def _of_machine(self, machine, kind):
        """Return the codes of a kind that are good for a machine: its company's first, its own last."""
        return self.search(
            [
                ("kind", "=", kind),
                "|",
                ("machine_id", "=", machine.id),
                "&",
                "&",
                ("machine_id", "=", False),
                ("template_id", "=", False),
                ("company_id", "=", machine.company_id.id),
            ]
        ).sorted(lambda code: bool(code.machine_id))

    @api.model
    def _lookup(self, machine, kind, raw):
        """Return the code record for what a machine said: its own first, then its company's; or an empty recordset.

        A word is the same word here as it is for the pure core: 6, 6.0 and "6", in any case.
        """
        # Asked several times for each event: kept as long as the transaction, or its savepoint, and no code changes in it.
        memory = self.env.cr.cache.setdefault(LOOKED_UP, {})
        key = machine.id, kind, self.env.uid, self.env.su
        if key not in memory:
            memory[key] = {same(code.code): code.id for code in self._of_machine(machine, kind)}
        return self.browse(memory[key].get(same(raw)))

    @api.model
    def _for_signal(self, signal):
        """Return the codes that concern a signal, for the pure core: ``{raw: {"state": …} or {"text": …, …}}``."""
        kind = {"state": "state", "alarm": "alarm"}.get(signal.role)
        if not kind:
            return {}
        codes = self._of_machine(signal.machine_id, kind)
        if kind == "state":
            return {code.code: {"state": code.state, "reason": code.label or ""} for code in codes}
        return {code.code: {"code": code.code, "text": code.label or "", "severity": code.severity} for code in codes}

    def _snapshot(self):
        self.ensure_one()
        return {
            "kind": self.kind,
            "code": self.code,
            "state": self.state or "",
            "loss": self.loss_id.id or 0,
            "label": self.label or "",
            "severity": self.severity,
        }
