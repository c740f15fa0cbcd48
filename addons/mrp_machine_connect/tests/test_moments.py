from odoo.tests import TransactionCase

from ..moments import moment_words


class TestMoments(TransactionCase):
    def test_a_moment_is_told_by_the_clock_of_the_company(self):
        company = self.env["res.company"].create({"name": "Works in Lyon"})
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", company.id)], limit=1)
        self.assertEqual(moment_words(warehouse, "2026-07-01 10:20:30"), "2026-07-01 10:20:30 (UTC)")

        company.partner_id.tz = "Europe/Paris"

        for moment, words in (
            ("2026-07-01 10:20:30", "2026-07-01 12:20:30 (CEST)"),
            # The hour that comes twice in autumn.
            ("2026-10-25 00:30:00", "2026-10-25 02:30:00 (CEST)"),
            ("2026-10-25 01:30:00", "2026-10-25 02:30:00 (CET)"),
        ):
            self.assertEqual(moment_words(warehouse, moment), words)
        # Without a company of its own it is the one that is worked for, and of none it is UTC.
        unowned = self.env["stock.route"].create({"name": "Any", "company_id": False})
        self.assertEqual(
            moment_words(unowned.with_company(company), "2026-07-01 10:20:30"), "2026-07-01 12:20:30 (CEST)"
        )
