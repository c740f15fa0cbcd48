"""Each field of this addon that people see says what it is for, and the forms that show them open."""

from odoo.models import MAGIC_COLUMNS
from odoo.tests import Form, tagged

from .common import MachineAccountCommon

OURS = "mrp_machine_connect_account"
#: Odoo's own notions, and what no screen shows.
KNOWN_TO_ALL = {*MAGIC_COLUMNS, "currency_id", "valued_component_ids"}


@tagged("post_install", "-at_install")
class TestScreens(MachineAccountCommon):
    def test_every_field_of_ours_has_help(self):
        fields = {
            (name, field)
            for name in self.env.registry.models
            for field in self.env[name]._fields.values()
            if next(iter(field._modules), "") == OURS and field.name not in KNOWN_TO_ALL
        }
        self.assertIn(("mrp.workorder", "labour_taken"), {(name, field.name) for name, field in fields})

        self.assertEqual(sorted(f"{name}.{field.name}" for name, field in fields if not field.help), [])

    def test_the_work_order_and_the_entry_show_what_they_hold(self):
        self.use("average", "real_time")
        order = self.new_order(100)
        self.work(order, 0, 30)
        self.close(order, 100, minute=30)

        with Form(order.workorder_ids, "mrp.mrp_production_workorder_form_view_inherit") as form:
            self.assertEqual((form.labour_taken, form.labour_booked), (30, 30))
        with Form(order.move_finished_ids.account_move_id) as form:
            self.assertFalse(form.machine_moment)
