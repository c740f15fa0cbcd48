"""What would a machine that runs beside people have booked? Which moves, values and times would it be?"""

import json

from odoo import api, fields, models
from odoo.tools import SQL

#: What is kept of an order beside its ledger: of which lot its pieces were, why they were rejects, what was said that it
#: used, and what of that a person is to decide.
KEPT = ("mrp.machine.lot", "mrp.machine.reject", "mrp.machine.consumption", "mrp.machine.variance")
#: In a context: the Shadow that is being cast. All that is written with it is undone.
SHADOW = "machine_shadow"
#: What a count in shadow says beside its words: the order, the work order or 0, and what it would have been booked as.
COUNTED = "shadow/%s/%s/%s"


class Undone(Exception):
    """Leaves a savepoint without anything of what was done in it."""


class MachineShadow(models.Model):
    """One line of what a machine in shadow would have booked: a move of stock, a time, a quantity, or a refusal."""

    _name = "mrp.machine.shadow"
    _description = "Shadow of a Machine"
    _order = "id desc"
    _rec_name = "summary"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    kind = fields.Selection(
        [
            ("quantity", "Quantity on the order"),
            ("move", "Move of stock"),
            ("scrap", "Scrap"),
            ("time", "Time"),
            ("document", "Document"),
            ("refused", "Not possible"),
        ],
        required=True,
        readonly=True,
        help="What would have been booked. Not possible: an effect that follows by a rule, such as goods into stock, which "
        "Odoo would not have let pass; its summary says why.",
    )
    handler = fields.Char(readonly=True, help="What would have turned the events into this effect.")
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True, index="btree_not_null")
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    lot_name = fields.Char(string="Lot", readonly=True, help="Lot or serial number; it need not exist by now.")
    quantity = fields.Float(
        readonly=True,
        digits=(16, 3),
        help="Of a move: in the unit beside it. Of a quantity on the order: pieces in the machine's unit.",
    )
    uom_id = fields.Many2one("uom.uom", string="Unit", readonly=True)
    location_id = fields.Many2one("stock.location", string="From", readonly=True)
    location_dest_id = fields.Many2one("stock.location", string="To", readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    value = fields.Monetary(readonly=True, help="What the move would have been worth; 0 without accounting.")
    date = fields.Datetime(readonly=True, help="Of a move: its date. Of time: when it began.")
    date_end = fields.Datetime(string="To (Time)", readonly=True, help="When the time ended.")
    duration = fields.Float(string="Minutes", readonly=True, help="Minutes on the work center.")
    workcenter_id = fields.Many2one("mrp.workcenter", readonly=True)
    loss_id = fields.Many2one("mrp.workcenter.productivity.loss", readonly=True)
    interval_id = fields.Many2one(
        "mrp.machine.interval",
        string="State",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
        help="The state of the machine whose time it is.",
    )
    event_id = fields.Many2one(
        "mrp.machine.event",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The last event that led to it.",
    )
    summary = fields.Char(readonly=True, help="What would have been done, in a sentence.")
    explanation = fields.Char(readonly=True, help="Why this document and no other.")
    is_booked = fields.Boolean(
        string="In Stock",
        compute="_compute_is_booked",
        help="The order has the same move by now: product, lot, quantity, from, to and date. Whoever booked it.",
    )

    @api.depends("kind", "production_id.move_raw_ids.state", "production_id.move_finished_ids.state")
    def _compute_is_booked(self):
        self.is_booked = False
        moves = self.filtered(lambda row: row.kind in ("move", "scrap"))
        for production, rows in moves.grouped("production_id").items():
            theirs = production.move_raw_ids | production.move_finished_ids | production.scrap_ids.move_ids
            booked = [line["key"] for line in theirs._shadow_lines()]
            for row in rows.sorted("id"):
                key = row._line_key()
                if key in booked:
                    booked.remove(key)
                    row.is_booked = True

    def _line_key(self):
        """Return what makes two moves the same line: ``(product, lot, quantity, from, to, date, scrap)``."""
        return (
            self.product_id.id,
            self.lot_name or "",
            round(self.quantity, 6),
            self.location_id.id,
            self.location_dest_id.id,
            self.date,
            self.kind == "scrap",
        )

    def action_document(self):
        """Open the order that it is about."""
        self.ensure_one()
        if not self.production_id:
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.production",
            "res_id": self.production_id.id,
            "view_mode": "form",
        }


