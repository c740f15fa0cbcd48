import io
import random

from odoo.tests import TransactionCase, tagged

from ..copy_rows import OPTIONS, copy_moment, copy_number, copy_text, is_plain
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

        self.assertEqual(
            self.copied(rows), [(text, instant(us).replace(tzinfo=None), number) for text, us, number in said]
        )

    def copied(self, rows):
        """Have PostgreSQL read rows of a text, a moment and a number, and return what it has."""
        cr = self.env.cr
        cr.execute(
            "CREATE TEMPORARY TABLE said (place serial, words text, moment timestamp, number int8) ON COMMIT DROP"
        )
        cr.copy_expert(f"COPY said (words, moment, number) FROM STDIN ({OPTIONS})", io.BytesIO(rows.encode()))
        cr.execute("SELECT words, moment, number FROM said ORDER BY place")
        found = cr.fetchall()
        cr.execute("DROP TABLE said")
        return found

    def test_nothing_is_no_text(self):
        for value in (None, "", False):
            self.assertEqual(
                self.copied(f"{copy_text(value)}\t{copy_moment(0)}\t{copy_number(None)}\n"),
                [(None, instant(0).replace(tzinfo=None), None)],
            )

    def test_a_row_is_plain_when_postgresql_reads_its_texts_as_they_are(self):
        chance = random.Random(2)
        texts = ["".join(chance.choices("\\\t\n\r\v.N\"', aü\u2028\x85", k=chance.randrange(1, 5))) for _ in range(300)]
        for text in texts:
            row = f"{text}\t{copy_moment(0)}\t7\n"
            self.assertEqual(is_plain(row, 3), not set("\\\t\n\r") & set(text), repr(text))
        rows = [row for row in (f"{text}\t{copy_moment(0)}\t7\n" for text in texts) if is_plain(row, 3)]
        self.assertGreater(len(rows), 50)
        self.assertEqual([row[0] for row in self.copied("".join(rows))], [row.partition("\t")[0] for row in rows])
        self.assertFalse(is_plain(f"a\t{copy_moment(0)}\n", 3), "a column is missing")
