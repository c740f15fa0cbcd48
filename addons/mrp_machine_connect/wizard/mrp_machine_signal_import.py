import base64
import csv
import io
import zipfile

from psycopg2 import IntegrityError

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

#: Bounds of a file: a register list of a large machine has a few hundred rows.
MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 5000
#: Columns that are shown and can be corrected in the list; all others of the file are taken along.
SHOWN = ("name", "role", "address", "data_type", "fastest_cycle", "state_table")
#: Columns of the template to fill in, the most needed first.
TEMPLATE_COLUMNS = (
    *SHOWN,
    "counter_kind",
    "counter_width",
    "word_order",
    "byte_order",
    "length",
    "scale",
    "offset",
    "unit",
)
#: What other lists call our columns and our data types.
COLUMN_NAMES = {
    "signal": "name",
    "tag": "name",
    "register": "address",
    "node": "address",
    "node id": "address",
    "type": "data_type",
    "datatype": "data_type",
    "format": "data_type",
    "meaning": "role",
    "cycle": "fastest_cycle",
}
TYPE_NAMES = {
    "bit": "bool",
    "boolean": "bool",
    "word": "u16",
    "uint": "u16",
    "uint16": "u16",
    "int": "i16",
    "int16": "i16",
    "sint16": "i16",
    "dword": "u32",
    "udint": "u32",
    "uint32": "u32",
    "dint": "i32",
    "int32": "i32",
    "lword": "u64",
    "uint64": "u64",
    "lint": "i64",
    "int64": "i64",
    "real": "f32",
    "float": "f32",
    "float32": "f32",
    "lreal": "f64",
    "double": "f64",
    "float64": "f64",
    "bcd": "bcd16",
    "char": "string",
    "text": "string",
}


