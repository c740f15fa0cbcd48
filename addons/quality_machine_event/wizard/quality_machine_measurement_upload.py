"""A file of measurements comes in by hand: its values are events of the measuring machine like all others."""

import base64

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.machine_connect import clock
from odoo.addons.mrp_machine_connect.machine_connect.formats import qif
from odoo.addons.mrp_machine_connect.moments import moment_words
from odoo.exceptions import AccessError, UserError

#: Who may bring files.
UPLOADERS = (
    "quality_machine_event.group_quality_inspector",
    "mrp_machine_connect.group_supervisor",
    "mrp_machine_connect.group_manager",
)


class QualityMachineMeasurementUpload(models.TransientModel):
    """Upload a QIF file, see what is in it, and let it become checks."""

    _name = "quality.machine.measurement.upload"
    _description = "Upload of Measurements"

    file = fields.Binary(required=True, attachment=False, help="QIF of version 2 or 3, with results.")
    file_name = fields.Char(help="Its name.")
    machine_id = fields.Many2one(
        "mrp.machine", required=True, help="The machine that measured, or that made the parts."
    )
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        domain="[('company_id', '=', company_id)]",
        help="That the parts are of. Empty: found by their serial numbers.",
    )
    company_id = fields.Many2one(related="machine_id.company_id")
    summary = fields.Text(compute="_compute_summary", help="What the file holds.")

    @api.depends("file")
    def _compute_summary(self):
        for wizard in self:
            wizard.summary = ""
            if not wizard.file:
                continue
            try:
                document = wizard._document()
            except UserError as refused:
                wizard.summary = str(refused)
                continue
            values = document.measurements
            wizard.summary = self.env._(
                "QIF %(version)s: %(parts)s parts, %(values)s values, %(failed)s of them failed on %(bad)s parts. Measured "
                "at %(time)s.",
                version=document.version,
                parts=len(document.parts),
                values=len(values),
                failed=sum(value.status == qif.FAIL for value in values),
                bad=sum(part.failed for part in document.parts),
                time=moment_words(self, document.measured.replace(tzinfo=None)) if document.measured else "?",
            )

    def _document(self):
        """Return what the file says.

        :raise UserError: it is not read, in words
        """
        try:
            return qif.read(base64.b64decode(self.file))
        except qif.QifRefused as refused:
            raise UserError(self._refused_words(refused)) from refused
        except ValueError as error:
            raise UserError(self.env._("The file did not arrive whole. Upload it again.")) from error

    def _refused_words(self, refused):
        _ = self.env._
        match refused.code:
            case "too_big":
                return _("The file is larger than %s MB. Export fewer parts.", refused.params["limit"] // 1024**2)
            case "not_xml":
                return _("The file is no XML (line %s). Export it again as QIF.", refused.params["line"])
            case "document_type":
                return _("The file has a document type or entities, which QIF has not. It is not read.")
            case "no_results":
                return _("The file holds no measurement results: it is a plan, perhaps. Export the results.")
            case "too_many":
                return _("The file holds more than %s values. Export fewer parts.", refused.params["limit"])
            case _other:
                return _("The file is no QIF of version 2 or 3. Export it as QIF from the measuring machine.")

    def action_upload(self):
        """Let the values become events of the machine; a file that was uploaded before brings nothing new."""
        self.ensure_one()
        if not any(self.env.user.has_group(group) for group in UPLOADERS):
            raise AccessError(self.env._("Only a quality inspector, a supervisor or a manager uploads measurements."))
        machine = self.machine_id
        machine.check_access("read")
        document, now = self._document(), clock.now()
        if not document.measured:
            raise UserError(self.env._("The file does not say when it was measured."))
        events = qif.events(document, recorded=now)
        if self.production_id:
            for event in events:
                event.data["production_id"] = self.production_id.id
        # sudo: nobody writes the log; that this user may upload was asked above
        log = machine.sudo().env["mrp.machine.event"]
        received = log._receive(
            self.env.ref("mrp_machine_connect.source_people").sudo(),
            [(machine.sudo(), machine.sudo()._people_stream(), {}, machine.sudo().mapping_version, events)],
            user=self.env.user,
        )
        self.env["mrp.machine.poster"]._wake()
        if not received:
            raise UserError(self.env._("This file was uploaded before: all of its values are known already."))
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        action.update(domain=[("id", "in", received.ids)], context={})
        return action
