"""Who worked at which machine from when to when, by a badge that was scanned or by the machine's own word."""

from odoo import api, fields, models

from ..machine_connect.state import same
from ..postings.outcome import Ignored


class MachineOperator(models.Model):
    """A person at a machine; one at a time. What is told late splices into what is known."""

    _name = "mrp.machine.operator"
    _inherit = "mrp.machine.span.mixin"
    _description = "Operator at a Machine"
    _order = "date_start desc, id desc"
    _check_company_auto = True

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    name = fields.Char(
        string="Operator", required=True, readonly=True, help="The person, or the badge where nobody said whose it is."
    )
    user_id = fields.Many2one("res.users", readonly=True, help="The user that this person is, if any.")
    date_start = fields.Datetime(string="From", required=True, readonly=True, help="When the person was logged on.")
    date_end = fields.Datetime(string="To", readonly=True, help="Empty: still logged on.")
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Told With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The scan, or the machine's word, by which this became known.",
    )

    _one_at_a_time = models.UniqueIndex(
        "(machine_id) WHERE date_end IS NULL", "Somebody else is logged on at this machine."
    )

    @api.model
    def _between(self, machine, first, last):
        """Return who was at a machine at any moment from first to last (naive UTC), the first one first."""
        return super()._between(machine, first, last)[::-1]

    @api.model
    def _change(self, machine, name, user, event):
        """Let another person work at a machine from an event on, up to who came after; nobody where the name is empty.

        :param str name: of the person
        :param user: the res.users that this is, or an empty recordset
        :return: the person that is logged on now at that moment, or the one that left
        :raise Ignored: it was so already
        """
        at, before = event.occurred, self._at(machine, event.occurred)
        if same(before.name or "") == same(name):
            words = self.env._("%s is logged on already.", name) if name else self.env._("Nobody was logged on.")
            raise Ignored("no_change", words)
        values = {"name": name, "user_id": user.id, "event_id": event.id}
        if before.date_start == at:
            if name:
                before.write(values)
            else:
                before.unlink()
            return before.exists()
        until = before.date_end if before else self._next_start(machine, at)
        if before:
            before.date_end = at
            # Before the next one is inserted: only one may be open.
            before.flush_recordset(["date_end"])
        if not name:
            return before
        return self.create({"machine_id": machine.id, "date_start": at, "date_end": until, **values})


class MachineCode(models.Model):
    _inherit = "mrp.machine.code"  # pylint: disable=consider-merging-classes-inherited; one question a file

    kind = fields.Selection(selection_add=[("operator", "Operator")], ondelete={"operator": "cascade"})
    user_id = fields.Many2one(
        "res.users",
        index="btree_not_null",
        help="The person whose badge or name at the machine this is. «Meaning» names a person who is no user.",
    )

    def _changed(self):
        result = super()._changed()
        badges = self.filtered(lambda code: code.kind == "operator" and not code.template_id)
        if badges:
            self.env["mrp.machine.event.posting"]._requeue_scans(badges.company_id, badges.mapped("code"))
        return result


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    operator_ids = fields.One2many(
        "mrp.machine.operator",
        "machine_id",
        string="Operators",
        help="Who was logged on at it from when to when, by scanned badges or by its own word.",
    )
    operator_name = fields.Char(
        string="Operator", compute="_compute_operator_name", help="Who is logged on at it just now."
    )

    @api.depends("operator_ids.date_end", "operator_ids.name")
    def _compute_operator_name(self):
        people = self.env["mrp.machine.operator"]
        if people.has_access("read"):  # whoever only looks at a machine, as maintenance does, is told nothing of people
            people = people.search([("machine_id", "in", self.ids), ("date_end", "=", False)])
        by_machine = people.grouped("machine_id")
        for machine in self:
            machine.operator_name = by_machine[machine].name if machine in by_machine else False

    def _person(self, word):
        """Return ``(name, user)`` of whoever is called so at this machine: by its codes, or by the badge of an employee.

        :return: the name empty where nobody is called so
        """
        self.ensure_one()
        code = self.env["mrp.machine.code"].sudo()._lookup(self, "operator", word)  # sudo: whoever scans may be told
        if code:
            return code.user_id.name or code.label or code.code, code.user_id
        if "hr.employee" in self.env:  # where employees have badges
            # sudo: a badge says who its owner is, and nothing else of the employee is looked at
            employees = self.env["hr.employee"].sudo()
            employee = employees.search(
                [("barcode", "=", word), ("company_id", "in", [False, self.company_id.id])], limit=1
            )
            if employee:
                return employee.name, employee.user_id
        return "", self.env["res.users"]
