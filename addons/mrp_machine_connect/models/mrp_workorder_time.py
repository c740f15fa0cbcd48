"""Work orders begin and end when the machine says so, and no time of theirs is invented."""

from odoo import api, models

from .mrp_workorder import CLOSED

#: In a context: what MRP writes as duration of a work order is its own invention and is not written.
KEEP_DURATION = "machine_fed_keep_duration"


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        """Leave the duration alone where MRP only fills a gap: it would book a time that ends now.

        A step that no machine feeds and a person finished takes what was expected, as anywhere in Odoo. A cancelled one
        has none.
        """
        if self.env.context.get(KEEP_DURATION) and "duration" in vals:
            by_hand = self.filtered(lambda step: step.state == "done")
            filled = by_hand - by_hand._machine_fed() | self.filtered(lambda step: step.state == "cancel")
            if kept := self - filled:
                rest = {name: value for name, value in vals.items() if name != "duration"}
                result = super(MrpWorkorder, kept).write(rest) if rest else True
                return super(MrpWorkorder, filled).write(vals) if filled else result
        return super().write(vals)

    def _start_at(self, moment):
        """Let these work orders begin at a machine's time.

        One that began later by now began at this moment: news that comes late is as true as news in time. Nothing is
        reported as produced, and no timer runs, as they would by *Start*.

        :param moment: naive UTC
        """
        moment = moment.replace(microsecond=0)
        for step in self.with_context(bypass_duration_calculation=True):
            if step.state in ("blocked", "ready"):
                end = step._calculate_date_finished(moment) or moment
                step.write({"state": "progress", "date_start": moment, "date_finished": end})
            elif step.state != "cancel" and (not step.date_start or step.date_start > moment):
                step.write({"date_start": moment, "date_finished": step.date_finished or moment})

    def _finish_at(self, moment):
        """Finish these work orders at a machine's time, with what was reported on them and what was booked as time.

        Components that nobody took yet are taken for that quantity. People's timers that still run end with the work
        order, and those begun later end where they began. What is closed already stays as it is.

        :param moment: naive UTC
        """
        moment = moment.replace(microsecond=0)
        steps = self.filtered(lambda step: step.state not in CLOSED)
        for step in steps.with_context(bypass_duration_calculation=True):
            if step.qty_produced:
                quantity, takes = step._quantity_at_finish(steps)
                if takes:
                    step._take_components(quantity)
            for timer in step.time_ids.filtered(lambda line: not line.date_end):
                timer.date_end = max(timer.date_start, moment)
            began = step.date_start
            if step.state != "progress" or not began:
                began = min(began or moment, moment)
            step.write(
                {
                    "state": "done",
                    "date_start": began,
                    "date_finished": max(began, moment),
                    "duration_expected": step._expected_of_produced(),
                    "costs_hour": step.workcenter_id.costs_hour,
                }
            )

    def button_finish(self):
        """Finish, and expect of each step of an order that machines feed what its own quantity takes."""
        orders = self.production_id._machine_fed()
        steps = self.filtered(lambda step: step.production_id in orders and step.state not in CLOSED)
        result = super().button_finish()
        for step in steps.filtered(lambda step: step.state == "done"):
            step.duration_expected = step._expected_of_produced()
        return result

    def _expected_of_produced(self):
        """Return how many minutes the quantity that was reported on this work order was expected to take.

        MRP reckons with the quantity of the order, the least of all its steps, and stays at what it was with the last
        count before the full quantity.
        """
        self.ensure_one()
        if not self.operation_id or not self.qty_produced:
            return self._get_duration_expected()
        return self.new({"qty_producing": self.qty_produced}, origin=self)._get_duration_expected()

    def action_cancel(self):
        """Cancel, and let what machines worked on these stay time of the work center, which is no cost of the order."""
        result = super().action_cancel()
        # sudo: whoever cancels an order need not be allowed to touch what machines do
        intervals = self.env["mrp.machine.interval"].sudo().search([("workorder_id", "in", self.ids)])
        intervals._schedule_projection()
        return result


class MachinePosting(models.Model):
    _inherit = "mrp.machine.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _last_piece_of(self, field, record):
        """Return when the last good piece was counted on an order or work order (naive UTC), or False.

        :param str field: which of ours names the record
        """
        # sudo: whoever may see an order may know when its pieces were made
        postings = self.sudo()
        domain = [(field, "=", record.id), ("handler", "=", "production_count"), ("kind", "=", "good")]
        return postings.search(domain, order="occurred_to desc", limit=1).occurred_to