class MachineShadowMemory(models.Model):
    """What the shadow of an order has come to: its counts, and what of it is in stock there.

    What was done in a shadow is undone, and the next event goes on from where the last one came to.
    """

    _name = "mrp.machine.shadow.memory"
    _description = "Shadow of an Order"
    _rec_name = "production_id"

    production_id = fields.Many2one("mrp.production", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="production_id.company_id", store=True, index=True)
    machine_ids = fields.Many2many("mrp.machine", "mrp_machine_shadow_memory_machine_rel", readonly=True)
    ledgers = fields.Json(readonly=True, help="The rows of the ledger that were undone.")
    rows = fields.Json(
        readonly=True,
        help="Further rows that were undone, by table: its lots, the reasons of rejects, and what was said that it used.",
    )
    finished = fields.Json(readonly=True, help="Work orders that ended in the shadow, and when.")
    began_at = fields.Datetime(readonly=True, help="When the order began in the shadow.")
    in_stock = fields.Float(
        readonly=True, digits=(16, 6), help="What entered stock in the shadow, in the order's unit."
    )
    entered_at = fields.Datetime(readonly=True, help="When something entered stock in the shadow last.")
    closed_at = fields.Datetime(readonly=True, help="When the order was closed in the shadow.")
    began_after = fields.Integer(
        readonly=True, help="Lines of shadows up to this id belong to an earlier time in shadow."
    )

    _production_unique = models.UniqueIndex("(production_id)")

    @api.model
    def _of(self, machine, moments, order_ids=()):
        """Return the memories that events of a machine may go on from.

        Those of orders that are open, and of those that ran when the events occurred: what comes late goes on there.

        :param tuple moments: when the first and the last of the events occurred, naive UTC
        :param order_ids: ids of orders that events name
        """
        ran = self.env["mrp.machine.loading"]._between(machine, *moments).production_id.ids if moments else []
        return self.search(
            [
                ("machine_ids", "in", machine.id),
                "|",
                ("production_id.state", "not in", ("done", "cancel")),
                ("production_id", "in", [*ran, *order_ids]),
            ]
        )

    @api.model
    def _ledger_fields(self):
        """Return the names of what a ledger's row says, without where it belongs and who wrote it."""
        fixed = {"id", "machine_id", "production_id", "workorder_id", "company_id", *models.MAGIC_COLUMNS}
        fields_of = self.env["mrp.machine.ledger"]._fields.items()
        return [name for name, field in fields_of if field.store and field.column_type and name not in fixed]

    def _write_ledgers(self, env):
        """Write the rows of the ledger again, in the savepoint of a shadow."""
        ledgers = env["mrp.machine.ledger"].sudo()  # sudo: the ledger is the poster's own
        for memory in self:
            there = ledgers.search([("production_id", "=", memory.production_id.id)])
            for values in memory.ledgers or []:
                keys = (values["machine_id"], values["workorder_id"] or False)
                row = there.filtered(lambda row, keys=keys: (row.machine_id.id, row.workorder_id.id) == keys)
                if row:
                    row.write({name: values[name] for name in self._ledger_fields() if name in values})
                else:
                    ledgers.create({"production_id": memory.production_id.id, **values})

    @api.model
    def _read_ledgers(self, production):
        """Return what the ledger says of an order as plain values."""
        names, rows = self._ledger_fields(), []
        # sudo: see _write_ledgers
        for row in (
            production.env["mrp.machine.ledger"].sudo().search([("production_id", "=", production.id)], order="id")
        ):
            values = {name: row[name].id if row._fields[name].relational else row[name] for name in names}
            rows.append({"machine_id": row.machine_id.id, "workorder_id": row.workorder_id.id, **values})
        return rows

    def _write_rows(self, env):
        """Write what is kept beside the ledger again, in the savepoint of a shadow."""
        tables = [table for memory in self for table in (memory.rows or {}).items()]
        if not tables:
            return
        env.flush_all()
        for table, rows in tables:
            columns = SQL(", ").join(
                SQL("%s = EXCLUDED.%s", SQL.identifier(name), SQL.identifier(name)) for name in rows[0] if name != "id"
            )
            # By SQL: the rows have their own ids, by which they name each other.
            env.cr.execute(
                SQL(
                    """INSERT INTO %(table)s SELECT * FROM jsonb_populate_recordset(NULL::%(table)s, %(rows)s::jsonb)
                           ON CONFLICT (id) DO UPDATE SET %(columns)s""",
                    table=SQL.identifier(table),
                    rows=json.dumps(rows),
                    columns=columns,
                )
            )
        env.invalidate_all()

    @api.model
    def _read_rows(self, production):
        """Return what is kept of an order beside its ledger, as :attr:`rows` has it."""
        env, found = production.env, {}
        # By SQL: see _write_rows
        each = (
            SQL(
                "SELECT %s, id, to_jsonb(kept) FROM %s AS kept WHERE production_id = %s",
                env[model]._table,
                SQL.identifier(env[model]._table),
                production.id,
            )
            for model in KEPT
        )
        env.cr.execute(SQL("%s ORDER BY 2", SQL(" UNION ALL ").join(each)))
        for table, _id, row in env.cr.fetchall():
            found.setdefault(table, []).append(row)
        lots = {row["lot_id"] for row in found.get("mrp_machine_lot", ()) if row["lot_id"]}
        if lots:
            env.cr.execute("SELECT to_jsonb(lot) FROM stock_lot AS lot WHERE id = ANY(%s) ORDER BY id", [sorted(lots)])
            found = {"stock_lot": [row for (row,) in env.cr.fetchall()], **found}
        return found
