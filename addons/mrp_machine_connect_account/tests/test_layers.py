"""What is taken from stock costs what the order of things says."""

from odoo.tests import BaseCase, tagged

from ..layers import Average, Fifo


@tagged("post_install", "-at_install")
class TestLayers(BaseCase):
    def test_first_in_first_out(self):
        layers = Fifo()
        layers.add(10, 10)
        layers.add(10, 20)

        self.assertEqual([layers.take(5), layers.take(10), layers.take(5)], [5, 5 + 10, 10])

    def test_what_was_taken_before_it_was_there_is_not_valued_and_comes_off_what_comes(self):
        layers = Fifo()
        self.assertIsNone(layers.take(4))
        layers.add(10, 20)

        self.assertEqual(layers.take(6), 12)
        self.assertIsNone(layers.take(1))

    def test_what_is_owed_comes_off_what_comes(self):
        layers = Fifo()
        layers.owe(4)
        layers.add(10, 20)

        self.assertEqual(layers.take(6), 12)
        self.assertIsNone(layers.take(1))

    def test_the_average_of_what_is_there(self):
        layers = Average()
        layers.add(10, 10)
        layers.add(10, 30)

        self.assertEqual(layers.take(5), 10)
        layers.add(15, 60)  # 15 at 2.00 and 15 at 4.00
        self.assertEqual(layers.take(10), 30)

    def test_a_price_that_is_set_holds_for_the_average_and_not_for_what_was_paid(self):
        average, fifo = Average(), Fifo()
        for layers in (average, fifo):
            layers.add(10, 10)
            layers.set_price(5)

        self.assertEqual([average.take(2), fifo.take(2)], [10, 2])

    def test_from_nothing_the_average_begins_anew(self):
        layers = Average()
        layers.add(10, 10)
        layers.take(15)
        self.assertIsNone(layers.take(1))
        layers.add(10, 30)

        self.assertEqual(layers.take(2), 6)
