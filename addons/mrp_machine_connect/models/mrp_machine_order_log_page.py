"""The page for people in the file of an order: in words and sums what the tables beside it hold."""

from markupsafe import Markup

from odoo.tools import float_compare

from ..moments import timestamp_of
from ..quantities import number_text

#: So many postings are on the page; all of them are in postings.csv.
SHOWN = 500
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5em 0 2em; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; padding: .3em .6em .3em 0; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; white-space: nowrap; }
.yes { color: #106b30; } .no { color: #a00; font-weight: bold; } .m { color: #666; }
.w { overflow-x: auto; }
"""


class OrderLogPage:
    """What an auditor reads first.

    :param log: the file of the order, all of its tables written
    :param list corrections: the rows of its table of corrections
    """

    def __init__(self, log, corrections):
        self.log, self.production, self.env, self.corrections = log, log.production, log.env, corrections

    def text(self):
        """Return the whole page."""
        _, order = self.env._, self.production
        parts = [
            _element("h1", _("What machines said on %s", order.display_name)),
            _element("p", self._head_words()),
            _element("h2", _("Does it add up?")),
            self._sums(),
            _element("h2", _("What became of the events")),
            self._outcome_table(),
        ]
        if self.corrections:
            parts += [_element("h2", _("Corrected by people")), self._correction_table()]
        parts += [
            _element("h2", _("What was booked")),
            self._posting_table(),
            _element("h2", _("How to check this file")),
            _element("p", self._check_words()),
        ]
        return Markup(
            '<!DOCTYPE html>\n<html lang="%s"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            "<title>%s</title><style>%s</style></head><body>%s</body></html>\n"
        ) % ((self.env.lang or "en")[:2], order.name, Markup(STYLE), Markup("\n").join(parts))

    def _head_words(self):
        _, order = self.env._, self.production
        return _(
            "%(product)s, %(quantity)s %(unit)s to make, of %(company)s. State: %(state)s. %(events)s events and "
            "%(postings)s postings: all that was booked on the order, and all else that its machines said while it was "
            "loaded. All times are UTC.",
            product=order.product_id.display_name,
            quantity=number_text(order.product_qty),
            unit=order.product_uom_id.name,
            company=order.company_id.name,
            state=dict(order._fields["state"]._description_selection(self.env)).get(order.state, order.state),
            events=len(self.log.event_ids),
            postings=len(self.log.posting_ids),
        )

    def _sums(self):
        """Return the table that holds against each other what events, postings and the machines' own books say."""
        _ = self.env._
        rows = []
        for ledger in self.log.ledgers():
            key = ledger.machine_id.id, ledger.workorder_id.id
            booked, said = self.log.booked[key], self.log.said[key]
            same = not float_compare(booked, said, precision_digits=3) and not float_compare(
                booked, ledger.posted, precision_digits=3
            )
            rows.append(
                (
                    ledger.machine_id.name,
                    (ledger.workorder_id or ledger.production_id).display_name,
                    said,
                    booked,
                    ledger.posted,
                    _element("span", _("yes") if same else _("no"), "yes" if same else "no"),
                )
            )
        names = (_("Machine"), _("On"), _("By the events"), _("By the postings"), _("By the ledger"), _("The same"))
        return _html_table(names, rows) if rows else _element("p", _("No machine counted on this order."))

    def _outcome_table(self):
        _ = self.env._
        states = dict(self.env["mrp.machine.event.posting"]._fields["state"]._description_selection(self.env))
        rows = []
        for (handler, state), count in sorted(self.log.outcomes.items()):
            model = self.env.get(f"mrp.machine.handler.{handler}")
            rows.append((_("Log only") if model is None else model._title(), states[state], count))
        return _html_table((_("Effect"), _("State"), _("Events")), rows)

    def _correction_table(self):
        _ = self.env._
        names = (_("Who"), _("When"), _("Why"), _("Pieces"), _("Before"), _("After"))
        return _html_table(
            names, [(row[4] or row[3], row[2], row[5], row[7], row[13], row[14]) for row in self.corrections[:SHOWN]]
        )

    def _posting_table(self):
        _ = self.env._
        names = (_("Occurred"), _("Machine"), _("What Was Done"), _("Why There"), _("Before"), _("After"), _("Events"))
        rows = [
            (
                timestamp_of(posting.occurred_to),
                posting.machine_id.name,
                posting.summary,
                posting.explanation,
                *(self.log.totals[posting.id] if posting.kind else ("", "")),
                self.log.event_counts[posting.id],
            )
            for posting in self.env["mrp.machine.posting"].browse(self.log.posting_ids[:SHOWN])
        ]
        table = _html_table(names, rows)
        if len(self.log.posting_ids) > SHOWN:
            words = _(
                "The first %(shown)s of %(all)s; postings.csv has them all.", shown=SHOWN, all=len(self.log.posting_ids)
            )
            return table + _element("p", words, "m")
        return table

    def _check_words(self):
        words = self.env._(
            "manifest.json has the SHA-256 of each file. events.csv has the log as it was received: its column digest was "
            "made on arrival, and digest_check says whether the content still makes the same one. Each event has one row per "
            "effect in effects.csv, never two; posting_id leads to postings.csv, and from there to documents.csv."
        )
        if self.log.not_reproduced:
            return f"{words} " + self.env._(
                "The digest of %s events is not reproduced; that is so as well where a machine was renamed since.",
                self.log.not_reproduced,
            )
        return words


def _element(tag, content, css=None):
    if css:
        return Markup(f'<{tag} class="%s">%s</{tag}>') % (css, content)
    return Markup(f"<{tag}>%s</{tag}>") % content


def _html_table(names, rows):
    """Return a table; what is a number stands on the right."""
    head = Markup().join(_element("th", name) for name in names)
    body = Markup().join(
        _element(
            "tr",
            Markup().join(
                _element("td", number_text(value), "n")
                if isinstance(value, int | float) and value is not False
                else _element("td", value or "")
                for value in row
            ),
        )
        for row in rows
    )
    return Markup('<div class="w"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>') % (head, body)
