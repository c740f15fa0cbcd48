"""Goods of an order in shadow enter stock there, too, when only the clock says so."""

import logging
from datetime import timedelta

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api, fields, models

from ..shadow import Shadow
from .mrp_machine_beat import BY_CLOCK, PASS
from .mrp_workorder import CLOSED

_logger = logging.getLogger(__name__)


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _cron_beat(self):
        result = super()._cron_beat()
        now = fields.Datetime.now()
        memories = self.env["mrp.machine.shadow.memory"].search(
            [
                ("machine_ids.stock_beat", "in", BY_CLOCK),
                ("machine_ids.posting_mode", "=", "shadow"),
                ("production_id.state", "not in", CLOSED),
                ("closed_at", "=", False),
            ],
            limit=PASS,
        )
        self.env.flush_all()
        for memory in memories:
            for machine in memory.machine_ids:
                if machine._may_be_beat(memory, now):
                    self.env["mrp.machine.poster"]._cast_beat(machine.id, memory.production_id.id, now)
        return result

    def _may_be_beat(self, memory, now):
        """Return whether the clock may say that goods of an order in shadow enter stock; a look at the order is dear."""
        made = max((row["last_on_order"] for row in memory.ledgers or []), default=0.0)
        since = memory.entered_at or memory.began_at
        if self.posting_mode != "shadow" or not since or made <= memory.in_stock:
            return False
        if self.stock_beat == "minutes":
            return now - since >= timedelta(minutes=self.beat_minutes)
        return self.stock_beat == "shift" and since < self._shift_end(now)


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _cast_beat(self, machine_id, production_id, now):
        """Let goods of an order enter stock in a shadow, in a transaction of its own, where their time has come."""
        with self.env.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            production = env["mrp.production"].browse(production_id)
            products = (production.move_raw_ids | production.move_finished_ids).product_id.ids
            cr.rollback()  # the locks come first: what is read before them may be old
            if not self._lock(cr, machine_id, products):
                return
            env.invalidate_all()
            machine, events = env["mrp.machine"].browse(machine_id), env["mrp.machine.event"]
            shadow, poster = Shadow(machine, events), env["mrp.machine.poster"]
            last = env["mrp.machine.shadow"].search(
                [("production_id", "=", production_id), ("kind", "=", "quantity")], order="date desc", limit=1
            )

            def work(_poster, machine):
                order = machine.env["mrp.production"].browse(production_id)
                order._shadow_again(shadow)
                machine._decide_beat(order, now, min(now, last.date or now))

            try:
                kept = poster._cast(shadow, poster._service(machine), work, None, events)
                # The order itself was not counted on: what it has come to is kept where something entered stock.
                poster._keep(shadow, kept)
                env.flush_all()
            except OperationalError as conflict:
                cr.rollback()
                _logger.info("the shadow of machine %s met another transaction: %s", machine_id, conflict)