class MachineSignalImport(models.TransientModel):
    """Take signals from a list: good rows become signals, bad ones stay with what to do about them."""

    _name = "mrp.machine.signal.import"
    _description = "Import Signals"

    machine_id = fields.Many2one("mrp.machine", required=True)
    connection_id = fields.Many2one(
        "mrp.machine.connection",
        compute="_compute_connection_id",
        store=True,
        readonly=False,
        domain="[('machine_id', '=', machine_id)]",
        help="Where the addresses of this list are read.",
    )
    has_connection = fields.Boolean(compute="_compute_has_connection")
    file = fields.Binary(
        attachment=False, help="CSV with commas, semicolons or tabs, or the first sheet of an XLSX file."
    )
    filename = fields.Char()
    encoding = fields.Selection(
        [("utf-8-sig", "UTF-8"), ("cp1252", "Western European (Windows-1252)")],
        default="utf-8-sig",
        required=True,
        help="CSV only. If letters with accents are garbled, choose the other one.",
    )
    update_existing = fields.Boolean(
        string="Change Signals That Exist Already",
        help="A row with the name of a signal that the machine has already changes that signal; otherwise it is an error.",
    )
    line_ids = fields.One2many("mrp.machine.signal.import.line", "import_id", string="Row")
    good_count = fields.Integer(compute="_compute_counts")
    bad_count = fields.Integer(compute="_compute_counts")
    message = fields.Char(readonly=True, help="What the last import made, until the rows change.")
    summary = fields.Char(compute="_compute_summary", help="How many rows can become a signal, and what to do next.")

    @api.depends("machine_id")
    def _compute_connection_id(self):
        for wizard in self:
            connections = wizard.machine_id.connection_ids
            wizard.connection_id = connections[:1]

    @api.depends("machine_id")
    def _compute_has_connection(self):
        for wizard in self:
            wizard.has_connection = bool(wizard.machine_id.connection_ids)

    @api.depends("line_ids.error")
    def _compute_counts(self):
        for wizard in self:
            wizard.bad_count = len(wizard.line_ids.filtered("error"))
            wizard.good_count = len(wizard.line_ids) - wizard.bad_count

    @api.depends("line_ids.error")
    def _compute_summary(self):
        for wizard in self:
            wizard.summary = wizard._summary() if wizard.line_ids else False

    def _summary(self):
        _ = self.env._
        good, bad = self.good_count, self.bad_count
        if not bad:
            words = _("The row is good.") if good == 1 else _("%s rows are good.", good)
            return f"{words} {_('Press «Import Good Rows».')}"
        if bad == 1:
            words = _("1 row cannot become a signal yet; it says what to do.")
        else:
            words = _("%s rows cannot become a signal yet; each says what to do.", bad)
        rest = _("Rows that can be imported: %s.", good) if good else _("Correct it here and check again.")
        return f"{words} {rest}"

    @api.onchange("file", "encoding")
    def _onchange_file(self):
        """Forget the rows of the file before: they must not be imported in the name of another one."""
        self.line_ids = [fields.Command.clear()]
        self.message = False

    # Buttons

    def action_check(self):
        """Read the file and show its rows, each with what is wrong with it."""
        self.ensure_one()
        if not self.connection_id:
            raise UserError(self.env._("Connection: the machine needs one before its addresses can be checked."))
        if not self.file:
            raise UserError(self.env._("File: choose a CSV or XLSX file first."))
        columns, rows = self._rows(base64.b64decode(self.file))
        self.line_ids = [
            fields.Command.clear(),
            *(
                fields.Command.create(self._prepare_line(number, dict(zip(columns, row, strict=False))))
                for number, row in rows
            ),
        ]
        self.message = False
        self.line_ids._check()
        return self._reopen()

    def action_check_lines(self):
        """Look at the rows again, after somebody corrected them."""
        self.ensure_one()
        self.message = False
        self.line_ids._check()
        return self._reopen()

    def action_import(self):
        """Make signals of the good rows; the bad ones stay."""
        self.ensure_one()
        if not self.line_ids:
            return self.action_check()
        done = self.line_ids._import()
        count = len(done)
        done.unlink()
        if not self.line_ids:
            return {
                "type": "ir.actions.client",
                "tag": "display_notification",
                "params": {
                    "type": "success",
                    "message": self.env._("Signals imported: %s.", count),
                    "next": {"type": "ir.actions.act_window_close"},
                },
            }
        self.message = self.env._(
            "Signals imported: %(done)s. Rows left: %(left)s. Correct them here and check again, or close.",
            done=count,
            left=len(self.line_ids),
        )
        return self._reopen()

    def action_template(self):
        """Offer a workbook to fill in, with the words that each column takes."""
        self.ensure_one()
        attachment = self.env["ir.attachment"].create(
            {
                "name": "machine-signals.xlsx",
                "raw": self._template(),
                "mimetype": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        return {"type": "ir.actions.act_url", "url": f"/web/content/{attachment.id}?download=true", "target": "self"}

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Import Signals"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }

    # The file

    def _rows(self, content):
        """Return ``(names of the columns, [(row number, cells as text)])`` of a file.

        :raise UserError: it is no list of signals; says what to do
        """
        if len(content) > MAX_BYTES:
            raise UserError(self.env._("File: it is larger than %s MB. Split it.", MAX_BYTES // 1024**2))
        table = self._xlsx(content) if content[:4] == b"PK\x03\x04" else self._csv(content)
        table = [(number, [_text(cell) for cell in row]) for number, row in enumerate(table, start=1)]
        table = [(number, row) for number, row in table if any(row)]
        if not table:
            raise UserError(self.env._("File: it is empty. Download the template to see what it should hold."))
        if len(table) > MAX_ROWS + 1:
            raise UserError(self.env._("File: it has more than %s rows. Split it.", MAX_ROWS))
        columns = self._columns(table[0][1])
        missing = [self._label(name) for name in ("name", "address") if name not in columns]
        if missing:
            raise UserError(
                self.env._(
                    "File: its first row must name the columns, and %s is not among them. Download the template to see "
                    "the names.",
                    ", ".join(f"«{label}»" for label in missing),
                )
            )
        return columns, table[1:]

    def _csv(self, content):
        try:
            text = content.decode(self.encoding)
        except UnicodeDecodeError:
            raise UserError(
                self.env._("Encoding: the file is not %s. Choose the other encoding.", self._encoding_label())
            ) from None
        if "\0" in text:
            raise UserError(self.env._("File: this is neither CSV nor XLSX. Save the list as one of these."))
        first = text.partition("\n")[0]
        delimiter = max(";,\t", key=first.count)
        try:
            return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            raise UserError(self.env._("File: it cannot be read as CSV (%s).", error)) from error

    def _encoding_label(self):
        return dict(self._fields["encoding"]._description_selection(self.env))[self.encoding]

    def _xlsx(self, content):
        import openpyxl

        try:
            workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            return list(workbook.worksheets[0].iter_rows(values_only=True, max_row=MAX_ROWS + 2))
        except (zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
            raise UserError(
                self.env._("File: it cannot be opened as XLSX (%s). Save it again, or as CSV.", error)
            ) from error

    def _columns(self, header):
        """Return the field that each column is for, or its own heading where it is none of ours."""
        known = {}
        signal = self.env["mrp.machine.signal"]
        for name in signal._definition_fields():
            field = signal._fields[name]
            for label in (name, field.string, field._description_string(self.env)):
                known[_plain(label)] = name
        known.update({_plain(key): name for key, name in COLUMN_NAMES.items() if _plain(key) not in known})
        return [known.get(_plain(heading), heading) for heading in header]

    @api.model
    def _label(self, name):
        return self.env["mrp.machine.signal"]._fields[name]._description_string(self.env)

    @api.model
    def _prepare_line(self, number, cells):
        known = set(self.env["mrp.machine.signal"]._definition_fields())
        others = {name: text for name, text in cells.items() if name in known and name not in SHOWN and text}
        return {"number": number, "others": others, **{name: cells.get(name) or False for name in SHOWN}}

    def _template(self):
        """Return an XLSX file with the columns, three examples and the words that each column takes."""
        import openpyxl
        from openpyxl.styles import Font

        signal = self.env["mrp.machine.signal"]
        workbook = openpyxl.Workbook()
        sheet = workbook.active
        sheet.title = self.env._("Signals")
        sheet.append([self._label(name) for name in TEMPLATE_COLUMNS])
        modbus = self.connection_id.protocol != "opcua"
        examples = (
            {
                "name": self.env._("State"),
                "role": "state",
                "address": "holding:0" if modbus else "nsu=urn:example;s=State",
                "data_type": "u16" if modbus else "",
                "state_table": "packml_opc_30050",
            },
            {
                "name": self.env._("Good parts"),
                "role": "good",
                "address": "holding:2" if modbus else "nsu=urn:example;s=Good",
                "data_type": "u32" if modbus else "",
                "fastest_cycle": 2,
                "counter_kind": "absolute",
                "counter_width": "u32",
            },
            {
                "name": self.env._("Oil temperature"),
                "role": "value",
                "address": "input:0" if modbus else "nsu=urn:example;s=Oil",
                "data_type": "i16" if modbus else "",
                "scale": 0.1 if modbus else "",
                "unit": "CEL",
            },
        )
        for example in examples:
            sheet.append([example.get(name, "") for name in TEMPLATE_COLUMNS])
        words = workbook.create_sheet(self.env._("What Goes Where"))
        words.append([self.env._("Column"), self.env._("What it is"), self.env._("Words to choose from")])
        for name in TEMPLATE_COLUMNS:
            field = signal._fields[name]
            choices = (
                [str(key) for key, _label in field._description_selection(self.env)]
                if field.type == "selection"
                else []
            )
            words.append([self._label(name), field._description_help(self.env) or "", ", ".join(choices)])
        for page, widths in ((sheet, [18] * len(TEMPLATE_COLUMNS)), (words, [24, 80, 80])):
            for cell in page[1]:
                cell.font = Font(bold=True)
            for column, width in enumerate(widths, start=1):
                page.column_dimensions[openpyxl.utils.get_column_letter(column)].width = width
            page.freeze_panes = "A2"
        content = io.BytesIO()
        workbook.save(content)
        return content.getvalue()


class MachineSignalImportLine(models.TransientModel):
    """One row of a list: as it was written, and what is wrong with it."""

    _name = "mrp.machine.signal.import.line"
    _description = "Row of a Signal List"
    _order = "number, id"

    import_id = fields.Many2one("mrp.machine.signal.import", required=True, ondelete="cascade")
    number = fields.Integer(string="Row", readonly=True)
    name = fields.Char()
    role = fields.Char()
    address = fields.Char()
    data_type = fields.Char()
    fastest_cycle = fields.Char(string="Fastest Cycle (s)")
    state_table = fields.Char()
    others = fields.Json(readonly=True, help="The other columns of the row.")
    error = fields.Text(string="What to Do", readonly=True)
    is_good = fields.Boolean(compute="_compute_is_good")

    @api.depends("error")
    def _compute_is_good(self):
        for line in self:
            line.is_good = not line.error

    def _check(self):
        """Note on each row what is wrong with it: its words, its address by the driver's rules, what a signal must have."""
        names = set()
        for line in self:
            try:
                with self.env.cr.savepoint():
                    line._make(names)
                    raise _AllIsWell
            except _AllIsWell:
                line.error = False
            except _Bad as bad:
                line.error = str(bad)

    def _import(self):
        """Make the signals; return the rows that became one."""
        names, done = set(), self.browse()
        for line in self:
            try:
                with self.env.cr.savepoint():
                    line._make(names)
                done |= line
            except _Bad as bad:
                line.error = str(bad)
        return done

    def _make(self, names):
        """Make or change the signal of this row.

        :param set names: names that earlier rows took
        :raise _Bad: it cannot be made, in words
        """
        self.ensure_one()
        _ = self.env._
        wizard = self.import_id
        values = self._values()
        name = values.get("name")
        if name in names:
            raise _Bad(_("Name: another row of the list is called «%s» too. Give each its own name.", name))
        names.add(name)
        present = wizard.machine_id.with_context(active_test=False).signal_ids.filtered(
            lambda signal: signal.name == name
        )
        if present and not wizard.update_existing:
            raise _Bad(
                _(
                    "Name: the machine has a signal «%s» already. Change the name, or let existing signals be changed.",
                    name,
                )
            )
        values["connection_id"] = wizard.connection_id.id
        try:
            if present:
                present.write(values)
            else:
                self.env["mrp.machine.signal"].create({**values, "machine_id": wizard.machine_id.id})
            self.env.flush_all()
        except (UserError, ValidationError) as refused:
            # The sentence begins with the signal's name, which stands in the row already.
            words = str(refused).removeprefix(f"{name}: ")
            raise _Bad(words[:1].upper() + words[1:]) from refused
        except IntegrityError as refused:
            raise _Bad(str(refused.diag.message_primary)) from refused

    def _values(self):
        """Return the values of the signal that this row describes.

        :raise _Bad: a cell holds what its column does not take
        """
        cells = {**(self.others or {}), **{name: self[name] for name in SHOWN if self[name]}}
        problems, values = [], {}
        for name in ("name", "address"):
            if not (cells.get(name) or "").strip():
                problems.append(self.env._("%s: this is needed.", self.import_id._label(name)))
        for name, text in cells.items():
            try:
                values[name] = self._value(name, str(text).strip())
            except ValueError as error:
                problems.append(f"{self.import_id._label(name)}: {error}")
        if problems:
            raise _Bad(" ".join(problems))
        return values

    def _value(self, name, text):
        """Return what a cell says, as its field takes it.

        :raise ValueError: it says nothing that the field takes, in words
        """
        field = self.env["mrp.machine.signal"]._fields[name]
        if field.type == "selection":
            return self._choice(field, text)
        if field.type == "boolean":
            if _plain(text) in ("1", "x", "yes", "true", "y"):
                return True
            if _plain(text) in ("0", "no", "false", "n"):
                return False
            raise ValueError(self.env._("«%s» is neither yes nor no.", text))
        if field.type in ("integer", "float"):
            number = text.replace(",", ".") if "." not in text else text
            try:
                value = float(number)
                if field.type == "integer":
                    if not value.is_integer():
                        raise ValueError
                    value = int(value)
            except (ValueError, OverflowError):
                raise ValueError(self.env._("«%s» is not a number.", text)) from None
            return value
        return text

    def _choice(self, field, text):
        wanted = _plain(text)
        if field.name == "data_type":
            wanted = TYPE_NAMES.get(wanted, wanted)
        choices = [*field._description_selection(self.env), *field.selection]
        for key, label in choices:
            if wanted in (_plain(key), _plain(label)):
                return key
        keys = list(dict.fromkeys(str(key) for key, _label in choices))
        raise ValueError(
            self.env._("«%(value)s» is not one of the choices: %(choices)s.", value=text, choices=", ".join(keys))
        )


class _Bad(Exception):
    """A row cannot become a signal; says why, in words."""


class _AllIsWell(Exception):
    """Undoes what was tried."""


def _text(cell):
    """Return a cell as text, a whole number without its point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()


def _plain(text):
    """Return a word as it is compared: in small letters, without the unit in brackets and without signs."""
    return " ".join(str(text or "").split("(")[0].replace("_", " ").replace("*", " ").lower().split())
