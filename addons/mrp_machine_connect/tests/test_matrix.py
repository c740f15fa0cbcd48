"""Orders that machines feed, in all the ways in which they may go."""

from odoo.tests import tagged

from . import matrix
from .matrix_plant import MatrixCommon, add_whole, as_tests


@tagged("post_install", "-at_install")
@as_tests(matrix.chosen_cases())
class TestMatrix(MatrixCommon):
    """So many cases that all meet that must."""

    def test_each_value_meets_each_of_another_dimension(self):
        cases = matrix.chosen_cases()

        self.assertGreaterEqual(len(cases), 40)
        for wanted in matrix.combinations_of(matrix.DIMENSIONS):
            met = [case for case in cases if all(getattr(case, name) == value for name, value in wanted)]
            self.assertTrue(met, f"no case in which {dict(wanted)} meet")


CHOSEN = set(matrix.chosen_cases())
add_whole(globals(), "TestWholeMatrix", MatrixCommon, [case for case in matrix.every_case() if case not in CHOSEN])

#: Cases that were wrong once, beside those in which all meet that must.
ONCE_WRONG = (
    "0_work_orders_1_step_early_warning_close_twice_lot_by_scan_component_signal",
    "0_work_orders_2_steps_early_strict_close_crash_lot_by_machine_component_signal",
    "3_work_orders_1_step_equal_flexible_pieces_after_close_serial_by_machine_gross_bom",
    "3_work_orders_2_steps_early_flexible_pieces_twice_lot_by_machine_component_lot",
    "3_work_orders_2_steps_early_strict_pieces_crash_lot_by_scan_component_signal",
    "3_work_orders_3_steps_early_warning_pieces_after_close_lot_by_scan_component_signal",
    "3_work_orders_3_steps_over_strict_pieces_after_close_serial_by_sequence_gross_bom",
    "3_work_orders_3_steps_under_flexible_pieces_late_lot_by_sequence_gross_lot",
    "3_work_orders_3_steps_under_warning_close_after_close_serial_by_machine_gross_lot",
)
BOOKED = matrix.chosen_cases(matrix.BOOKS, together=matrix.TOGETHER_IN_BOOKS)
BOOKED += [case for case in matrix.cases_named(ONCE_WRONG) if case not in BOOKED]


@tagged("post_install", "-at_install")
@as_tests(BOOKED)
class TestBooksMatrix(MatrixCommon):
    """The same with lots and serial numbers, with rejects and with what was used, whoever says it and however it is booked."""

    def test_each_value_meets_each_of_another_dimension(self):
        for wanted in matrix.combinations_of(matrix.BOOKS, together=matrix.TOGETHER_IN_BOOKS):
            met = [case for case in BOOKED if all(getattr(case, name) == value for name, value in wanted)]
            self.assertTrue(met, f"no case in which {dict(wanted)} meet")


OTHERS = [case for case in matrix.booked_cases() if case not in set(BOOKED)]
add_whole(globals(), "TestWholeBooksMatrix", MatrixCommon, OTHERS)
