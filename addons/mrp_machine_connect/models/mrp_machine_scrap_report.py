"""What was rejected, why, and how much of it was planned: for pivot and graph."""

from odoo import fields, models
from odoo.tools import SQL


class MachineScrapReport(models.Model):
    """Orders, what their machines rejected without a known reason, and what was rejected for each reason, line by line.

    Each piece stands on one line: sums are right whatever the lines are grouped by. What was made, and planned to be
    scrap, is known of a whole order.
    """

    _name = "mrp.machine.scrap.report"
    _description = "Scrap Analysis"
    _auto = False
    _rec_name = "production_id"
    _order = "date desc, id desc"

    date = fields.Datetime(readonly=True, help="When the order began.")
    company_id = fields.Many2one("res.company", readonly=True)
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    bom_id = fields.Many2one("mrp.bom", string="Bill of Materials", readonly=True)
    machine_id = fields.Many2one("mrp.machine", readonly=True)
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True)
    workcenter_id = fields.Many2one("mrp.workcenter", string="Work Center", readonly=True)
    tag_id = fields.Many2one("stock.scrap.reason.tag", string="Reason", readonly=True)
    stage = fields.Char(readonly=True)
    made = fields.Float(readonly=True, digits=(16, 3), help="Good and rejected pieces, in the unit of the order.")
    rejected = fields.Float(readonly=True, digits=(16, 3), help="Rejected pieces, in the unit of the order.")
    rework = fields.Float(
        "To Rework", readonly=True, digits=(16, 3), help="Pieces to rework, in the unit of the order."
    )
    planned = fields.Float(
        "Planned Scrap", readonly=True, digits=(16, 3), help="Scrap that was to be expected of what was made."
    )
    ratio = fields.Float(
        "Actual to Planned",
        readonly=True,
        digits=(16, 3),
        help="Rejected divided by planned scrap (ISO 22400-2): above 1 there is more than was planned. Of whole orders.",
    )

    @property
    def _table_query(self):
        """Return the lines: orders, rows of the ledger, rows of rejects."""
        # By SQL: a view over three tables, which no domain can be.
        return SQL(
            """
            WITH piece AS (
                SELECT row.id, row.production_id, row.machine_id, row.workorder_id,
                       COALESCE(own.factor, 1) / unit.factor
                     * CASE WHEN production.machine_reject_booking = 'noted'
                            THEN CASE WHEN machine.counting_role = 'part' THEN row.failed ELSE row.reject END
                            ELSE COALESCE(row.rejected, 0) + COALESCE(row.beside, 0) END AS rejected,
                       COALESCE(own.factor, 1) / unit.factor * COALESCE(row.rework, 0) AS rework,
                       production.machine_reject_booking = 'gross' AS is_gross
                  FROM mrp_machine_ledger row
                  JOIN mrp_machine machine ON machine.id = row.machine_id
                  JOIN mrp_production production ON production.id = row.production_id
                  JOIN uom_uom unit ON unit.id = production.product_uom_id
             LEFT JOIN uom_uom own ON own.id = row.uom_id
            ), entered AS (
                SELECT move.production_id, SUM(move.quantity) AS quantity
                  FROM stock_move move
                  JOIN mrp_production production ON production.id = move.production_id
                 WHERE move.state = 'done' AND move.scrap_id IS NULL AND move.product_id = production.product_id
                   AND production.id IN (SELECT production_id FROM piece)
                 GROUP BY move.production_id
            ), whole AS (
                SELECT production.id,
                       CASE WHEN production.state IN ('done', 'cancel') THEN COALESCE(entered.quantity, 0)
                            ELSE COALESCE(production.qty_producing, 0) END
                     + COALESCE(SUM(piece.rejected) FILTER (WHERE piece.is_gross IS NOT TRUE), 0) AS made
                  FROM mrp_production production
                  JOIN piece ON piece.production_id = production.id
             LEFT JOIN entered ON entered.production_id = production.id
                 GROUP BY production.id, production.state, production.qty_producing, entered.quantity
            ), told AS (
                SELECT machine_id, production_id, COALESCE(workorder_id, 0) AS workorder_id,
                       SUM(quantity) FILTER (WHERE kind = 'reject') AS rejected,
                       SUM(quantity) FILTER (WHERE kind = 'rework') AS rework
                  FROM mrp_machine_reject
                 GROUP BY 1, 2, 3
            ), line AS (
                SELECT whole.id * 3 AS id, whole.id AS production_id, NULL::int AS machine_id, NULL::int AS workorder_id,
                       NULL::int AS tag_id, NULL AS stage, whole.made, 0.0 AS rejected, 0.0 AS rework,
                       whole.made * COALESCE(production.planned_scrap_rate, 0) / 100 AS planned
                  FROM whole JOIN mrp_production production ON production.id = whole.id
                 UNION ALL
                SELECT piece.id * 3 + 1, piece.production_id, piece.machine_id, piece.workorder_id, NULL, NULL, 0,
                       GREATEST(piece.rejected - COALESCE(told.rejected, 0), 0),
                       GREATEST(piece.rework - COALESCE(told.rework, 0), 0), 0
                  FROM piece
             LEFT JOIN told ON (told.machine_id, told.production_id, told.workorder_id)
                             = (piece.machine_id, piece.production_id, COALESCE(piece.workorder_id, 0))
                 UNION ALL
                SELECT id * 3 + 2, production_id, machine_id, workorder_id, tag_id, stage, 0,
                       CASE kind WHEN 'reject' THEN quantity ELSE 0 END,
                       CASE kind WHEN 'rework' THEN quantity ELSE 0 END, 0
                  FROM mrp_machine_reject
            )
            SELECT line.*, 0.0 AS ratio, production.date_start AS date, production.company_id, production.product_id,
                   production.bom_id, COALESCE(workorder.workcenter_id, machine.workcenter_id) AS workcenter_id
              FROM line
              JOIN mrp_production production ON production.id = line.production_id
         LEFT JOIN mrp_workorder workorder ON workorder.id = line.workorder_id
         LEFT JOIN mrp_machine machine ON machine.id = line.machine_id
            """
        )

    def _read_group_select(self, aggregate_spec, query):
        """Divide the sums where a ratio is asked for: a sum of ratios says nothing."""
        if aggregate_spec != "ratio:sum":
            return super()._read_group_select(aggregate_spec, query)
        return SQL(
            "SUM(%s) / NULLIF(SUM(%s), 0)",
            self._field_to_sql(self._table, "rejected", query),
            self._field_to_sql(self._table, "planned", query),
        )
