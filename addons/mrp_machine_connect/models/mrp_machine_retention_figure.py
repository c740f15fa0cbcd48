from datetime import date, timedelta

from odoo import api, fields, models

from .mrp_machine_metrics import BUCKETS, COUNTED

#: Lines by the day are kept so many days: figures are added up at each look of Prometheus, refusals are evidence.
FIGURE_DAYS, REFUSAL_DAYS = 90, 400
#: The day under which all that is older is added up: counters must never fall.
BEFORE = date(1970, 1, 1)


class MachineRetention(models.AbstractModel):
    """Keeps also the figures of sources and what was refused of them at a constant size: old days become one line."""

    _inherit = "mrp.machine.retention"

    @api.model
    def _cron_trim(self):
        self._fold_figures()
        self._fold_refusals()
        return super()._cron_trim()

    def _fold_figures(self):
        """Add the figures of old days up to one line a source and action."""
        summed = [*COUNTED.values(), "requests", "events", "answer_us", *(f"answers_{bound}" for bound in BUCKETS)]
        kept = ["last", "minute"]
        # By SQL: one statement, so that whoever reads the sum at the same moment reads it before or after.
        self.env.flush_all()
        self.env.cr.execute(
            f"""WITH old AS (
                    DELETE FROM mrp_machine_source_figure WHERE day < %(border)s AND day > %(before)s RETURNING *)
                INSERT INTO mrp_machine_source_figure AS line
                       (source_id, day, action, minute_events, minute_before, {", ".join(kept + summed)})
                SELECT source_id, %(before)s, action, 0, 0, {", ".join(f"max({name})" for name in kept)},
                       {", ".join(f"sum({name})" for name in summed)}
                  FROM old GROUP BY source_id, action
                ON CONFLICT (source_id, day, action) DO UPDATE SET
                       {", ".join(f"{name} = line.{name} + EXCLUDED.{name}" for name in summed)},
                       last = GREATEST(line.last, EXCLUDED.last)""",
            {"border": fields.Date.today() - timedelta(days=FIGURE_DAYS), "before": BEFORE},
        )
        self.env.invalidate_all()

    def _fold_refusals(self):
        """Add what was refused on old days up to one line a source and reason."""
        # By SQL: see _fold_figures.
        self.env.flush_all()
        self.env.cr.execute(
            """WITH old AS (DELETE FROM mrp_machine_refusal WHERE day < %(border)s AND day > %(before)s RETURNING *)
               INSERT INTO mrp_machine_refusal AS line (source_id, company_id, day, reason, count, first, last)
               SELECT source_id, company_id, %(before)s, reason, sum(count), min(first), max(last)
                 FROM old GROUP BY source_id, company_id, reason
               ON CONFLICT (day, COALESCE(source_id, 0), reason) DO UPDATE SET
                      count = line.count + EXCLUDED.count, first = LEAST(line.first, EXCLUDED.first),
                      last = GREATEST(line.last, EXCLUDED.last)""",
            {"border": fields.Date.today() - timedelta(days=REFUSAL_DAYS), "before": BEFORE},
        )
        self.env.invalidate_all()
