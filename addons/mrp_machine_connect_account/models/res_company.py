from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

from odoo import fields, models
from odoo.addons.mrp_machine_connect.postings.outcome import Waiting
from odoo.tools import format_date

from ..books import BOOKS

#: What opens a period, or says that it need not be opened.
OPENING = {"fiscalyear_lock_date", "hard_lock_date", "machine_locked_period"}


class ResCompany(models.Model):
    _inherit = "res.company"

    machine_locked_period = fields.Selection(
        [("wait", "Wait"), ("next_open", "Date entries on the first open day")],
        string="Machines in Locked Periods",
        required=True,
        default="wait",
        help="What machines made in a period that is locked by now. Wait: it stays under Exceptions until an accountant opens "
        "the period, and stock lacks it until then. First open day: stock moves keep the machine's time, and their journal "
        "entries are dated on the first day that is not locked; the posting says so.",
    )

    machine_energy_cost = fields.Boolean(
        "Energy in the Cost of Orders",
        help="What machines use for an order goes into the value of what it makes, at the prices of energy, beside the labour "
        "of its work orders. What was told before this was set stays without cost.",
    )

    def write(self, vals):
        """Put back to work what waited for a period, once it is opened."""
        result = super().write(vals)
        if OPENING & vals.keys():
            self.env["mrp.machine.event.posting"]._requeue_locked(self)
        return result

    def _machine_day(self, moment):
        """Return the day of a moment where the company is.

        :param moment: naive UTC
        """
        zone = ZoneInfo(self.sudo().partner_id.tz or "UTC")  # sudo: a company's own address is no secret of its books
        return moment.replace(tzinfo=timezone.utc).astimezone(zone).date()

    def _machine_lock(self, day):
        """Return up to which day the books are locked, where that day is; else None."""
        # sudo: locks of a parent company and exceptions for this user count, whoever may read them
        locks = self.sudo()._get_lock_date_violations(day, sale=False, purchase=False, tax=False)
        return max((locked for locked, _field in locks), default=None)

    def _machine_entry_day(self, books):
        """Return the day of the entries of an effect: its own, or the first open one."""
        # A clock that is ahead must not leave an entry in draft until tomorrow.
        day = min(self._machine_day(books.moment), self._machine_day(fields.Datetime.now()))
        locked = self._machine_lock(day)
        if not locked or self.machine_locked_period != "next_open":
            return day
        first = locked + timedelta(days=1)
        books.put_off[first] = locked
        return first

    def _check_machine_period(self, order, moment=None):
        """Refuse what a machine did in a locked period, where that is to wait or no day is open yet.

        :param str order: the order that it is about, in words
        :param moment: when, naive UTC; by default the moment of the effect
        :raise Waiting: the period is locked
        """
        books = self.env.context.get(BOOKS)
        if not books:
            return  # a person does it, and accounting has its own answer
        day = self._machine_day(moment or books.moment)
        locked = self._machine_lock(day)
        today = self._machine_day(fields.Datetime.now())
        if not locked or (self.machine_locked_period == "next_open" and locked < today):
            return
        raise Waiting(
            "locked_period",
            self.env._(
                "%(order)s made this on %(day)s, and the books of %(company)s are locked up to %(locked)s.",
                order=order,
                day=format_date(self.env, day),
                company=self.display_name,
                locked=format_date(self.env, locked),
            ),
        )
