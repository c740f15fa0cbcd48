from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..models.mrp_machine_signal_mixin import COUNTERS, ROLES

#: Entries shown of one folder; a server may have tens of thousands.
LIMIT = 500


class MachineBrowse(models.TransientModel):
    """One folder of an OPC UA server's address space: click into folders, pick variables, make signals of them."""

    _name = "mrp.machine.browse"
    _description = "Browse a Machine"

    connection_id = fields.Many2one("mrp.machine.connection", required=True, readonly=True)
    machine_id = fields.Many2one(related="connection_id.machine_id")
    trail = fields.Json(default=list, readonly=True, help="The folders on the way here: address and label of each.")
    path = fields.Char(compute="_compute_path")
    line_ids = fields.One2many("mrp.machine.browse.line", "browse_id")
    fastest_cycle = fields.Float(
        string="Fastest Cycle (s)",
        help="For counters: seconds that a piece takes at the very least. A counter that runs faster is held for a person.",
    )
    needs_cycle = fields.Boolean(compute="_compute_needs_cycle")
    created = fields.Char(readonly=True)
    is_cut = fields.Boolean(readonly=True)

    @api.depends("trail")
    def _compute_path(self):
        for browse in self:
            browse.path = " › ".join([self.env._("Server"), *(label for _address, label in browse.trail or [])])

    @api.depends("line_ids.role")
    def _compute_needs_cycle(self):
        for browse in self:
            browse.needs_cycle = any(line.role in COUNTERS for line in browse.line_ids)

    def _load(self, parent):
        """Show one level of the address space.

        :param str parent: address of the folder; empty for the root
        """
        self.ensure_one()
        items = self.connection_id._ask(lambda driver: driver.browse(parent, LIMIT))
        known = {signal.address: signal.name for signal in self.machine_id.with_context(active_test=False).signal_ids}
        self.is_cut = len(items) >= LIMIT
        self.line_ids = [
            fields.Command.clear(),
            *(
                fields.Command.create(
                    {
                        "address": item.address,
                        "label": item.label,
                        "kind": item.kind,
                        "data_type": item.data_type,
                        "value": "" if item.value is None else str(item.value)[:200],
                        "has_children": item.has_children or item.kind == "folder",
                        "known_as": known.get(item.address),
                        "name": item.label if item.kind == "variable" else False,
                    }
                )
                for item in items
            ),
        ]

    def _reopen(self):
        """Return the action that shows this record, in its dialog."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Browse %s", self.machine_id.display_name),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }

    def action_back(self):
        """Go one folder up."""
        self.ensure_one()
        trail = list(self.trail or [])[:-1]
        self._load(trail[-1][0] if trail else "")
        self.trail = trail
        return self._reopen()

    def action_refresh(self):
        """Read this folder and its values again."""
        self.ensure_one()
        self._load(self.trail[-1][0] if self.trail else "")
        return self._reopen()

    def action_create(self):
        """Make signals of the variables that were given a role; those that cannot be stay, with what to do."""
        self.ensure_one()
        chosen = self.line_ids.filtered(lambda line: line.role and not line.known_as)
        if not chosen:
            raise UserError(self.env._("Give at least one variable a role first."))
        names = []
        for line in chosen:
            signal = line._create_signal()
            if signal:
                names.append(signal.name)
        self.created = self.env._("Made: %s", ", ".join(names)) if names else False
        return self._reopen()


class MachineBrowseLine(models.TransientModel):
    """One folder or variable of a server."""

    _name = "mrp.machine.browse.line"
    _description = "Entry of an Address Space"
    _order = "id"

    browse_id = fields.Many2one("mrp.machine.browse", required=True, ondelete="cascade")
    address = fields.Char(readonly=True)
    label = fields.Char(string="Shown As", readonly=True)
    kind = fields.Selection([("folder", "Folder"), ("variable", "Variable")], readonly=True)
    data_type = fields.Char(readonly=True)
    value = fields.Char(readonly=True, help="The value at the moment of looking.")
    has_children = fields.Boolean(readonly=True)
    known_as = fields.Char(string="Is Signal", readonly=True, help="This machine has this address as a signal already.")
    name = fields.Char(string="Signal Name", help="How the signal is to be called.")
    role = fields.Selection(ROLES, help="Choose a role, and a signal is made of this variable.")
    error = fields.Text(string="What to Do", readonly=True)

    def action_open(self):
        """Go into this folder."""
        self.ensure_one()
        browse = self.browse_id
        # The line goes with the level that is left, so what it says is taken along first.
        trail = [*(browse.trail or []), [self.address, self.label]]
        browse._load(self.address)
        browse.write({"trail": trail, "created": False})
        return browse._reopen()

    def _create_signal(self):
        """Return the signal made of this line, or an empty recordset and the reason on the line."""
        self.ensure_one()
        machine = self.browse_id.machine_id
        signals = self.env["mrp.machine.signal"]
        values = {
            "machine_id": machine.id,
            "connection_id": self.browse_id.connection_id.id,
            "name": (self.name or self.label or "").strip(),
            "role": self.role,
            "address": self.address,
        }
        if self.role in (*COUNTERS, "cycle"):
            values["fastest_cycle"] = self.browse_id.fastest_cycle
        if values["name"] in machine.with_context(active_test=False).signal_ids.mapped("name"):
            self.error = self.env._("This machine has a signal of that name already. Choose another name.")
            return signals
        try:
            with self.env.cr.savepoint():
                signals = signals.create(values)
                signals.flush_recordset()
        except (UserError, ValidationError) as refused:
            self.error = str(refused)
            return self.env["mrp.machine.signal"]
        self.write({"known_as": signals.name, "error": False, "role": False})
        return signals
