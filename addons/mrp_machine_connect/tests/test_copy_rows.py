import io
import random

from odoo.tests import TransactionCase, tagged

from ..copy_rows import copy_moment, copy_number, copy_text
from ..machine_connect.instants import instant


@tagged("post_install", "-at_install")
class TestCopyRows(TransactionCase):
    """PostgreSQL reads back what was written for it."""

    def test_what_is_written_is_read(self):
        chance = random.Random(1)
        letters = "\\\t\n\r\v\b\f.N\"'{}, aü𝄞\x01\x7f\u2028"
        texts = ["".join(chance.choices(letters, k=chance.randrange(1, 8))) for _ in range(500)]
        moments = [0, 1, 999_999, 1_000_000, 4_102_444_799_999_999, *(chance.randrange(4 * 10**15) for _ in range(495))]
        numbers = [None, 0, -1, 2**63 - 1, -(2**63), *(chance.randrange(2**62) for _ in range(495))]
        said = list(zip(texts, moments, numbers, strict=True))
        rows = "".join(f"{copy_text(text)}\t{copy_moment(us)}\t{copy_number(number)}\n" for text, us, number in said)

        cr = self.env.cr
        cr.execute(
            "CREATE TEMPORARY TABLE said (place serial, words text, moment timestamp, number int8) ON COMMIT DROP"
        )
        cr.copy_expert("COPY said (words, moment, number) FROM STDIN", io.BytesIO(rows.encode()))
        cr.execute("SELECT words, moment, number FROM said ORDER BY place")

        self.assertEqual(cr.fetchall(), [(text, instant(us).replace(tzinfo=None), number) for text, us, number in said])

    def test_nothing_is_no_text(self):
        self.assertEqual([copy_text(value) for value in (None, "", False)], ["\\N"] * 3)
