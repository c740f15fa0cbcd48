"""The dialogs that bring signals: from a list, out of an address space, from a template's file."""

import base64
import io

import openpyxl

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .opcua_device import NAMESPACE, OpcUaDevice
from .test_wizards import WizardCase


@tagged("post_install", "-at_install")
class TestSignalImport(WizardCase):
    def setUp(self):
        super().setUp()
        self.line = self.connection()

    def wizard(self, content, **values):
        content = content.encode() if isinstance(content, str) else content
        wizard = self.env["mrp.machine.signal.import"].create(
            {"machine_id": self.machine.id, "file": base64.b64encode(content), **values}
        )
        self.assertEqual(wizard.connection_id, self.line)
        return wizard

    def names(self):
        return self.machine.signal_ids.mapped("name")

    def test_good_rows_are_imported_and_bad_ones_stay_with_what_to_do(self):
        wizard = self.wizard(
            "Name;Role;Address;Type;Fastest Cycle (s);Scale\n"
            "Good;good;40003;UDINT;0,5;\n"
            "Where;value;register 7;u16;;\n"
            "Oil;Value only;input:0;i16;;0,1\n"
            ";value;holding:9;u16;;\n"
            "Reject;reject;holding:4;u16;;\n"
        )
        wizard.action_check()
        self.assertEqual(wizard.line_ids.mapped("number"), [2, 3, 4, 5, 6])
        self.assertEqual((wizard.good_count, wizard.bad_count), (2, 3))
        errors = {line.number: line.error for line in wizard.line_ids}
        self.assertIn("Address: «register 7» is not an address", errors[3])
        self.assertIn("Name: this is needed", errors[5])
        self.assertIn("Give the fastest cycle in seconds", errors[6])
        self.assertFalse(self.names(), "looking at a file imports nothing")

        wizard.action_import()
        self.assertEqual(self.names(), ["Good", "Oil"])
        self.assertEqual(wizard.line_ids.mapped("number"), [3, 5, 6])
        self.assertEqual(
            wizard.message, "Signals imported: 2. Rows left: 3. Correct them here and check again, or close."
        )
        good, oil = self.machine.signal_ids
        self.assertEqual((good.address, good.data_type, good.fastest_cycle), ("40003", "u32", 0.5))
        self.assertEqual((oil.role, oil.scale), ("value", 0.1))

        wizard.line_ids[0].address = "holding:7"
        wizard.line_ids[1].name = "Nine"
        wizard.line_ids[2].fastest_cycle = "2"
        action = wizard.action_import()
        self.assertEqual(action["tag"], "display_notification")
        self.assertEqual(sorted(self.names()), ["Good", "Nine", "Oil", "Reject", "Where"])

    def test_what_was_said_of_bad_rows_goes_when_they_are_mended(self):
        wizard = self.wizard("name;address\nA;holding:1\nB;nowhere\nC;\n")

        wizard.action_check()
        self.assertIn("2 rows cannot become a signal yet", wizard.summary)
        self.assertIn("Rows that can be imported: 1.", wizard.summary)
        wizard.action_import()
        self.assertIn("Rows left: 2", wizard.message)

        wizard.line_ids[0].address = "holding:2"
        wizard.action_check_lines()
        self.assertFalse(wizard.message, "what the last import left is not true any more")
        self.assertIn("1 row cannot become a signal yet", wizard.summary)
        wizard.line_ids[1].address = "holding:3"
        wizard.action_check_lines()
        self.assertEqual(wizard.summary, "2 rows are good. Press «Import Good Rows».")
        wizard.line_ids[0].unlink()
        self.assertEqual(wizard.summary, "The row is good. Press «Import Good Rows».")

    def test_another_file_does_not_bring_the_rows_of_the_one_before(self):
        wizard = self.wizard("name;address\nA;holding:1\nB;nowhere\n")
        wizard.action_check()
        wizard.action_import()

        with Form(wizard) as form:
            form.file = base64.b64encode(b"name;address\nZ;holding:9\n")

        self.assertFalse(wizard.line_ids)
        self.assertFalse(wizard.message)
        wizard.action_check()
        self.assertEqual(wizard.line_ids.mapped("name"), ["Z"])

    def test_commas_tabs_bom_and_encodings(self):
        for content, encoding, name in (
            ("name,address\nÖl,input:1\n".encode("utf-8-sig"), "utf-8-sig", "Öl"),
            ("name\taddress\nDrück\tinput:2\n".encode(), "utf-8-sig", "Drück"),
            ("name;address\nTür;input:3\n".encode("cp1252"), "cp1252", "Tür"),
            (b'"name";"address"\r\n"a;b";"input:4"\r\n', "cp1252", "a;b"),
        ):
            with self.subTest(name=name):
                wizard = self.wizard(content, encoding=encoding)
                wizard.action_check()
                self.assertEqual(wizard.line_ids.mapped("error"), [False])
                wizard.action_import()
                self.assertIn(name, self.names())

    def test_the_template_to_fill_in_is_a_file_that_can_be_imported(self):
        content = self.wizard("").with_context(lang="en_US")._template()

        wizard = self.wizard(content)
        wizard.action_check()

        self.assertEqual(wizard.line_ids.mapped("error"), [False] * 3)
        self.assertEqual(wizard.line_ids.mapped("name"), ["State", "Good parts", "Oil temperature"])
        self.assertIn("/web/content/", wizard.action_template()["url"])

    def test_numbers_in_a_workbook_keep_their_form(self):
        workbook = openpyxl.Workbook()
        workbook.active.append(["Signal", "Register", "Fastest cycle", "Role", "Data type"])
        workbook.active.append(["Good", 40003.0, 0.5, "Good pieces", "uint32"])
        content = io.BytesIO()
        workbook.save(content)

        wizard = self.wizard(content.getvalue())
        wizard.action_check()
        wizard.action_import()

        signal = self.machine.signal_ids
        self.assertEqual((signal.address, signal.fastest_cycle, signal.role), ("40003", 0.5, "good"))

    def test_files_that_are_no_lists_are_told_apart(self):
        for content, words in (
            ("", "File: "),
            ("\n\n", "is empty"),
            ("a;b\n1;2\n", "«Name», «Address»"),
            ("name;address\nÖl;input:1\n".encode("cp1252"), "Choose the other encoding"),
            (b"PK\x03\x04 no workbook", "as XLSX"),
            (b"name;address\n\0\0", "neither CSV nor XLSX"),
        ):
            with self.subTest(words=words), self.assertRaisesRegex(UserError, words):
                self.wizard(content).action_check()

    def test_one_name_for_two_rows_or_for_a_signal_that_is_there(self):
        self.signal(self.line, name="Good")
        wizard = self.wizard("name,address\nTwice,holding:1\nTwice,holding:2\nGood,holding:8\n")

        wizard.action_check()

        self.assertEqual(wizard.line_ids[0].error, False)
        self.assertIn("another row", wizard.line_ids[1].error)
        self.assertIn("already", wizard.line_ids[2].error)

        wizard.update_existing = True
        wizard.action_check_lines()
        self.assertFalse(wizard.line_ids[2].error)
        wizard.action_import()
        self.assertEqual(self.machine.signal_ids.filtered(lambda signal: signal.name == "Good").address, "holding:8")

    def test_words_that_a_column_does_not_take(self):
        wizard = self.wizard("name;address;role;scale;allow_uncertain\nA;input:1;gut;viel;vielleicht\n")

        wizard.action_check()

        error = wizard.line_ids.error
        self.assertIn("Role: «gut» is not one of the choices: state, good", error)
        self.assertIn("Scale: «viel» is not a number", error)
        self.assertIn("«vielleicht» is neither yes nor no", error)


