from odoo import api, models
from odoo.tools import plaintext2html

from ..arming_place import here

#: At which place somebody was told that the database is disarmed.
TOLD = "mrp_machine_connect.disarmed_told"
#: Who is told; without one, who armed the database last.
WHOM = "mrp_machine_connect.disarmed_user_id"


class MachineWatch(models.AbstractModel):
    """Notices also that a database was copied, or moved, and is disarmed."""

    _inherit = "mrp.machine.watch"

    @api.model
    def _cron_watch(self):
        found = super()._cron_watch()
        self._watch_arming()
        return found

    @api.model
    def _watch_arming(self):
        """Mail the named person once for each place at which what was armed elsewhere is disarmed."""
        words = self._disarmed_words()
        parameters = self.env["ir.config_parameter"].sudo()  # sudo: our own note
        place = " ".join(here(self.env.cr)) if words else ""
        if place == (parameters.get_param(TOLD) or ""):
            return
        parameters.set_param(TOLD, place)
        if not words:
            return
        last = self.env["mrp.machine.arming"].sudo().search([], limit=1)  # sudo: runs for nobody in particular
        user = self.env["res.users"].browse(int(parameters.get_param(WHOM) or 0)).exists() or last.user_id
        text = self.env._(
            "%(words)s\nNo machine of it is polled and no signed event is taken, until a manager of machines arms it: open a "
            "connection or a source and press Arm.",
            words=words,
        )
        self.env["mail.mail"].sudo().create(  # sudo: see above
            {
                "subject": self.env._("Machines are disarmed in %s", self.env.cr.dbname),
                "body_html": plaintext2html(text),
                "recipient_ids": [(4, user.partner_id.id)],
            }
        ).send()

    @api.model
    def _disarmed_words(self):
        """Return why something that was armed elsewhere is disarmed here; empty when nothing is."""
        for name in ("mrp.machine.connection", "mrp.machine.source"):
            records = self.env[name].sudo().search([("arming_id", "!=", False)])  # sudo: of all companies
            if found := next(filter(None, (arming._difference() for arming in records.arming_id)), ""):
                return found
        return ""
