import doctest

from odoo.tests import TransactionCase, tagged

from .. import quantities


@tagged("post_install", "-at_install")
class TestQuantities(TransactionCase):
    def test_the_examples_of_the_documentation_hold(self):
        result = doctest.testmod(quantities)

        self.assertEqual((result.failed, result.attempted > 0), (0, True))

    def test_one_piece_is_one_whether_it_comes_or_goes(self):
        said = [
            quantities.pieces_text(self.env, pieces, signed)
            for pieces, signed in ((1, False), (1.0, True), (-1, True), (0, False), (2.5, True), (1000.0, False))
        ]

        self.assertEqual(said, ["1 piece", "+1 piece", "-1 piece", "0 pieces", "+2.5 pieces", "1000 pieces"])
