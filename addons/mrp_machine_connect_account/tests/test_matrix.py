"""What is made is worth what one ideal close would say, in all the ways in which an order may go."""

from odoo.addons.mrp_machine_connect.tests import matrix
from odoo.addons.mrp_machine_connect.tests.matrix_plant import MatrixCommon, add_whole, as_tests
from odoo.tests import tagged

from .common import MachineAccountCommon

#: What a finished piece is worth by its standard price, and its components by theirs: a sheet and four rivets.
STANDARD_PRICE, SHEET, RIVET = 2.5, 1.0, 0.25
PIECE = matrix.SHEETS * SHEET + matrix.RIVETS * RIVET
#: What a minute of each machine in the row costs.
MINUTE = (1.0, 2.0, 3.0)

#: Deliveries in which all that a scrap is worth is known when it is made. What Odoo valued as gone keeps its value.
IN_TIME = ("in_order", "twice", "crash")

CASES = matrix.chosen_cases(matrix.COSTED, together=())


class CostMatrixCommon(MatrixCommon, MachineAccountCommon):
    """The matrix of the core with values."""

    def prepare(self, case):
        result = super().prepare(case)
        self.product.standard_price = STANDARD_PRICE if case.costing == "standard" else 0.0
        self.component_a.standard_price = SHEET
        self.known_before(self.component_a)
        self.use(case.costing)
        return result

    def compare(self, case, order, fed):
        result = super().compare(case, order, fed)
        made, true = self.made(order), self.true_value(case)
        used = order.move_raw_ids.filtered(lambda move: move.state == "done")
        cents = 0.005
        if case.sheet_tracking != "none" and case.delivery not in IN_TIME:
            # Which lots there were is known late: Odoo rounds the value of a move each time that its quantity is corrected.
            cents *= 1 + len(used)
        self.assertAlmostEqual(sum(made.mapped("value")), true, delta=cents, msg="what was made")
        self.assertAlmostEqual(sum(used.mapped("value")), self.true_components(case), delta=cents, msg="what was used")
        scrapped = order.scrap_ids.move_ids
        apart = sum(scrapped.filtered(lambda move: move.product_id != self.product).mapped("value"))
        self.assertAlmostEqual(apart, case.scrapped_apart * PIECE, 2, "what was scrapped of the components")
        if case.delivery in IN_TIME:
            scrapped = sum(scrapped.filtered(lambda move: move.product_id == self.product).mapped("value"))
            # Odoo values each move in whole cents: what is in stock and each scrap may lie half a cent off.
            self.assertAlmostEqual(
                self.product.total_value + scrapped,
                true,
                delta=0.005 * (2 + len(order.scrap_ids)),
                msg="what is in stock, and what was scrapped",
            )
        if case.beat == "close" and case.tracking != "lot":
            # All pieces are worth the same, the bad ones too; lots enter stock one by one.
            worth = true * case.good / case.quantity
            self.assertAlmostEqual(self.product.total_value, worth, delta=cents, msg="what is in stock")
        return result

    def true_value(self, case):
        """Return what all pieces of the order are worth, as of one close at the end."""
        if case.costing == "standard":
            return case.quantity * STANDARD_PRICE
        return self.true_components(case) + case.minutes * sum(MINUTE[: case.workorders])

    def true_components(self, case):
        """Return what the components are worth that the pieces of the order are of."""
        return case.sheets * SHEET + case.rivets * RIVET - case.scrapped_apart * PIECE


@tagged("post_install", "-at_install")
@as_tests(CASES)
class TestCostMatrix(CostMatrixCommon):
    def test_each_value_meets_each_of_another_dimension(self):
        for wanted in matrix.combinations_of(matrix.COSTED, together=()):
            met = [case for case in CASES if all(getattr(case, name) == value for name, value in wanted)]
            self.assertTrue(met, f"no case in which {dict(wanted)} meet")


add_whole(
    globals(),
    "TestWholeCostMatrix",
    CostMatrixCommon,
    [case for case in matrix.every_case(matrix.COSTED) if case not in set(CASES)],
)
#: A case that was wrong once: a part of a scrap became one of another lot, and each of the two was worth what both are.
ONCE_WRONG = matrix.cases_named(
    ("3_work_orders_3_steps_early_strict_pieces_out_of_order_average_serial_by_sequence_component_lot",),
    matrix.COSTED_BOOKS,
    matrix.COSTED_BOOKED,
)


@tagged("post_install", "-at_install")
@as_tests(ONCE_WRONG)
class TestCostBooksMatrix(CostMatrixCommon):
    """The same with lots, rejects and what was used."""


# The same with all of what the books hold.
BOOKED = matrix.booked_cases(matrix.COSTED_BOOKS, matrix.COSTED_BOOKED)
OTHERS = [case for case in BOOKED if case not in ONCE_WRONG]
add_whole(globals(), "TestWholeCostBooksMatrix", CostMatrixCommon, OTHERS)
