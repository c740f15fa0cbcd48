"""What is made is worth what one ideal close would say, in all the ways in which an order may go."""

from odoo.addons.mrp_machine_connect.tests import matrix
from odoo.addons.mrp_machine_connect.tests.matrix_plant import MatrixCommon, as_tests
from odoo.tests import tagged

from .common import MachineAccountCommon

#: What a finished piece is worth by its standard price, and its components by theirs: a sheet and four rivets.
STANDARD_PRICE, COMPONENTS = 2.5, 1.0 + 4 * 0.25
#: What a minute of each machine in the row costs.
MINUTE = (1.0, 2.0, 3.0)

#: Deliveries in which all that a scrap is worth is known when it is made. What Odoo valued as gone keeps its value.
IN_TIME = ("in_order", "twice", "crash")

CASES = matrix.chosen_cases(matrix.COSTED, together=())


class CostMatrixCommon(MatrixCommon, MachineAccountCommon):
    """The matrix of the core with values."""

    def run_case(self, case):
        self.product.standard_price = STANDARD_PRICE if case.costing == "standard" else 0.0
        self.use(case.costing)
        return super().run_case(case)

    def compare(self, case, order, fed):
        result = super().compare(case, order, fed)
        made, true = self.made(order), self.true_value(case)
        self.assertAlmostEqual(sum(made.mapped("value")), true, 2, "what was made")
        used = order.move_raw_ids.filtered(lambda move: move.state == "done")
        self.assertAlmostEqual(sum(used.mapped("value")), case.gross * COMPONENTS, 2, "what was used")
        if case.delivery in IN_TIME:
            scrapped = sum(order.scrap_ids.move_ids.mapped("value"))
            self.assertAlmostEqual(
                self.product.total_value + scrapped, true, 2, "what is in stock, and what was scrapped"
            )
        if case.beat == "close":
            # All pieces are worth the same, the bad ones too.
            self.assertAlmostEqual(self.product.total_value, true * case.good / case.gross, 2, "what is in stock")
        return result

    def true_value(self, case):
        """Return what all pieces that went through the machines are worth, as of one close at the end."""
        if case.costing == "standard":
            return case.gross * STANDARD_PRICE
        return case.gross * COMPONENTS + case.minutes * sum(MINUTE[: case.workorders])


@tagged("post_install", "-at_install")
@as_tests(CASES)
class TestCostMatrix(CostMatrixCommon):
    def test_each_value_meets_each_of_another_dimension(self):
        for wanted in matrix.combinations_of(matrix.COSTED, together=()):
            met = [case for case in CASES if all(getattr(case, name) == value for name, value in wanted)]
            self.assertTrue(met, f"no case in which {dict(wanted)} meet")


@tagged("post_install", "-at_install", "full")
@as_tests([case for case in matrix.every_case(matrix.COSTED) if case not in set(CASES)])
class TestWholeCostMatrix(CostMatrixCommon):
    """All the others."""
