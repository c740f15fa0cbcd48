"""Does the consultant's tutorial say the truth about its list of signals? The browser tier clicks it; this reads it."""

import base64
import re
from pathlib import Path

from odoo.tests import tagged

from .common import MachineConnectCommon

TUTORIAL = Path(__file__).resolve().parents[3] / "docs" / "tutorial-connect-a-machine.md"


@tagged("post_install", "-at_install")
class TestTutorial(MachineConnectCommon):
    def setUp(self):
        super().setUp()
        if not TUTORIAL.is_file():
            self.skipTest("the addon lies here without the documentation of its repository")
        chapter = re.search(r"^## 3\. .*?(?=^## )", TUTORIAL.read_text(), re.S | re.M)[0]
        self.list = re.search(r"^```csv\n(.*?)^```", chapter, re.S | re.M)[1]
        self.steps = re.findall(r"^\d\. (.*?)(?=^\d\. |^$)", chapter, re.S | re.M)
        # As the chapters before left the machine: with a connection and the signals of the template.
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": "modbus", "host": "127.0.0.1", "port": 15021}
        )
        self.env.ref("mrp_machine_connect.template_packml_modbus")._apply(self.machine, connection)

    def test_the_list_has_exactly_the_two_red_rows_that_the_text_names_and_its_corrections_mend_them(self):
        before = self.machine.signal_ids
        wizard = self.env["mrp.machine.signal.import"].create(
            {"machine_id": self.machine.id, "file": base64.b64encode(self.list.encode())}
        )
        wizard.action_check()

        counter, nowhere = wizard.line_ids.filtered("error")
        self.assertRegex(
            self.steps[1], rf"^Two rows are red\. .*\*{counter.name}\* is a counter and has no fastest cycle"
        )
        self.assertIn("fastest cycle", counter.error)
        self.assertIn(f"`{nowhere.address}` is no address", self.steps[1])
        self.assertIn(nowhere.address, nowhere.error)

        wizard.action_import()
        made = self.machine.signal_ids - before
        self.assertEqual(len(made), len(self.list.splitlines()) - 1 - 2)
        self.assertIn({3: "Three signals are made"}[len(made)], self.steps[2])
        self.assertEqual(wizard.line_ids, counter | nowhere)

        cycle, name, address, data_type = re.findall(r"`([^`]+)`", self.steps[3])
        counter.fastest_cycle = cycle
        nowhere.write({"name": name, "address": address, "data_type": data_type})
        wizard.action_check_lines()
        self.assertFalse(wizard.line_ids.filtered("error"))
        wizard.action_import()
        self.assertEqual(set((self.machine.signal_ids - before - made).mapped("name")), {"Strokes", name})
