"""What is a quantity worth that is taken from stock, when what came and went is told in order?"""


class Fifo:
    """First in, first out."""

    def __init__(self):
        self._layers = []
        self._owed = 0.0

    def add(self, quantity, value):
        """Take in a quantity, for a value as a whole. What was taken before it was there is taken from it first."""
        covered = min(self._owed, quantity)
        self._owed -= covered
        if quantity > covered:
            self._layers.append([quantity - covered, value / quantity])

    def take(self, quantity):
        """Return the value of a quantity that is taken out; None where less is there."""
        value = 0.0
        while quantity > 0 and self._layers:
            layer = self._layers[0]
            taken = min(layer[0], quantity)
            value += taken * layer[1]
            quantity -= taken
            layer[0] -= taken
            if layer[0] <= 0:
                self._layers.pop(0)
        self._owed += max(quantity, 0.0)
        return value if quantity <= 1e-9 else None

    def owe(self, quantity):
        """Begin with less than nothing."""
        self._owed += max(quantity, 0.0)

    def set_price(self, price):
        """A price that a person sets says nothing of what was paid."""


class Average:
    """Weighted average, as Odoo keeps it: from nothing or less the price begins anew."""

    def __init__(self):
        self._quantity = self._total = self._price = 0.0

    def add(self, quantity, value):
        """Take in a quantity, for a value as a whole."""
        before = self._quantity
        self._quantity += quantity
        if before > 0:
            self._total += value
            self._price = self._total / self._quantity
        else:
            self._price = value / quantity if quantity else self._price
            self._total = self._price * self._quantity

    def take(self, quantity):
        """Return the value of a quantity that is taken out; None where nothing is there."""
        known = self._quantity > 0
        self._quantity -= quantity
        self._total -= quantity * self._price
        return quantity * self._price if known else None

    def set_price(self, price):
        """Value what is there at a price that a person set."""
        self._price, self._total = price, price * self._quantity