@tagged("post_install", "-at_install")
class TestBrowse(WizardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(OpcUaDevice())

    def open(self):
        connection = self.connection(protocol="opcua", url=self.server.url)
        action = self.click(connection, "action_browse")
        return self.env["mrp.machine.browse"].browse(action["res_id"])

    def line(self, browse, label):
        return browse.line_ids.filtered(lambda line: line.label == label)

    def test_into_a_folder_and_back(self):
        browse = self.open()
        self.assertIn("Press", browse.line_ids.mapped("label"))

        self.click(self.line(browse, "Press"), "action_open")
        self.assertEqual(browse.path, "Server › Press")
        self.assertEqual(set(browse.line_ids.mapped("label")), {"State", "Good", "Program", "Axes"})
        good = self.line(browse, "Good")
        self.assertEqual((good.kind, good.value, good.address), ("variable", "48211", f"nsu={NAMESPACE};s=Good"))

        self.click(self.line(browse, "Axes"), "action_open")
        self.assertEqual(browse.path, "Server › Press › Axes")
        self.click(browse, "action_back")
        self.click(browse, "action_back")
        self.assertEqual(browse.path, "Server")

    def test_variables_with_a_role_become_signals(self):
        browse = self.open()
        self.click(self.line(browse, "Press"), "action_open")
        self.line(browse, "State").write({"role": "state", "name": "Zustand"})
        self.line(browse, "Good").role = "good"
        self.assertTrue(browse.needs_cycle)

        browse.action_create()
        self.assertEqual(self.machine.signal_ids.mapped("name"), ["Zustand"])
        self.assertIn("fastest cycle", self.line(browse, "Good").error)
        self.assertEqual(self.line(browse, "State").known_as, "Zustand")

        browse.fastest_cycle = 0.5
        browse.action_create()
        self.assertEqual(self.machine.signal_ids.mapped("name"), ["Zustand", "Good"])
        self.assertFalse(self.line(browse, "Good").error)

        with self.assertRaisesRegex(UserError, "role first"):
            browse.action_create()

    def test_a_name_that_is_taken(self):
        browse = self.open()
        self.click(self.line(browse, "Press"), "action_open")
        self.signal(browse.connection_id, name="Program", address=f"nsu={NAMESPACE};s=Good")
        self.line(browse, "Program").role = "program"

        browse.action_create()

        self.assertIn("another name", self.line(browse, "Program").error)

    def test_modbus_has_nothing_to_browse(self):
        with self.assertRaisesRegex(UserError, "maker's manual"):
            self.connection().action_browse()


@tagged("post_install", "-at_install")
class TestTemplateFile(WizardCase):
    def test_a_template_goes_out_and_comes_back(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Press",
                "signal_ids": [Command.create({"name": "State", "role": "state", "address": "holding:0"})],
                "code_ids": [Command.create({"kind": "state", "code": "9", "state": "fault"})],
            }
        )
        wizard = self.env["mrp.machine.template.import"].create({"file": base64.b64encode(template._export().encode())})

        copy = self.env["mrp.machine.template"].browse(wizard.action_import()["res_id"])

        self.assertEqual(copy.signal_ids.mapped("address"), ["holding:0"])
        self.assertEqual(copy.code_ids.mapped("state"), ["fault"])

    def test_another_file_is_refused_in_words(self):
        for content in (b"{}", b"no json", b"\xff\xfe\x00"):
            wizard = self.env["mrp.machine.template.import"].create({"file": base64.b64encode(content)})
            with self.subTest(content=content), self.assertRaisesRegex(UserError, "not a machine template"):
                wizard.action_import()

    def test_a_template_is_applied_to_the_connection_of_its_protocol(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Oven",
                "protocol": "opcua",
                "signal_ids": [Command.create({"name": "Heat", "address": "nsu=urn:oven;s=Heat"})],
            }
        )
        with self.assertRaisesRegex(UserError, "Choose a template"):
            self.machine.action_apply_template()
        self.machine.template_id = template
        self.connection()
        with self.assertRaisesRegex(UserError, "connection of its protocol"):
            self.machine.action_apply_template()

        opcua = self.connection(protocol="opcua", url="opc.tcp://127.0.0.1:1")
        self.machine.action_apply_template()

        self.assertEqual(self.machine.signal_ids.connection_id, opcua)
